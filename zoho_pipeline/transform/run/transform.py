"""A transform: marts are built from raw tables, checked, and published all at once.

Only channels whose rows can differ are built (fingerprints.py). A channel whose data breaks a model, or
fails a check of severity error, keeps its last published rows. The others are published, and the report
says which channels were held back and why.
"""

import logging
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from zoho_pipeline import stopping
from zoho_pipeline.settings import PipelineError, Settings, UsageError
from zoho_pipeline.transform.errors import TransformFailed, at
from zoho_pipeline.transform.project.project import Project
from zoho_pipeline.transform.run.batches.results import Results
from zoho_pipeline.transform.run.batches.split import split
from zoho_pipeline.transform.run.batches.upkeep import Upkeep
from zoho_pipeline.transform.run.build import Builder, DataBroke, ModelResult, Parameters, failure
from zoho_pipeline.transform.run.checks import Check, CheckResult, project_checks
from zoho_pipeline.transform.run.engine import Engine, Publication
from zoho_pipeline.transform.run.fingerprints import fingerprints, stored_fingerprints, stored_marts
from zoho_pipeline.transform.run.open_engine import copy_marts, open_engine
from zoho_pipeline.transform.run.postgres_copy.copy import CopyReport
from zoho_pipeline.warehouse.connection import MARTS_SCHEMA
from zoho_pipeline.warehouse.warehouse import Warehouse, open_warehouse

log = logging.getLogger(__name__)

OnModel = Callable[[ModelResult], None]


@dataclass(frozen=True)
class TransformReport:
    """What a transform did.

    Attributes:
        build_at: the time of the build, UTC without zone.
        channels: the channels that were rebuilt.
        unchanged: the channels that were not built, because nothing of theirs changed.
        removed: the channels that left the marts, because raw no longer has them.
        held_back: channel → why it keeps the rows of the last run.
        published: whether the marts changed; false where nothing had to.
        copied: what was copied to Postgres, if the settings name a copy of the marts there.
        copy_error: why the copy is still that of an earlier transform. The next one copies what is missing.
        seconds: how long the transform took.
    """

    build_at: datetime
    models: tuple[ModelResult, ...] = ()
    checks: tuple[CheckResult, ...] = ()
    channels: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    held_back: dict[str, str] = field(default_factory=dict)
    published: bool = False
    copied: CopyReport | None = None
    copy_error: str | None = None
    seconds: float = 0.0

    @property
    def failed_checks(self) -> tuple[CheckResult, ...]:
        return tuple(c for c in self.checks if not c.passed and c.severity == "error")

    def require_complete(self) -> None:
        """Raise TransformFailed, which names checks and channels, where a channel was held back or the copy failed."""
        if not (self.held_back or self.copy_error):
            return
        lines = [f"check {c.name} failed on {c.failures} rows{_of(c.channels)}" for c in self.failed_checks]
        lines += [f"{c}: {why}" for c, why in sorted(self.held_back.items()) if not why.startswith("check ")]
        if self.held_back:
            lines.append(f"Not published: {', '.join(sorted(self.held_back))}. The marts keep their last rows.")
        raise TransformFailed("\n".join([*lines, *([self.copy_error] if self.copy_error else [])]))


@dataclass(frozen=True)
class _Plan:
    """The arguments of a run, checked and resolved."""

    project: Project
    parameters: Parameters
    selected: frozenset[str]
    checks: tuple[Check, ...]
    channels: frozenset[str] | None
    full: bool
    whole_project: bool
    on_model: OnModel | None

    @property
    def needed(self) -> set[str]:
        """The models to build: the selected ones, what their checks read, and all that these need."""
        return self.project.ancestors([*self.selected, *(n for c in self.checks for n in c.reads)])


