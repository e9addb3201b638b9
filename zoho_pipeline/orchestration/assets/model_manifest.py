"""The manifest of the SQL project: what Dagster shows of each model, read from one JSON file.

The webserver, the daemon and every run load the code location. Parsing the models and tracing the lineage of their
columns costs 1.2 s of CPU each time; reading the manifest costs 10 ms. The file is in HOME/dagster, and its name
contains a hash of the project's files: when a file of the project changes, a new manifest replaces the old one.
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

_FORMAT = 2  # of the JSON file: raise it when a field of the classes below changes

Severity = Literal["error", "warn"]


@dataclass(frozen=True)
class ColumnEntry:
    """A column of a model. `origins`: the (relation, column) pairs that its SELECT reads for it."""

    name: str
    data_type: str
    description: str
    origins: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class ModelEntry:
    """A model with its yml docs. `layer` is the folder of the project that holds it (`staging`, `marts` …).

    `text` is its SQL; `depends_on` names models and seeds; `raw_tables` names tables of schema `zoho_raw`.
    """

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
    """One asset check of a model: a yml test, or a singular test.

    All not_null tests of a model form one check, and `tests` names them. As 230 checks of their own, each with a
    planned event and an evaluation, they made a refresh on SQLite 6 s slower.
    """

    name: str
    model: str
    severity: Severity
    description: str
    tests: tuple[str, ...]


@dataclass(frozen=True)
class ModelManifest:
    """The models in build order, their checks, and the seeds (name → path of the CSV file)."""

    fingerprint: str
    models: Mapping[str, ModelEntry]
    checks: tuple[CheckEntry, ...]
    seeds: Mapping[str, str]


def load_model_manifest(settings: Settings) -> ModelManifest:
    """The manifest of the shipped project, from its file in HOME; the file is written when it is missing.

    Raises:
        ProjectError: a model or its yml is wrong. The message names the file and the line.
    """
    version = _project_version(SQL_PROJECT)
    path = settings.home / "dagster" / f"models-{version}.json"
    with suppress(OSError, ValueError, KeyError, TypeError):  # no file, or an unreadable one: it is written again
        return _from_json(json.loads(path.read_text()))
    manifest = _build_manifest(SQL_PROJECT, version)
    with suppress(OSError, PipelineError):  # in a read-only HOME, every load builds the manifest again
        _write(settings, path, manifest)
    return manifest


def _project_version(root: Path) -> str:
    """A hash of the path, size and modification time of each file: it notices an edit without reading 100 files."""
    digest = hashlib.sha256(f"{_FORMAT} {root}".encode())
    for folder, _, names in sorted(os.walk(root)):
        for name in sorted(names):
            if name.endswith((".sql", ".yml", ".csv")):
                status = os.stat(os.path.join(folder, name))
                digest.update(f"{folder}/{name} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


def _write(settings: Settings, path: Path, manifest: ModelManifest) -> None:
    settings.ensure_home()
    path.parent.mkdir(mode=0o700, exist_ok=True)
    for old in path.parent.glob("models-*.json"):
        old.unlink(missing_ok=True)
    draft = path.with_suffix(f".{os.getpid()}")
    draft.write_text(json.dumps(asdict(manifest)))
    draft.replace(path)


def _from_json(data: Mapping[str, Any]) -> ModelManifest:
    return ModelManifest(
        fingerprint=data["fingerprint"],
        models={name: _model_from_json(entry) for name, entry in data["models"].items()},
        checks=tuple(CheckEntry(**(entry | {"tests": tuple(entry["tests"])})) for entry in data["checks"]),
        seeds=data["seeds"],
    )


def _model_from_json(entry: dict[str, Any]) -> ModelEntry:
    columns = tuple(
        ColumnEntry(c["name"], c["data_type"], c["description"], tuple((o[0], o[1]) for o in c["origins"]))
        for c in entry["columns"]
    )
    lists = {name: tuple(entry[name]) for name in ("depends_on", "raw_tables", "primary_key")}
    return ModelEntry(**(entry | lists | {"columns": columns}))


@lru_cache(maxsize=2)
def _build_manifest(root: Path, _version: str) -> ModelManifest:
    from zoho_pipeline.transform.project.lineage import project_lineage
    from zoho_pipeline.transform.project.project import Project
    from zoho_pipeline.transform.run.checks import project_checks

    project = Project.load(root)
    lineage = project_lineage(project)
    return ModelManifest(
        fingerprint=project.fingerprint,
        models={name: _model_entry(project, name, lineage[name]) for name in project.models},
        checks=tuple(_check_entries(check for check in project_checks(project) if check.model in project.models)),
        seeds={name: str(seed.path) for name, seed in project.seeds.items()},
    )


def _check_entries(checks: Iterable["Check"]) -> Iterator[CheckEntry]:
    not_null: dict[tuple[str, Severity], list[Check]] = {}
    for check in checks:
        if check.rule is not None and check.rule.kind == "not_null":
            not_null.setdefault((check.model, check.severity), []).append(check)
        else:
            yield CheckEntry(check.name, check.model, check.severity, check.description, (check.name,))
    for (model, severity), tests in not_null.items():
        columns = ", ".join(column for test in tests if test.rule for column in test.rule.columns)
        name = "not_null" if severity == "error" else "not_null_warn"
        yield CheckEntry(name, model, severity, f"never null: {columns}", tuple(test.name for test in tests))


def _model_entry(project: "Project", name: str, lineage: Mapping[str, Iterable[tuple[str, str]]]) -> ModelEntry:
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
