"""The clock of the simulator, and how instants are written in answers."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoho_pipeline.simulator.clock import Clock, ZoneFormat, to_epoch

ZONES = ["UTC", "Asia/Kolkata", "America/New_York", "Pacific/Pago_Pago", "Australia/Lord_Howe", "Asia/Kathmandu"]


@given(st.integers(0, 4_000_000_000), st.sampled_from(ZONES))
def test_written_instants_are_what_the_zone_shows_and_read_back(epoch: int, zone: str) -> None:
    text = ZoneFormat.of(zone)(epoch)
    assert to_epoch(text) == epoch
    assert text == datetime.fromtimestamp(epoch, ZoneInfo(zone)).isoformat(timespec="seconds")


def test_a_half_hour_zone_writes_its_minutes() -> None:
    assert ZoneFormat.of("Asia/Kolkata")(1_767_225_600) == "2026-01-01T05:30:00+05:30"
    assert ZoneFormat.of("Asia/Kolkata").offset_ms(0) == 19_800_000


def test_an_instant_needs_an_offset() -> None:
    assert to_epoch("2026-01-01T00:00:00Z") == to_epoch(datetime(2026, 1, 1, tzinfo=UTC)) == 1_767_225_600
    for bad in ("2026-01-01T00:00:00", "yesterday", True):
        with pytest.raises(ValueError):
            to_epoch(bad)


def test_set_moves_and_time_goes_on() -> None:
    clock = Clock()
    clock.set("2026-01-01T00:00:00Z")
    assert clock.now() - datetime(2026, 1, 1, tzinfo=UTC) < timedelta(seconds=5)
    clock.advance(86_400)
    assert clock.now().date().isoformat() == "2026-01-02"


def test_a_frozen_clock_stops_until_it_is_moved_and_resumes_from_there() -> None:
    clock = Clock()
    clock.freeze("2026-01-01T00:00:00Z")
    assert clock.seconds() == clock.seconds() == 1_767_225_600
    clock.advance(1.5)
    assert clock.epoch() == 1_767_225_601
    clock.set(1_767_300_000)
    assert clock.epoch() == 1_767_300_000
    assert clock.http_date() == "Thu, 01 Jan 2026 20:40:00 GMT"
    clock.resume()
    assert clock.frozen is None
    assert 0 <= clock.seconds() - 1_767_300_000 < 5
