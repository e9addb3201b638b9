"""The yml beside the models, in dbt's schema format: descriptions, types, tests, config, sources.

It reads `models:` and `seeds:` (name, description, config.severity, config.materialized, config.cluster_by,
config.meta, columns, tests or data_tests) and `sources:` (the raw tables with their types). An unknown test is an error
that names the file, because a misspelt test is a check that never runs.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from zoho_pipeline.text_files import NotText, read_text
from zoho_pipeline.transform.errors import ProjectError

Severity = Literal["error", "warn"]
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the one of libyaml is ten times faster
KINDS = ("not_null", "unique", "accepted_values", "relationships", "unique_combination_of_columns")


@dataclass(frozen=True)
class DocumentedColumn:
    """A column as the yml documents it; `data_type` is DuckDB's name, '' where the yml gives none."""

    name: str
    description: str = ""
    data_type: str = ""


@dataclass(frozen=True)
class YmlCheck:
    """A test of the yml. `arguments` have dbt's names (values, to, field, combination_of_columns)."""

    kind: str
    columns: tuple[str, ...]
    severity: Severity = "error"
    arguments: Mapping[str, Any] = field(default_factory=dict)
    where: str | None = None


@dataclass(frozen=True)
class Docs:
    """What the yml says about one model, seed or singular test."""

    description: str = ""
    columns: tuple[DocumentedColumn, ...] = ()
    checks: tuple[YmlCheck, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)
    severity: Severity = "error"
    path: Path | None = None
    is_view: bool = False
    cluster_by: tuple[str, ...] = ()
    """The columns that the rows of a mart are sorted by. So a reader of one channel finds its rows together: a list of
    leads takes 4 ms instead of 15. Sorting a large mart takes a fifth of the time of writing it."""

    @property
    def primary_key(self) -> tuple[str, ...]:
        return tuple(self.meta.get("primary_key", ()))

    @property
    def keeps_history(self) -> bool:
        return bool(self.meta.get("keeps_history", False))

    @property
    def formerly(self) -> str:
        """The mart of earlier releases whose stored rows this one takes over, once; '' for most marts."""
        return str(self.meta.get("formerly", ""))

    @property
    def sticky_flags(self) -> tuple[str, ...]:
        return tuple(self.meta.get("sticky_flags", ()))


@dataclass(frozen=True)
class ProjectDocs:
    """All yml of a project: docs by name of model, seed or test; raw columns by table name."""

    by_name: Mapping[str, Docs]
    raw_tables: Mapping[str, tuple[DocumentedColumn, ...]]


def read_docs(root: Path) -> ProjectDocs:
    """Read every `*.yml` under `root`.

    Raises:
        ProjectError: a file is no YAML, a test is unknown, or a name is documented twice.
    """
    by_name: dict[str, Docs] = {}
    raw_tables: dict[str, tuple[DocumentedColumn, ...]] = {}
    for path in sorted(root.rglob("*.yml")):
        content = _load(path)
        for section in ("models", "seeds", "data_tests", "tests"):
            for entry in _entries(content.get(section), path):
                name = str(entry["name"])
                if name in by_name:
                    raise ProjectError(path, None, f"documents {name} again; the first place is {by_name[name].path}.")
                by_name[name] = _docs(entry, path)
        for source in _entries(content.get("sources"), path):
            for table in _entries(source.get("tables"), path):
                raw_tables[str(table["name"])] = _columns(table, path)
    return ProjectDocs(by_name, raw_tables)


def read_file(path: Path) -> str:
    """The text of a file of the project. ProjectError: it is no text."""
    try:
        return read_text(path)
    except NotText as error:
        raise ProjectError(path, None, str(error)) from error


def _load(path: Path) -> dict[str, Any]:
    try:
        content = yaml.load(read_file(path), Loader=_Loader)  # noqa: S506 (a safe loader)
    except yaml.reader.ReaderError as error:
        raise ProjectError(path, None, f"is not YAML: {error.reason}.") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise ProjectError(path, line, f"is not YAML: {error.problem}") from error
    if not isinstance(content or {}, dict):
        raise ProjectError(path, 1, "is not a mapping with models:, seeds: or sources: in it.")
    return content or {}


def _entries(value: Any, path: Path) -> Iterator[dict[str, Any]]:
    for entry in value or []:
        if not isinstance(entry, dict) or "name" not in entry:
            raise ProjectError(path, None, f"has an entry without a name: {entry!r}.")
        yield entry


def _docs(entry: Mapping[str, Any], path: Path) -> Docs:
    config = entry.get("config") or {}
    severity = _severity(config.get("severity", "error"), path)
    is_view = _is_view(config.get("materialized", "table"), path)
    checks = [_check(test, (), severity, path) for test in _tests(entry)]
    for column in _entries(entry.get("columns"), path):
        checks += [_check(test, (str(column["name"]),), severity, path) for test in _tests(column)]
    return Docs(
        description=_text(entry.get("description")),
        columns=_columns(entry, path),
        checks=() if is_view else tuple(checks),  # its rows are those of a table that has been checked
        meta={**(entry.get("meta") or {}), **(config.get("meta") or {})},
        severity=severity,
        path=path,
        is_view=is_view,
        cluster_by=tuple(_names(config.get("cluster_by"), path)),
    )


def _is_view(value: Any, path: Path) -> bool:
    if value not in ("table", "view"):
        raise ProjectError(path, None, f"has materialized {value!r}; it is table or view.")
    return bool(value == "view")


def _names(value: Any, path: Path) -> list[str]:
    names = [value] if isinstance(value, str) else value or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ProjectError(path, None, f"has cluster_by {value!r}; it is a column, or a list of columns.")
    return names


def _tests(entry: Mapping[str, Any]) -> list[Any]:
    return [*(entry.get("tests") or []), *(entry.get("data_tests") or [])]


def _columns(entry: Mapping[str, Any], path: Path) -> tuple[DocumentedColumn, ...]:
    return tuple(
        DocumentedColumn(str(c["name"]), _text(c.get("description")), str(c.get("data_type") or ""))
        for c in _entries(entry.get("columns"), path)
    )


def _check(test: Any, columns: tuple[str, ...], severity: Severity, path: Path) -> YmlCheck:
    """`not_null`, or `{accepted_values: {values: […], config: {severity: warn}}}`."""
    kind, given = (test, {}) if isinstance(test, str) else next(iter(test.items()))
    kind = str(kind).rpartition(".")[2]  # dbt_utils.unique_combination_of_columns
    if kind not in KINDS:
        raise ProjectError(path, None, f"names an unknown test {kind!r}; known are {', '.join(KINDS)}.")
    arguments = {**(given or {}), **((given or {}).get("arguments") or {})}
    config = {**arguments, **(arguments.pop("config", None) or {})}
    if kind == "unique_combination_of_columns":
        columns = tuple(str(name) for name in arguments.get("combination_of_columns") or ())
    if not columns:
        raise ProjectError(path, None, f"has a {kind} test without a column.")
    return YmlCheck(kind, columns, _severity(config.get("severity", severity), path), arguments, config.get("where"))


def _severity(value: Any, path: Path) -> Severity:
    value = str(value).lower()
    if value not in ("error", "warn"):
        raise ProjectError(path, None, f"has severity {value!r}; it is error or warn.")
    return "warn" if value == "warn" else "error"


def _text(value: Any) -> str:
    return " ".join(str(value or "").split())
