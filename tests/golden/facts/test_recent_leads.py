"""The newest leads of generated channels, compared with a list that plain Python makes from the raw rows."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.golden.sql_lab import Row, SqlLab
from tests.params import choice

AS_OF = datetime(2026, 6, 30, 12, tzinfo=UTC)
MOST = 200


def world(seed: int) -> dict[str, list[Row]]:
    """Raw rows of one channel: many leads of few instants, around as_of, some of them deleted or in the bin."""
    dice = random.Random(seed)
    leads, deleted = [], []
    for place in range(dice.choice((0, 1, 40, 199, 200, 201, 260))):
        created = AS_OF + timedelta(seconds=dice.randrange(-90, 60))
        lead_id = str(4_000_000 + place * 7)
        status = dice.choice(("Available", None, "", "Trash", " draft ")) if dice.random() < 0.2 else None
        when = None if dice.random() < 0.02 else created
        leads.append({"channel_id": "c", "id": lead_id, "created_time": when, "record_status": status})
        if dice.random() < 0.1:
            restored = AS_OF if dice.random() < 0.5 else None
            deleted.append({"channel_id": "c", "module": "Leads", "id": lead_id, "restored_at": restored})
    channel = {"channel_id": "c", "timezone": "UTC", "currency": "INR", "last_complete_sync_at": AS_OF}
    return {"channels": [channel | {"leads_readable": True}], "leads": leads, "deleted_records": deleted}


def expected(raw: dict[str, list[Row]]) -> list[tuple[Any, ...]]:
    gone = {row["id"] for row in raw["deleted_records"] if row["restored_at"] is None}
    live = [row for row in raw["leads"] if row["id"] not in gone]
    live = [row for row in live if (row["record_status"] or "").strip().lower() not in ("trash", "draft")]
    long_ago = datetime.min.replace(tzinfo=UTC)
    live.sort(key=lambda row: (row["created_time"] or long_ago, row["id"]), reverse=True)
    newer = (bool(row["created_time"] and row["created_time"] > AS_OF) for row in live[:MOST])
    return [(row["id"], rank, late) for rank, (row, late) in enumerate(zip(live[:MOST], newer, strict=True), 1)]


@pytest.mark.parametrize("seed", choice(range(14), range(4)))
def test_the_newest_leads_are_listed(seed: int) -> None:
    raw = world(seed)
    lab = SqlLab(raw, AS_OF + timedelta(minutes=5))
    found = [(row["zoho_lead_id"], row["lead_rank"], row["is_newer_than_as_of"]) for row in lab.rows("recent_lead")]
    assert sorted(found, key=lambda row: row[1]) == expected(raw)
    assert "recent_leads_hold" not in lab.failing()


def test_the_worlds_reach_the_border() -> None:
    sizes = {len(expected(world(seed))) for seed in range(14)}
    assert {0, MOST} <= sizes
    assert any(0 < size < MOST for size in sizes)
