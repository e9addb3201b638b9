"""One SQL file: its SELECT, what the SELECT reads, and the same SELECT in another dialect."""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, TokenError
from sqlglot.optimizer.scope import traverse_scope

from zoho_pipeline.transform.dictionaries.dictionary import DICTIONARIES, Dictionary
from zoho_pipeline.transform.errors import ProjectError
from zoho_pipeline.transform.project.docs import Docs
from zoho_pipeline.warehouse.connection import RAW_SCHEMA

SOURCE_DIALECT = "duckdb"
PROVIDED = frozenset({"run_parameters", "run_channels"})
"""Relations that each run creates, so that models can read them."""


@dataclass(frozen=True)
class Reference:
    """A relation that a model reads: its bare name, or `zoho_raw.<table>`, and the first line that names it."""

    name: str
    line: int | None

    @property
    def is_raw(self) -> bool:
        return self.name.startswith(f"{RAW_SCHEMA}.")


@dataclass(frozen=True)
class Model:
    """A SELECT in a file. `layer` is staging, intermediate, metrics, marts or tests (a singular test)."""

    name: str
    path: Path
    layer: str
    text: str
    docs: Docs = field(default_factory=Docs)

    @cached_property
    def expression(self) -> exp.Query:
        """The one SELECT of the file. ProjectError: there is none, or there is more than one statement."""
        return parse_one_select(self.text, self.path)

    @cached_property
    def references(self) -> tuple[Reference, ...]:
        """The relations that it reads, each once, in the order of the text. Its own CTEs are not references."""
        found: dict[str, Reference] = {}
        for scope in traverse_scope(self.expression):
            for source in scope.sources.values():
                if isinstance(source, exp.Table) and source.name:
                    reference = self._reference(source)
                    found.setdefault(reference.name, reference)
        return tuple(sorted(found.values(), key=lambda r: (r.line or 0, r.name)))

    def _reference(self, table: exp.Table) -> Reference:
        line = table.this.meta.get("line")
        if table.catalog or (table.db and table.db.lower() != RAW_SCHEMA):
            raise ProjectError(
                self.path,
                line,
                f"reads {table.sql()}: models are read by their bare name, raw tables as {RAW_SCHEMA}.<table>.",
            )
        name = table.name.lower()
        return Reference(f"{RAW_SCHEMA}.{name}" if table.db else name, line)

    @property
    def depends_on(self) -> tuple[str, ...]:
        """Names of the models and seeds it reads."""
        return tuple(r.name for r in self.references if not r.is_raw and r.name not in PROVIDED)

    @property
    def raw_tables(self) -> tuple[str, ...]:
        """Names of the raw tables it reads, without the schema."""
        return tuple(r.name.partition(".")[2] for r in self.references if r.is_raw)

    @property
    def dictionary(self) -> Dictionary | None:
        """The dictionary that a run makes of the SELECT's values. ProjectError: the yml names an unknown one."""
        name = self.docs.meta.get("dictionary")
        if name is not None and name not in DICTIONARIES:
            raise ProjectError(
                self.docs.path or self.path,
                None,
                f"gives {self.name} an unknown dictionary {name!r}; known are {', '.join(DICTIONARIES)}.",
            )
        return DICTIONARIES[name] if name else None

    @property
    def selects(self) -> tuple[str, ...]:
        """The columns of its table, as far as the SELECT names them; a dictionary adds its own."""
        added = self.dictionary.columns if self.dictionary else ()
        return (*(name for name in self.expression.named_selects if name != "*"), *added)

    def check_order(self, columns: Collection[str]) -> None:
        """ProjectError: the yml sorts the rows by a column that is not among `columns`, those of its table."""
        if unknown := [name for name in self.docs.cluster_by if name not in columns]:
            raise ProjectError(
                self.docs.path or self.path,
                None,
                f"sorts {self.name} by {', '.join(unknown)}, which it does not select. Give its columns in cluster_by.",
            )

    @property
    def is_view(self) -> bool:
        """Whether it is published as a view on other marts, and not as a table."""
        return self.docs.is_view

    @property
    def description(self) -> str:
        return self.docs.description

    @property
    def body(self) -> str:
        """The whole text without the last semicolon, so that line numbers are those of the file."""
        return self.text.rstrip().rstrip(";")

    def sql(self, dialect: str, raw_prefix: str | None = None, schema: str | None = None) -> str:
        """The SELECT in a dialect.

        Args:
            raw_prefix: `zoho_raw.x` is read as `<raw_prefix>x`.
            schema: other relations are read as `<schema>.x`. For a view, which has no CTEs.

        Raises:
            sqlglot.errors.UnsupportedError: the dialect has no such construct.
        """
        tree = self.expression.copy()
        if raw_prefix is not None:
            for table in tree.find_all(exp.Table):
                if table.db.lower() == RAW_SCHEMA:
                    alias = table.alias_or_name
                    table.replace(exp.alias_(exp.to_table(raw_prefix + table.name), alias, table=True))
        if schema is not None:
            for table in tree.find_all(exp.Table):
                table.set("db", exp.to_identifier(schema))
        return tree.sql(dialect=dialect, unsupported_level=sqlglot.ErrorLevel.RAISE, comments=schema is None)

    def line_naming(self, word: str, nth: int = 0) -> int | None:
        """The line of the file that names a word for the nth time (counted from 0, without comments).

        Where the word occurs less often, it is the line of the first one; None where it does not occur.
        """
        found = namings(self.text, word)
        return self.text.count("\n", 0, found[nth if nth < len(found) else 0]) + 1 if found else None


def namings(text: str, word: str) -> list[int]:
    """The offsets at which a text names a word outside comments."""
    pattern = rf"(?<!\w){re.escape(word)}(?!\w)"
    return [match.start() for match in re.finditer(pattern, strip_comments(text), re.IGNORECASE)]


def strip_comments(text: str) -> str:
    """The text with blanks instead of comments; every other character keeps its offset."""
    blank = re.compile(r"--[^\n]*|/\*.*?\*/|('(?:[^']|'')*')", re.DOTALL)
    return blank.sub(lambda m: m.group(0) if m.group(1) else re.sub(r"[^\n]", " ", m.group(0)), text)


def parse_one_select(text: str, path: Path) -> exp.Query:
    """The file's one SELECT, read in DuckDB's dialect. ProjectError: it is not one SELECT; names the line."""
    try:
        statements = [s for s in sqlglot.parse(text, dialect=SOURCE_DIALECT) if s is not None]
    except ParseError as error:
        first = error.errors[0] if error.errors else {}
        raise ProjectError(path, first.get("line"), f"is not SQL: {first.get('description') or error}") from error
    except TokenError as error:
        raise ProjectError(path, None, f"is not SQL: {error}") from error
    statements = [s for s in statements if not isinstance(s, exp.Semicolon)]
    if not statements:
        raise ProjectError(path, 1, "is empty; a model is one SELECT.")
    if len(statements) > 1:
        second = next((node.meta["line"] for node in statements[1].walk() if "line" in node.meta), None)
        raise ProjectError(path, second, f"holds {len(statements)} statements; a model is one SELECT.")
    if not isinstance(statements[0], exp.Query):
        raise ProjectError(path, 1, f"is a {statements[0].key.upper()}; a model is one SELECT.")
    return statements[0]
