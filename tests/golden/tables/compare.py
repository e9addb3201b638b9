"""Compares the five tables with the oracle, cell by cell."""

from datetime import datetime
from typing import Any

from tests.golden.tables.deals_oracle import Row, utc
from tests.golden.tables.tables_oracle import ChannelOracle

Marts = dict[str, list[Row]]
KEYS = {
    "channel": (),
    "deal": ("zoho_deal_id",),
    "activity": ("activity_type", "activity_id"),
    "owner": ("owner_id",),
    "campaign": ("campaign",),
}
FACTS = ("lead_source_attribution", "lead_first_contact")


def check(marts: Marts, raw: Marts, build_at: datetime) -> None:
    """Compare every cell of the five tables with the oracle. `marts` also holds the tables of FACTS."""
    for channel in raw["channels"]:
        oracle = ChannelOracle(channel, raw, {name: marts[name] for name in FACTS}, build_at)
        wanted: dict[str, dict[Any, Row]] = {
            "channel": {(): oracle.channel_row()},
            "deal": {(key,): row for key, row in oracle.deals.items()},
            "activity": dict(oracle.activities()),
            "owner": {(key,): row for key, row in oracle.owners().items()},
            "campaign": {(key,): row for key, row in oracle.campaigns().items()},
        }
        for mart, rows in wanted.items():
            names = KEYS[mart]
            found = [row for row in marts[mart] if row["channel_id"] == channel["channel_id"]]
            got = {tuple(row[name] for name in names): row for row in found}
            assert len(got) == len(found)
            same_rows(f"{channel['channel_id']} {mart}", got, rows, utc(oracle.as_of), ("channel_id", *names))


def same_rows(
    where: str, got: dict[Any, Row], wanted: dict[Any, Row], as_of: datetime | None, names: tuple[str, ...]
) -> None:
    assert got.keys() == wanted.keys(), where
    for key, row in wanted.items():
        expected = row | {"as_of_utc": as_of}
        assert got[key].keys() - set(names) == expected.keys(), where
        wrong = {n: (got[key][n], value) for n, value in expected.items() if not same(got[key][n], value)}
        assert not wrong, f"{where} {key}: (got, expected) {wrong}"


def same(got: Any, wanted: Any) -> bool:
    if isinstance(wanted, float):
        return isinstance(got, float) and abs(got - wanted) < 1e-9
    return bool(got == wanted and (got is None) == (wanted is None))
