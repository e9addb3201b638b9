"""One home copied for several budgets of memory: what each copy publishes must be the same, cell by cell."""

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb

from tests.transform.conftest import NOON
from zoho_pipeline.transform.errors import ModelFailed
from zoho_pipeline.transform.run.transform import TransformReport, transform
from zoho_pipeline.warehouse.duckdb_warehouse import DuckDBWarehouse

HUGE, TINY = 10**15, 1
"""Budgets in bytes: everything in one batch, and each channel in its own."""


def contents(published: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every cell of a published file, without the time of the publication."""
    with duckdb.connect(str(published), read_only=True) as connection:
        names = connection.execute(
            "select table_schema || '.' || table_name from information_schema.tables where table_name <> 'publication'"
        ).fetchall()
        found = {}
        for (name,) in names:
            cursor = connection.execute(f"select * from {name} order by all")
            found[name] = [tuple(column[:2] for column in cursor.description), *cursor.fetchall()]
        return found


def told(report: TransformReport) -> dict[str, Any]:
    """A report without times, and without the models whose rows belong to no channel."""
    return {
        "checks": report.checks,
        "channels": report.channels,
        "unchanged": report.unchanged,
        "removed": report.removed,
        "held_back": report.held_back,
        "published": report.published,
    }


class Twins:
    """Copies of one home, each with a budget of its own."""

    def __init__(self, home: Path, *budgets: int) -> None:
        self.home, self.budgets = home, budgets

    def run(self, **options: Any) -> tuple[TransformReport, int]:
        """Transform the copies, compare all that they published, and return the last report and its batches."""
        outcomes = []
        for budget in self.budgets:
            copy = self.home.with_name(f"{self.home.name}-{budget}")
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(self.home, copy, copy_function=shutil.copy2)
            warehouse = DuckDBWarehouse.from_url(f"duckdb:///{copy}/warehouse.duckdb", transform_memory=budget)
            built = Counter[str]()
            options.setdefault("build_at", NOON)
            try:
                report = transform(warehouse, on_model=lambda m, b=built: b.update([m.name]), **options)
            except ModelFailed as error:
                outcomes.append((str(error).replace(str(copy), ""), None, None, built))
                continue
            outcomes.append((told(report), contents(warehouse.published_path), report, built))
            assert not list(copy.glob("*.draft*"))
            assert not [path for path in (copy / "tmp").glob("*") if path.suffix != ".lock"]
        for outcome in outcomes[1:]:
            assert outcome[:2] == outcomes[0][:2]
        shutil.rmtree(self.home)
        shutil.copytree(copy, self.home, copy_function=shutil.copy2)
        return outcomes[-1][2], max(outcomes[-1][3].values(), default=0)
