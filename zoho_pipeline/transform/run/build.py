"""Building models as temporary tables, for a set of channels at a time."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from zoho_pipeline.transform.errors import ModelFailed
from zoho_pipeline.transform.project.model import Model, namings
from zoho_pipeline.transform.project.project import Project
from zoho_pipeline.transform.run.dictionary_tables import create_dictionary
from zoho_pipeline.transform.run.engine import Engine, fill, quoted
from zoho_pipeline.transform.run.seeds import load_seed
from zoho_pipeline.warehouse.connection import SqlError


@dataclass(frozen=True)
class ModelResult:
    """A model that was built: the number of rows for the channels that were built, and the seconds it took."""

    name: str
    layer: str
    rows: int
    seconds: float


class DataBroke(Exception):
    """A model met a value that it could not handle. No user sees it: the run finds out whose value it is."""

    def __init__(self, model: Model, error: SqlError) -> None:
        super().__init__(str(error))
        self.model, self.error = model, error


@dataclass(frozen=True)
class Parameters:
    """The row of the relation `run_parameters`. Times are UTC without zone."""

    build_at: datetime
    as_of_requested: datetime | None
    is_weekly: bool


class Builder:
    """Creates and drops the tables of a run, in the order of the project."""

    def __init__(self, engine: Engine, project: Project, parameters: Parameters) -> None:
        self.engine, self.project = engine, project
        self._built: list[str] = []
        self._dropped: set[str] = set()
        self._seeds: set[str] = set()
        self._set_parameters(parameters)
        engine.connection.execute("create temporary table run_channels (channel_id varchar)")

    def _set_parameters(self, p: Parameters) -> None:
        self.engine.connection.execute(
            "create temporary table run_parameters as select cast(? as timestamp) as build_at,"
            " cast(? as timestamp) as as_of_requested, cast(? as boolean) as is_weekly",
            (p.build_at, p.as_of_requested, p.is_weekly),
        )

    def for_channels(self, channels: Iterable[str]) -> None:
        """Drop what was built; the next models are built for these channels."""
        self._forget(0)
        self.engine.start_batch()
        fill(self.engine, "run_channels", channels)

    def build(self, names: Iterable[str], on_model: Callable[[ModelResult], None] | None = None) -> list[ModelResult]:
        """Build the models that are not built yet, in the order of the project; after a failure, none of these exists.

        Raises:
            ModelFailed: the SQL is wrong; names file and line.
            DataBroke: a model met a value that it could not handle.
        """
        wanted = set(names) - set(self._built)
        models = [model for model in self.project.models.values() if model.name in wanted]
        for name in (name for model in models for name in model.depends_on if name in self.project.seeds):
            self.seed(name)
        results = []
        before = len(self._built)
        try:
            with self.engine.guarded():
                for model in models:
                    results.append(self._build(model))
                    if on_model:
                        on_model(results[-1])
        except (DataBroke, ModelFailed):
            self._forget(before)
            raise
        return results

    def _forget(self, keep: int) -> None:
        while len(self._built) > keep:
            name = self._built.pop()
            self._dropped.discard(name)  # it may be there again: a block that fails undoes what was dropped in it
            self.engine.drop(self.project.models[name])

    def drop(self, name: str) -> None:
        """Drop the table of a model that nothing reads any more. The model counts as built."""
        if name not in self._dropped:
            self.engine.drop(self.project.models[name])
            self._dropped.add(name)

    def keep_marts(self) -> None:
        """End a batch: drop what was built, except the tables of marts. The next batch adds rows to them."""
        for name in reversed(self._built):
            if self.project.models[name].layer != "marts" or self.project.models[name].is_view:
                self.drop(name)
        self._built.clear()
        self._dropped.clear()
        self.engine.end_batch()

    def _build(self, model: Model) -> ModelResult:
        started = time.perf_counter()
        try:
            rows = self._create(model)
        except SqlError as error:
            if error.of_data:
                raise DataBroke(model, error) from error
            raise failure(self.engine, model, error) from error
        self._built.append(model.name)
        if not model.is_view:
            self.engine.analyze(model.name)
        return ModelResult(model.name, model.layer, rows, time.perf_counter() - started)

    def _create(self, model: Model) -> int:
        if model.is_view:
            return self._create_view(model)
        if not model.dictionary:
            return self.engine.create(model)
        place, select = f"temporary table {quoted(model.name)}", self.engine.model_sql(model)
        return create_dictionary(self.engine.connection, model, place, select)

    def _create_view(self, model: Model) -> int:
        """A view in the session, for the checks; the run's publication makes the one that people read."""
        self.engine.connection.execute(
            f"create temporary view {quoted(model.name)} as {model.sql(self.engine.dialect)}"
        )
        return int(self.engine.connection.fetch(f"select count(*) from {quoted(model.name)}")[1][0][0])  # noqa: S608

    def seed(self, name: str) -> None:
        """Load a seed, once per run."""
        if name not in self._seeds:
            load_seed(self.engine, self.project.seeds[name])
            self._seeds.add(name)

    def culprits(self, channels: Sequence[str], model: Model) -> set[str]:
        """The channels whose data breaks a model, or one that it needs.

        It builds the model for each half of the channels, and again for the halves of a half that broke.
        """
        self.for_channels(channels)
        try:
            self.build(self.project.ancestors([model.name]))
        except DataBroke:
            if len(channels) == 1:
                return set(channels)
            middle = len(channels) // 2
            return self.culprits(channels[:middle], model) | self.culprits(channels[middle:], model)
        return set()


def _nth(engine: Engine, model: Model, error: SqlError) -> int:
    """The number of times that the statement names the word before the position of the error."""
    if error.position is None or error.near is None:
        return 0
    statement, select = engine.statement(model), engine.model_sql(model)
    before = namings(statement[: error.position], error.near)
    return len(before) - len(namings(statement.removesuffix(select), error.near))


def failure(engine: Engine, model: Model, error: SqlError) -> ModelFailed:
    """The engine's error with the line of the file.

    An engine that reads files verbatim names the line. For another one, it is the line of the word that the
    engine names: if the statement names that word for the third time there, so does the file.
    """
    line = error.line if engine.reads_files_verbatim else None
    if line is None and error.near:
        line = model.line_naming(error.near, _nth(engine, model, error))
    reason = str(error).split("\nLINE ")[0].strip()
    return ModelFailed(model.path, line, f"{model.name}: {reason}")
