"""What must not change the numbers: a shift by a week, the order of rows, other channels, a build of one channel."""

import random
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from tests.golden.insight.insight_oracle import Channel
from tests.golden.insight.insight_world import INSIGHT_MARTS, Row, everything, run
from tests.golden.insight.random_channels import NOON, random_channel, raw_of
from tests.golden.sql_lab import SqlLab
from zoho_pipeline.warehouse.warehouse import Warehouse

CHANNELS = [random_channel(seed) for seed in range(1000, 1030)]
WEEK = timedelta(7)


def published(warehouse: Warehouse, channels: list[Channel]) -> dict[str, list[Row]]:
    raw_of(channels).write(warehouse)
    run(warehouse, build_at=NOON + WEEK)
    return everything(warehouse)


def in_lab(channels: list[Channel], rng: random.Random | None = None) -> dict[str, list[Row]]:
    lab = SqlLab(raw_of(channels, rng).rows, NOON + WEEK)
    assert lab.failing() == []
    return {mart: rows for mart, rows in lab.marts().items() if mart in INSIGHT_MARTS}


def shifted(channel: Channel, by: timedelta) -> Channel:
    leads = tuple(
        replace(
            lead,
            created=lead.created + by,
            converted=lead.converted and lead.converted + by,
            linked=lead.linked and lead.linked + by,
            won=lead.won and lead.won + by,
            contacts=tuple(instant + by for instant in lead.contacts),
        )
        for lead in channel.leads
    )
    return replace(channel, as_of=channel.as_of + by, leads=leads)


@pytest.mark.long
def test_a_week_later_only_dates_differ() -> None:
    # zones without clock changes: the shift moves weeks, but not business hours and months
    zones = ["UTC", "Asia/Kolkata", "Asia/Kathmandu"] * 10
    channels = [replace(channel, timezone=zone) for channel, zone in zip(CHANNELS, zones, strict=True)]
    before = in_lab(channels)
    after = in_lab([shifted(channel, WEEK) for channel in channels])
    months = {"leads_this_month", "leads_last_month_same_point", "leads_last_month_full", "leads_change_rate"}
    months |= {"change_status", "top_sources_period", "top_sources_tie_at_cutoff", "other_sources_leads"}
    months |= {"unknown_source_leads", "data_status"}
    months |= {f"top_source_{n}{end}" for n in (1, 2, 3) for end in ("", "_leads")}

    def timeless(mart: str, rows: list[Row], by: timedelta) -> list[dict[str, Any]]:
        kept = [row for row in rows if row.get("grain") != "month"]
        moved = [{k: v - by if isinstance(v, (date, datetime)) else v for k, v in row.items()} for row in kept]
        return sorted(({k: v for k, v in row.items() if k not in months} for row in moved), key=repr)

    for mart, rows in before.items():
        assert timeless(mart, after[mart], WEEK) == timeless(mart, rows, timedelta()), mart


@pytest.mark.long
def test_order_of_rows_and_other_channels_change_nothing() -> None:
    some = CHANNELS[:12]
    alone = in_lab(some)
    together = in_lab(CHANNELS, random.Random(7))
    keys = {channel.channel_id for channel in some}
    for mart, rows in alone.items():
        assert [row for row in together[mart] if row["channel_id"] in keys] == rows, mart


@pytest.mark.long
def test_a_channel_recomputed_alone_has_the_same_rows(warehouse: Warehouse) -> None:
    before = published(warehouse, CHANNELS[:8])
    report = run(warehouse, build_at=NOON + WEEK, channels=[CHANNELS[3].channel_id], full=True)
    assert report.channels == (CHANNELS[3].channel_id,)
    assert everything(warehouse) == before
