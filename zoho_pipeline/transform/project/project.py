"""The SQL project: models and seeds in the order in which they are built, with their docs and checks."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from sqlglot import exp

from zoho_pipeline.settings import SQL_PROJECT, UsageError
from zoho_pipeline.transform.dictionaries.dictionary import VALUE
from zoho_pipeline.transform.errors import ProjectError
from zoho_pipeline.transform.project.docs import Docs, DocumentedColumn, read_docs, read_file
from zoho_pipeline.transform.project.model import PROVIDED, Model

LAYERS = ("staging", "intermediate", "metrics", "marts")
RANKS = ("staging", "intermediate", "marts/facts", "metrics", "marts")
"""Folders from the lowest layer to the highest: a model reads its own layer and those before it. Files that
are in `marts` but not in `marts/facts` (the insight) are the highest layer."""
TESTS = "tests"


@dataclass(frozen=True)
class Seed:
    """A CSV file that models read as a table; column types come from its yml."""

    name: str
    path: Path
    docs: Docs


@dataclass(frozen=True)
class Project:
    """A loaded project.

    Attributes:
        models: by name, in build order (a model comes after everything that it reads).
        tests: singular tests by name: SELECTs that return the failing rows.
        raw_tables: raw table → declared columns, from the yml's `sources:`.
    """

    root: Path
    models: Mapping[str, Model]
    seeds: Mapping[str, Seed]
    tests: Mapping[str, Model]
    raw_tables: Mapping[str, tuple[DocumentedColumn, ...]]

    @classmethod
    def load(cls, root: Path | None = None) -> "Project":
        """Read and check the whole project at `root`; the default is the one that ships with the package.

        ProjectError names file and line: not one SELECT, an unknown or doubled name, a model that reads a
        higher layer or (outside staging) a raw table, a cycle.
        """
        root = root or SQL_PROJECT
        stamp = tuple((str(p), p.stat().st_mtime_ns, p.stat().st_size) for p in _files(root))
        return _load(root, stamp)

    @property
    def marts(self) -> dict[str, Model]:
        return {name: model for name, model in self.models.items() if model.layer == "marts"}

    @cached_property
    def readers(self) -> dict[str, tuple[str, ...]]:
        """Name → the models that read it."""
        found: dict[str, list[str]] = {name: [] for name in (*self.models, *self.seeds)}
        for model in self.models.values():
            for name in model.depends_on:
                found[name].append(model.name)
        return {name: tuple(readers) for name, readers in found.items()}

    def ancestors(self, names: Iterable[str]) -> set[str]:
        """The models and seeds that `names` need, and `names` themselves."""
        return _reach(names, lambda name: self.models[name].depends_on if name in self.models else ())

    def descendants(self, names: Iterable[str]) -> set[str]:
        """The models that need one of `names`, and `names` themselves."""
        return _reach(names, lambda name: self.readers[name])

    def select(self, selection: str | Iterable[str]) -> set[str]:
        """The model names of a selection such as `lead+ +channel_insight`.

        `+m` is m with all that it needs, `m+` is m with all that need it. Names are separated by blanks or commas.
        The tables that one view reads are chosen together, because the view shows one state of them.

        Raises:
            UsageError: no model or seed has that name.
        """
        words = selection.replace(",", " ").split() if isinstance(selection, str) else list(selection)
        chosen: set[str] = set()
        for word in words:
            name = word.strip("+")
            if name not in self.models and name not in self.seeds:
                raise UsageError(f"no model is called {name!r}. Models: {', '.join(self.models)}.")
            chosen.add(name)
            chosen |= self.ancestors([name]) if word.startswith("+") else set()
            chosen |= self.descendants([name]) if word.endswith("+") else set()
        return self._with_tables_of_views(chosen & set(self.models))

    def _with_tables_of_views(self, chosen: set[str]) -> set[str]:
        for view in reversed([model for model in self.marts.values() if model.is_view]):
            tables = {name for name in view.depends_on if not self.models[name].is_view}
            if view.name in chosen:
                chosen |= set(view.depends_on)
            elif tables & chosen:
                chosen |= tables
        return chosen

    @cached_property
    def fingerprint(self) -> str:
        """A hash of all files of the project: models, seeds, tests and yml."""
        digest = hashlib.sha256()
        for path in _files(self.root):
            digest.update(f"{path.relative_to(self.root)}\0".encode() + path.read_bytes())
        return digest.hexdigest()


def _files(root: Path) -> Iterator[Path]:
    if not root.is_dir():
        raise ProjectError(root, None, "is not a folder; it should contain the SQL project.")
    for suffix in ("*.sql", "*.yml", "*.csv"):
        yield from sorted(root.rglob(suffix))


@lru_cache(maxsize=8)
def _load(root: Path, _stamp: tuple[object, ...]) -> Project:
    docs = read_docs(root)
    models = _unique(_read(root / layer, layer, docs.by_name) for layer in LAYERS)
    tests = _unique([_read(root / TESTS, TESTS, docs.by_name)])
    seeds = {p.stem: Seed(p.stem, p, docs.by_name.get(p.stem, Docs())) for p in sorted(root.rglob("*.csv"))}
    _check_names(models, seeds, tests, docs.by_name)
    for model in (*models.values(), *tests.values()):
        _check_references(model, models, seeds, docs.raw_tables)
        _check_dictionary(model)
    for model in models.values():
        _check_layers(model, models, root)
        _check_view(model, models)
        if not model.expression.is_star:  # the columns of `select *` are known when it is built
            model.check_order(model.selects)
    return Project(root, _ordered(models), seeds, tests, docs.raw_tables)


def _read(folder: Path, layer: str, docs: Mapping[str, Docs]) -> Iterator[Model]:
    for path in sorted(folder.rglob("*.sql")):
        yield Model(path.stem, path, layer, read_file(path), docs.get(path.stem, Docs()))


def _unique(groups: Iterable[Iterable[Model]]) -> dict[str, Model]:
    models: dict[str, Model] = {}
    for model in (model for group in groups for model in group):
        if model.name in models:
            other = models[model.name].path
            raise ProjectError(model.path, 1, f"is a second model called {model.name}; the other is {other}.")
        if model.name != model.name.lower():
            raise ProjectError(model.path, 1, f"is called {model.name}; names are lower case.")
        models[model.name] = model
    return models


def _check_names(
    models: Mapping[str, Model], seeds: Mapping[str, Seed], tests: Mapping[str, Model], docs: Mapping[str, Docs]
) -> None:
    for name, seed in seeds.items():
        if name in models:
            raise ProjectError(seed.path, None, f"has the name of the model {models[name].path}.")
    for name in PROVIDED & (models.keys() | seeds.keys()):
        path = models[name].path if name in models else seeds[name].path
        raise ProjectError(path, None, f"has the name of a relation that the runner provides ({name}).")
    for name, entry in docs.items():
        if name not in models and name not in seeds and name not in tests:
            raise ProjectError(entry.path or Path("yml"), None, f"documents {name}, which is no model, seed or test.")


def _check_references(
    model: Model,
    models: Mapping[str, Model],
    seeds: Mapping[str, Seed],
    raw: Mapping[str, tuple[DocumentedColumn, ...]],
) -> None:
    known = models.keys() | seeds.keys() | PROVIDED
    for reference in model.references:
        if reference.is_raw:
            if model.layer not in ("staging", TESTS):
                raise ProjectError(
                    model.path,
                    reference.line,
                    f"reads {reference.name}; only staging reads raw tables. Read the staging model of that table.",
                )
            if raw and reference.name.partition(".")[2] not in raw:
                raise ProjectError(model.path, reference.line, f"reads {reference.name}, declared in no sources yml.")
        elif reference.name not in known:
            raise ProjectError(model.path, reference.line, f"reads {reference.name}, which is no model or seed.")


def _check_dictionary(model: Model) -> None:
    if model.dictionary and model.expression.named_selects != [VALUE]:
        raise ProjectError(model.path, 1, f"is a dictionary; it selects the one column {VALUE}.")


def _check_layers(model: Model, models: Mapping[str, Model], root: Path) -> None:
    own = _folder(model, root)
    for reference in model.references:
        if reference.name in models and RANKS.index(other := _folder(models[reference.name], root)) > RANKS.index(own):
            raise ProjectError(
                model.path,
                reference.line,
                f"reads {reference.name}, which is in {other}; a model in {own} reads only {_readable(own)}."
                f" Move {model.name} to a higher layer or {reference.name} to a lower one.",
            )


def _check_view(model: Model, models: Mapping[str, Model]) -> None:
    """A published view reads what is published: marts."""
    if not model.is_view:
        return
    read = [models.get(name) for name in model.depends_on]
    if model.layer != "marts" or not read or any(m is None or m.layer != "marts" for m in read):
        raise ProjectError(model.path, 1, "is a view; a view is a mart, and reads only marts.")
    if model.expression.find(exp.CTE):
        raise ProjectError(model.path, 1, "is a view; a view is one SELECT without WITH.")


def _folder(model: Model, root: Path) -> str:
    """The folder of RANKS that the model is in."""
    is_fact = model.path.relative_to(root).parts[:2] == ("marts", "facts")
    return "marts/facts" if is_fact else model.layer


def _readable(folder: str) -> str:
    return ", ".join(RANKS[: RANKS.index(folder) + 1])


def _ordered(models: Mapping[str, Model]) -> dict[str, Model]:
    graph = {name: [n for n in model.depends_on if n in models] for name, model in models.items()}
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        cycle: list[str] = error.args[1]
        first = models[cycle[1]]  # graphlib lists each node before the one that needs it
        line = next((r.line for r in first.references if r.name == cycle[0]), None)
        raise ProjectError(first.path, line, f"is part of a cycle: {' → '.join(reversed(cycle))}.") from None
    return {name: models[name] for name in order}


def _reach(names: Iterable[str], step: Callable[[str], Iterable[str]]) -> set[str]:
    reached: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting.extend(step(name))
    return reached