def transform(
    where: Settings | Warehouse,
    *,
    project: Project | None = None,
    as_of: datetime | str | None = None,
    select: str | Iterable[str] | None = None,
    channels: Collection[str] | None = None,
    full: bool = False,
    weekly: bool = False,
    build_at: datetime | None = None,
    on_model: OnModel | None = None,
) -> TransformReport:
    """Build, check and publish the marts.

    Args:
        where: the warehouse, or the settings that name it.
        project: the SQL project; the default is the one that ships with the package.
        as_of: count the data as of this instant (ISO 8601; without an offset it is UTC).
        select: the models to check and publish, e.g. `lead+`; what they read is built but not published.
        channels: rebuild only these; the default is all that changed.
        full: rebuild every channel, changed or not.
        weekly: mark the insight rows of this run as weekly; this rebuilds every channel.
        build_at: the time of the build; the default is now. Tests give it.
        on_model: is called after each model.

    Raises:
        ModelFailed: a model is wrong; nothing was published.
        ProjectError: a file of the project is wrong; nothing was published.
        UsageError: a model or channel is unknown, or `as_of` cannot be read.
        WarehouseBusy: another transform, or a load, has held the warehouse for too long.
    """
    started = time.perf_counter()
    warehouse = open_warehouse(where) if isinstance(where, Settings) else where
    project = project or Project.load()
    selected = frozenset(project.select(select) if select else project.models)
    plan = _Plan(
        project=project,
        parameters=Parameters(_utc(build_at or datetime.now(UTC)), parse_as_of(as_of), weekly),
        selected=selected,
        checks=tuple(c for c in project_checks(project) if not select or c.model in selected),
        channels=frozenset(channels) if channels is not None else None,
        full=full or weekly or bool(select),
        whole_project=not select,
        on_model=on_model,
    )
    with open_engine(warehouse, project.raw_tables) as engine:
        report = _Run(plan, engine).run()
    copied, copy_error = _copied(warehouse, project)
    return replace(report, copied=copied, copy_error=copy_error, seconds=time.perf_counter() - started)


def _copied(warehouse: Warehouse, project: Project) -> tuple[CopyReport | None, str | None]:
    """What was copied to Postgres, or why it was not. The marts are published already, so the run has not failed."""
    try:
        return copy_marts(warehouse, project), None
    except PipelineError as error:
        stopping.raise_if_requested()
        why = f"The marts are published, but their copy in Postgres is still that of an earlier transform: {error}"
        log.warning("%s", why)
        return None, why


def parse_as_of(value: datetime | str | None) -> datetime | None:
    """An instant as UTC without zone. UsageError: it is not ISO 8601."""
    if value is None or isinstance(value, datetime):
        return _utc(value) if value else None
    try:
        return _utc(datetime.fromisoformat(value.strip()))
    except ValueError as error:
        raise UsageError(
            f"--as-of is {value!r}. It takes ISO 8601, such as 2026-03-31T18:00:00+05:30; without an offset it is UTC."
        ) from error


def _utc(value: datetime) -> datetime:
    return (value if value.tzinfo is None else value.astimezone(UTC)).replace(tzinfo=None)


