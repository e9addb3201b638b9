"""Raw rows and expected cells as small text tables: `|` separates columns, an empty cell is null, '' is empty text."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from tests.golden import sql_lab
from zoho_pipeline.reading import published
from zoho_pipeline.transform.run.transform import TransformReport, transform
from zoho_pipeline.warehouse.warehouse import Warehouse

MARTS = (
    "lead",
    "recent_lead",
    "lead_contact",
    "lead_source_attribution",
    "lead_first_contact",
    "lead_touch_credit",
    "content_performance",
)
BUILD_AT = datetime.fromisoformat("2026-12-01T00:00:00+00:00")
Cells = dict[str, str]


def rows_of(text: str) -> list[Cells]:
    """Return the rows of the table as text by column."""
    lines = [line for line in text.strip().splitlines() if line.strip()]
    header, *body = [[cell.strip() for cell in line.split("|")] for line in lines]
    return [dict(zip(header, cells, strict=True)) for cells in body]


def write_raw(warehouse: Warehouse, raw: Mapping[str, str]) -> None:
    """Make the raw tables of the texts in an empty warehouse. Times without an offset are UTC."""
    tables = {name: [{n: _raw_value(cell) for n, cell in row.items()} for row in rows_of(t)] for name, t in raw.items()}
    with warehouse.connect(read_only=False) as connection:
        sql_lab.write_raw(connection, tables)


def _raw_value(cell: str) -> str | None:
    return "" if cell == "''" else cell or None


class Marts:
    """The marts that a transform published."""

    def __init__(self, warehouse: Warehouse, report: TransformReport) -> None:
        self._warehouse, self.report = warehouse, report

    def all_rows(self, mart: str) -> list[dict[str, Any]]:
        """Return every row of a mart, ordered by all its cells."""
        with published.connect(self._warehouse) as connection:
            rows = connection.rows(f"select * from {mart}")
        return sorted(rows, key=lambda row: [str(value) for value in row.values()])

    def cells(self, mart: str, columns: Sequence[str], channel_id: str) -> list[Cells]:
        """Return the given columns of a channel's rows as text."""
        rows = (row for row in self.all_rows(mart) if row["channel_id"] == channel_id)
        return [{name: shown(row[name]) for name in columns} for row in rows]

    def expect(self, mart: str, channel_id: str, expected: str) -> None:
        """Assert that the rows of the channel are exactly these, in any order, in the columns of `expected`."""
        wanted = rows_of(expected)
        found = self.cells(mart, list(wanted[0]), channel_id)
        key = lambda row: list(row.values())  # noqa: E731
        assert sorted(found, key=key) == sorted(wanted, key=key)


def shown(value: Any) -> str:
    """Return a cell as the tables write it: UTC times to the second, all decimals, two of money at least."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        text = format(value, "f")
        is_money = value.as_tuple().exponent == -4
        return text.removesuffix("0").removesuffix("0") if is_money else text
    if isinstance(value, float):
        return format(value, ".9f")
    if isinstance(value, datetime | date):
        return str(value)
    return str(value)


def build(warehouse: Warehouse, raw: Mapping[str, str], as_of: str | None = None) -> Marts:
    """Write the raw tables and transform them. Every check of the models must pass."""
    write_raw(warehouse, raw)
    report = transform(warehouse, as_of=as_of, build_at=BUILD_AT)
    assert not report.failed_checks, report.failed_checks
    return Marts(warehouse, report)
