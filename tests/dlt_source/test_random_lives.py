"""The random lives of an org, read by the source into pipelines of one's own: no row is lost, and none is invented."""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dlt
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from tests.dlt_source.bench import SourceBench, plain_dlt
from tests.ingest.conftest import ALL_SCOPES, PLAIN_SCOPES
from tests.ingest.sync.test_random_lives import MODULES, SMALL, Lives, part_of_lives, run

# dlt's merge into SQLAlchemy passes a select where SQLAlchemy wants a scalar subquery, and SQLAlchemy warns of it
pytestmark = pytest.mark.filterwarnings("ignore:implicitly coercing SELECT object")


class SourceLives(Lives):
    """A life in which each sync is a run of somebody's pipeline."""

    modules = MODULES  # the source reads those of the catalogue only
    options: dict[str, Any] = {}  # noqa: RUF012

    @initialize(
        inclusive=st.booleans(), restore=st.booleans(), conversion=st.booleans(), merge_listed=st.booleans(),
        tokens=st.sampled_from(("offset", "keyset", "snapshot")),
    )  # fmt: skip
    def begin(self, inclusive: bool, restore: bool, conversion: bool, merge_listed: bool, tokens: str) -> None:
        super().begin(inclusive, restore, conversion, merge_listed, tokens)
        self.folder = Path(tempfile.mkdtemp(prefix="zoho-source-"))
        plain_dlt(self.folder)
        place = (self.sim, self.bench.org, self.folder, self.destination)
        lag = self.bench.settings.sync_lag_seconds
        self.bench = SourceBench(  # type: ignore[assignment]
            *place, self.scopes, SMALL, lag=lag, settings=self.bench.settings, options=dict(self.options)
        )

    def destination(self) -> Any:
        return dlt.destinations.duckdb(str(self.folder / "own.duckdb"))

    def teardown(self) -> None:
        if hasattr(self, "sim"):
            self.sim.stop()
        if hasattr(self, "folder"):
            shutil.rmtree(self.folder, ignore_errors=True)

    @rule()
    def lose_the_machine(self) -> None:
        """The next run begins with an empty folder. dlt restores its state from the destination."""
        shutil.rmtree(self.folder / "pipelines", ignore_errors=True)

    @rule()
    def lose_a_package(self) -> None:
        """A run extracts, and its package is lost with the machine."""
        self.bench.pipeline.extract(self.bench.source(*MODULES))
        self.lose_the_machine()


class PlainSourceLives(SourceLives):
    scopes = PLAIN_SCOPES


class JobSourceLives(SourceLives):
    scopes = ALL_SCOPES
    switches = {"bulk_rows": 60, "bulk_downloads_per_minute": 10**6}  # noqa: RUF012


class HardSourceLives(SourceLives):
    options = {"deletions": "hard"}  # noqa: RUF012


class FileLives(SourceLives):
    def destination(self) -> Any:
        return dlt.destinations.filesystem((self.folder / "lake").as_uri())


class SqliteLives(SourceLives):
    def destination(self) -> Any:
        return dlt.destinations.sqlalchemy(f"sqlite:///{self.folder / 'own.db'}")


KINDS = [SourceLives, PlainSourceLives, JobSourceLives, HardSourceLives, FileLives, SqliteLives]


@pytest.mark.long
@pytest.mark.parametrize("machine", KINDS)
def test_each_destination_equals_the_ledger(machine: type[SourceLives]) -> None:
    run(machine, int(os.environ.get("LIVES", "1")), int(os.environ.get("LIVES_STEPS", "5")))


@pytest.mark.long
@pytest.mark.parametrize("part", range(2))
@pytest.mark.parametrize("machine", KINDS)
def test_hundreds_of_steps(machine: type[SourceLives], part: int) -> None:
    run(part_of_lives(machine, part), int(os.environ.get("LIVES", "8")), int(os.environ.get("LIVES_STEPS", "20")))


@pytest.mark.long
@pytest.mark.parametrize("machine", [SourceLives, JobSourceLives])
def test_hundreds_of_steps_on_postgres(machine: type[SourceLives], postgres_url: str) -> None:
    class OnPostgres(machine):  # type: ignore[misc, valid-type]
        destination: Callable[[Any], Any] = lambda self: dlt.destinations.postgres(
            postgres_url.replace("postgres@", "postgres:unused@")
        )

    run(part_of_lives(OnPostgres, 0), int(os.environ.get("LIVES", "6")), int(os.environ.get("LIVES_STEPS", "15")))
