"""What Dagster shows of the SQL project, read from one file instead of parsing 80 SELECTs at each load.

A code location is loaded by the webserver, the daemon and every run: parsing the models and tracing
their columns costs 1.2 s of CPU each time, reading this file 10 ms. It stands in HOME/dagster and
belongs to one state of the project's files; another state is another file.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from zoho_pipeline.settings import SQL_PROJECT, PipelineError, Settings

if TYPE_CHECKING:
    from zoho_pipeline.transform.project.project import Project
    from zoho_pipeline.transform.run.checks import Check

_FORMAT = 2  # of the file: raised when a field of the classes below changes


@dataclass(frozen=True)
class ColumnEntry:
    """A documented column; `origins` are the (relation, column) pairs it derives from, one step back."""

    name: str
    data_type: str
    description: str
    origins: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class ModelEntry:
    """A model: what it reads and what its yml says. `layer` is staging, intermediate, metrics or marts."""

    name: str
    layer: str
    path: str
    text: str
    description: str
    columns: tuple[ColumnEntry, ...]
    depends_on: tuple[str, ...]
    raw_tables: tuple[str, ...]
    primary_key: tuple[str, ...]


@dataclass(frozen=True)
class CheckEntry:
    """What Dagster shows as one check: a yml test or a singular test of a model.

    The not_null tests of a model are one check together: 230 of them, each an event planned and an event
    evaluated, cost a refresh 6 s on SQLite; `tests` names them.
    """

    name: str
    model: str
    severity: Literal["error", "warn"]
    description: str
    tests: tuple[str, ...]


@dataclass(frozen=True)
class Catalogue:
    """Models in build order, the checks on them, and the seeds (name → file)."""

    fingerprint: str
    models: Mapping[str, ModelEntry]
    checks: tuple[CheckEntry, ...]
    seeds: Mapping[str, str]


def load_catalogue(settings: Settings) -> Catalogue:
    """The catalogue of the shipped project: from its file in HOME, else made and kept there.

    Raises:
        ProjectError: a model or its yml is wrong; the message names file and line.
    """
    stamp = _stamp(SQL_PROJECT)
    path = settings.home / "dagster" / f"models-{stamp}.json"
    with suppress(OSError, ValueError, KeyError, TypeError):
        return _decoded(json.loads(path.read_text()))
    made = _made(SQL_PROJECT, stamp)
    with suppress(OSError, PipelineError):  # a read-only HOME only costs the time again
        _keep(settings, path, made)
    return made


def _stamp(root: Path) -> str:
    """Of every file's place, size and time, so that an edited model is read anew without hashing 100 files."""
    digest = hashlib.sha256(f"{_FORMAT} {root}".encode())
    for folder, _, names in sorted(os.walk(root)):
        for name in sorted(names):
            if name.endswith((".sql", ".yml", ".csv")):
                status = os.stat(os.path.join(folder, name))
                digest.update(f"{folder}/{name} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


def _keep(settings: Settings, path: Path, made: Catalogue) -> None:
    settings.ensure_home()
    path.parent.mkdir(mode=0o700, exist_ok=True)
    for old in path.parent.glob("models-*.json"):
        old.unlink(missing_ok=True)
    draft = path.with_suffix(f".{os.getpid()}")
    draft.write_text(json.dumps(asdict(made)))
    draft.replace(path)


def _decoded(data: Mapping[str, Any]) -> Catalogue:
    return Catalogue(
        fingerprint=data["fingerprint"],
        models={name: _decoded_model(entry) for name, entry in data["models"].items()},
        checks=tuple(CheckEntry(**(entry | {"tests": tuple(entry["tests"])})) for entry in data["checks"]),
        seeds=data["seeds"],
    )


def _decoded_model(entry: dict[str, Any]) -> ModelEntry:
    columns = tuple(
        ColumnEntry(c["name"], c["data_type"], c["description"], tuple((o[0], o[1]) for o in c["origins"]))
        for c in entry["columns"]
    )
    lists = {name: tuple(entry[name]) for name in ("depends_on", "raw_tables", "primary_key")}
    return ModelEntry(**(entry | lists | {"columns": columns}))


@lru_cache(maxsize=2)
def _made(root: Path, _stamp: str) -> Catalogue:
    from zoho_pipeline.transform.project.lineage import project_lineage
    from zoho_pipeline.transform.project.project import Project
    from zoho_pipeline.transform.run.checks import project_checks

    project = Project.load(root)
    lineage = project_lineage(project)
    return Catalogue(
        fingerprint=project.fingerprint,
        models={name: _model(project, name, lineage[name]) for name in project.models},
        checks=tuple(_checks(check for check in project_checks(project) if check.model in project.models)),
        seeds={name: str(seed.path) for name, seed in project.seeds.items()},
    )


def _checks(checks: Iterable["Check"]) -> Iterator[CheckEntry]:
    together: dict[tuple[str, Literal["error", "warn"]], list[Check]] = {}
    for check in checks:
        if check.rule is not None and check.rule.kind == "not_null":
            together.setdefault((check.model, check.severity), []).append(check)
        else:
            yield CheckEntry(check.name, check.model, check.severity, check.description, (check.name,))
    for (model, severity), parts in together.items():
        columns = ", ".join(column for check in parts if check.rule for column in check.rule.columns)
        name = "not_null" if severity == "error" else "not_null_warn"
        yield CheckEntry(name, model, severity, f"never null: {columns}", tuple(check.name for check in parts))


def _model(project: "Project", name: str, lineage: Mapping[str, Iterable[tuple[str, str]]]) -> ModelEntry:
    model = project.models[name]
    documented = {column.name: column for column in model.docs.columns}
    columns = []
    for column in lineage or documented:
        docs = documented.get(column)
        columns.append(
            ColumnEntry(
                column,
                docs.data_type if docs else "",
                docs.description if docs else "",
                tuple(lineage.get(column, ())),
            )
        )
    return ModelEntry(
        name=name,
        layer=model.layer,
        path=str(model.path),
        text=model.text.strip(),
        description=model.docs.description,
        columns=tuple(columns),
        depends_on=model.depends_on,
        raw_tables=model.raw_tables,
        primary_key=model.docs.primary_key,
    )