class _Run:
    """One transform in an open engine."""

    def __init__(self, plan: _Plan, engine: Engine) -> None:
        self.plan, self.engine, self.project = plan, engine, plan.project
        self.builder = Builder(engine, plan.project, plan.parameters)
        self.results = Results()
        self.held_back: dict[str, str] = {}
        self.raw_channels: set[str] = set()
        self.fingerprints: dict[str, str] = {}
        self.published_fingerprints = stored_fingerprints(engine)

    def run(self) -> TransformReport:
        with ExitStack() as opened:
            opened.enter_context(self.engine.raw())
            chosen = self._chosen()
            if self._nothing_to_do(chosen):
                return self._report(chosen, published=False)
            batches = split(self.engine, self.project, chosen)
            self.engine.place_marts(most=self._most_channels(chosen), in_batches=len(batches) > 1)
            raw: AbstractContextManager[object] = opened.pop_all()  # the first batch has the rows of the fingerprints
        for batch in batches:
            self._build(batch, raw)
            raw = self.engine.raw()
        self._require_right_models(chosen)
        building = chosen - self.held_back.keys()
        if not building and self._nothing_to_do(building):
            self.results = Results()
            return self._report(chosen, published=False)
        if not self.results.models:  # the marts do not exist yet, and every channel was held back
            self._build(building, raw)
        self._hold_back_failed(building)
        self._publish(building - self.held_back.keys())
        return self._report(chosen, published=True)

    def _build(self, batch: Collection[str], raw: AbstractContextManager[object]) -> None:
        """Build and check a batch. The channels whose data break a model are held back, and the others built again."""
        building = set(batch)
        while True:
            try:
                self._build_at_once(building, raw)
                return
            except DataBroke as broke:
                self._hold_back_culprits(building, broke)
            building -= self.held_back.keys()
            if not building:
                return
            raw = self.engine.raw()

    def _build_at_once(self, building: Collection[str], raw: AbstractContextManager[object]) -> None:
        checks = self.results.checks_left(self.plan.checks, self.project)
        upkeep = Upkeep(self.builder, checks, self.plan.needed)

        def built(result: ModelResult) -> None:
            upkeep.built(result)
            if self.plan.on_model:
                self.plan.on_model(result)

        with raw:
            self.builder.for_channels(building)
            models = self.builder.build(self._reading_raw(), built)
        models += self.builder.build(self.plan.needed, built)
        self.results.add(models, upkeep.finish())
        self.builder.keep_marts()

    def _chosen(self) -> set[str]:
        """The channels to build: all of them, or those whose fingerprint differs from the published one."""
        rows = self.engine.connection.fetch(f"select channel_id from {self.engine.raw_name('channels')}")[1]  # noqa: S608
        self.raw_channels = {row[0] for row in rows}
        wanted = self.raw_channels if self.plan.channels is None else set(self.plan.channels)
        if unknown := wanted - self.raw_channels:
            raise UsageError(f"the warehouse has no channel {min(unknown)!r}; sync it first.")
        if self.plan.whole_project:
            try:
                are_some = self.plan.channels is not None
                self.fingerprints = fingerprints(self.builder, wanted, self.plan.parameters, are_some=are_some)
            except DataBroke:
                return set(wanted)  # the build of the models shows whose value it is
        if self.plan.full:
            return set(wanted)
        return {c for c in wanted if self.published_fingerprints.get(c) != self.fingerprints[c]}

    def _nothing_to_do(self, building: set[str]) -> bool:
        published = self.engine.published(MARTS_SCHEMA)
        there = all(name in published for name in self.project.marts)
        return self.plan.whole_project and not self.plan.full and not building and there and not self._removed()

    def _most_channels(self, building: set[str]) -> bool:
        """Whether so many channels are rebuilt that new marts cost less than a changed copy."""
        known = self.raw_channels | self.published_fingerprints.keys()
        return self.plan.whole_project and 2 * len(building) >= len(known)

    def _removed(self) -> set[str]:
        return self.published_fingerprints.keys() - self.raw_channels

    def _reading_raw(self) -> set[str]:
        """The models that read raw, and what those need: they are built while raw is open."""
        needed = self.plan.needed
        return self.project.ancestors(m.name for m in self.project.models.values() if m.name in needed and m.raw_tables)

    def _hold_back_culprits(self, building: Collection[str], broke: DataBroke) -> None:
        failed = failure(self.engine, broke.model, broke.error)
        with self.engine.raw():
            culprits = self.builder.culprits(sorted(building), broke.model)
        if not culprits:
            raise failed from broke.error
        failed.__cause__ = broke.error
        self.results.broke |= dict.fromkeys(culprits, (broke.model.name, failed))
        self.held_back |= dict.fromkeys(culprits, f"{at(failed.path, failed.line)}: {failed.reason}")

    def _require_right_models(self, chosen: Collection[str]) -> None:
        """ModelFailed: a model fails for every channel that reaches it, so the model is wrong and not the data."""
        broke = self.results.broke
        if chosen and set(chosen) <= broke.keys():
            raw, order = self._reading_raw(), list(self.project.models)
            last = max((name for name, _ in broke.values()), key=lambda name: (name not in raw, order.index(name)))
            failures = [failed for name, failed in broke.values() if name == last]
            if len(failures) > 1:
                raise failures[0]

    def _hold_back_failed(self, building: Collection[str]) -> None:
        for check in self.results.checks.values():
            if not check.passed and check.severity == "error":
                broken = building if None in check.channels else set(building) & set(check.channels)
                for channel in broken:
                    self.held_back.setdefault(channel, f"check {check.name} failed")

    def _publish(self, channels: set[str]) -> None:
        # '' equals no fingerprint: a channel that was held back, or built in part, is known and is built again
        state = dict.fromkeys(channels | self.held_back.keys(), "")
        gone = self._removed() if self.plan.whole_project else set()  # a selection leaves their rows in other marts
        state |= {c: f for c, f in self.published_fingerprints.items() if c not in gone | self.held_back.keys()}
        if self.plan.whole_project:
            state |= {c: self.fingerprints.get(c, "") for c in channels}
        self.engine.publish(
            Publication(
                marts={n: m for n, m in self.project.marts.items() if n in self.plan.selected and not m.is_view},
                views={n: m for n, m in self.project.marts.items() if m.is_view},
                channels=channels,
                removed=self._removed(),
                held_back=self.held_back,
                kept=self.project.marts,
                retired=stored_marts(self.engine) - self.project.marts.keys() if self.plan.whole_project else (),
                fingerprints=state,
            )
        )

    def _report(self, chosen: set[str], *, published: bool) -> TransformReport:
        return TransformReport(
            build_at=self.plan.parameters.build_at,
            models=tuple(self.results.models.values()),
            checks=tuple(self.results.checks[c.name] for c in self.plan.checks if c.name in self.results.checks),
            channels=tuple(sorted(chosen - self.held_back.keys())),
            unchanged=tuple(sorted(self.raw_channels - chosen)),
            removed=tuple(sorted(self._removed())),
            held_back=self.held_back,
            published=published,
        )


def _of(channels: Sequence[str | None]) -> str:
    named = [channel for channel in channels if channel]
    return f" of {', '.join(named[:5])}{' …' if len(named) > 5 else ''}" if named else ""
