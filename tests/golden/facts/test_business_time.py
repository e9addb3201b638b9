"""Business time: random weeks, holidays and zones, compared with a count of every minute in plain Python."""

import random
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest

from tests.golden.facts.text_tables import Marts

SYNCED = datetime(2026, 11, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ZONES = ["America/New_York", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe", "America/St_Johns",
         "Africa/Casablanca"]  # fmt: skip
CHANGES = [
    datetime(2026, month, day, tzinfo=UTC) for month, day in ((3, 8), (3, 29), (10, 25), (11, 1), (4, 4), (2, 15))
]
LEADS = 12


class Office:
    """A channel with opening hours as shifts (weekday, first minute, length), holidays, and spans of leads."""

    def __init__(self, seed: int) -> None:
        rng = random.Random(seed)
        self.channel_id, self.zone = f"o{seed}", ZONES[seed % len(ZONES)]
        self.shifts = [
            (weekday, rng.randrange(0, 1440, 30), rng.choice([60, 90, 480, 600, 1200]))
            for weekday in range(7)
            for _ in range(rng.choice([0, 1, 1, 2, 3]))
        ]
        if seed % 4 == 0:
            self.shifts = [(weekday, 0, 1440) for weekday in range(7)]
        near = [rng.choice(CHANGES) + timedelta(minutes=rng.randrange(-3 * 1440, 3 * 1440)) for _ in range(LEADS)]
        self.spans = [(at, at + timedelta(minutes=rng.randrange(0, 6 * 1440))) for at in near]
        self.holidays = {(rng.choice(near) + timedelta(days=rng.randrange(4))).date() for _ in range(4)}

    def is_open(self, local: datetime) -> bool:
        """Whether the wall clock shows an opening."""
        if local.date() in self.holidays:
            return False
        for weekday, start, length in self.shifts:
            for days in (0, 1):
                begun: date = local.date() - timedelta(days=days)
                minutes = days * 1440 + local.hour * 60 + local.minute
                if begun.weekday() == weekday and begun not in self.holidays and start <= minutes < start + length:
                    return True
        return False

    def seconds(self, start: datetime, end: datetime) -> int:
        zone, total, instant = ZoneInfo(self.zone), 0, start
        while instant < end:
            total += 60 * self.is_open(instant.astimezone(zone).replace(tzinfo=None))
            instant += MINUTE
        return total

    def intervals(self) -> list[str]:
        rows = []
        for weekday, start, length in self.shifts:
            end = start + length
            rows.append((weekday + 1, 60 * start, 60 * min(end, 1440), "false"))
            if end > 1440:
                rows.append((weekday % 7 + 2 if weekday < 6 else 1, 0, 60 * (end - 1440), "true"))
        return [" | ".join([self.channel_id, *map(str, row)]) for row in rows]


OFFICES = [Office(seed) for seed in range(24)]


def _table(header: str, rows: list[str]) -> str:
    return "\n".join([header, *rows])


def _at(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%d %H:%M:%S")


RAW = {
    "channels": _table(
        "channel_id | timezone | last_complete_sync_at", [f"{o.channel_id} | {o.zone} | {_at(SYNCED)}" for o in OFFICES]
    ),
    "business_intervals": _table(
        "channel_id | iso_weekday | start_second | end_second | is_continued",
        [row for office in OFFICES for row in office.intervals()],
    ),
    "holidays": _table(
        "channel_id | id | date | type",
        [f"{o.channel_id} | {day} | {day} | Business_Holiday" for o in OFFICES for day in sorted(o.holidays)],
    ),
    "leads": _table(
        "channel_id | id | created_time",
        [f"{o.channel_id} | {n} | {_at(start)}" for o in OFFICES for n, (start, _) in enumerate(o.spans)],
    ),
    "calls": _table(
        "channel_id | id | call_type | call_start_time | what_id | se_module",
        [
            f"{o.channel_id} | {n} | Outbound | {_at(end)} | {n} | Leads"
            for o in OFFICES
            for n, (_, end) in enumerate(o.spans)
        ],
    ),
}


@cache
def expected_of(number: int) -> dict[tuple[str, str], int]:
    """The seconds of each lead of the first offices. They are counted once for both engines."""
    return {
        (office.channel_id, str(n)): office.seconds(start, end)
        for office in OFFICES[:number]
        for n, (start, end) in enumerate(office.spans)
        if office.shifts
    }


@pytest.mark.parametrize("fact_marts", ["duckdb", "postgres"], indirect=True, scope="module")
@pytest.mark.parametrize("number", [8, 24])
@pytest.mark.long
def test_business_time_is_the_elapsed_time_of_openings(fact_marts: Marts, number: int) -> None:
    """The first six offices have the six zones, whose clocks each engine knows by its own data."""
    found = {
        (row["channel_id"], row["zoho_lead_id"]): row["business_seconds_to_first_contact"]
        for row in fact_marts.all_rows("lead_first_contact")
    }
    expected = expected_of(number)
    assert {key: seconds for key, seconds in found.items() if key in expected} == expected
    assert len(expected) > 10 * number
    assert sum(seconds > 0 for seconds in expected.values()) > 6 * number
