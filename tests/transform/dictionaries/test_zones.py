"""The changes of a zone's clock, compared with the zone itself."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoho_pipeline.transform.dictionaries.zones import known_zones, zone_changes, zone_spans

ZONES = ["UTC", "Asia/Kolkata", "America/New_York", "Africa/Casablanca", "Australia/Lord_Howe", "Pacific/Apia"]
SECONDS = int((datetime(2101, 1, 1, tzinfo=UTC) - datetime(1900, 1, 1, tzinfo=UTC)).total_seconds())
INSTANTS = st.integers(0, SECONDS - 1).map(lambda n: datetime(1900, 1, 1, tzinfo=UTC) + timedelta(seconds=n))


def _seconds(zone: str, instant: datetime) -> float:
    distance = instant.astimezone(ZoneInfo(zone)).utcoffset()
    assert distance is not None
    return distance.total_seconds()


@given(st.sampled_from(ZONES), INSTANTS)
def test_one_span_holds_each_instant(zone: str, instant: datetime) -> None:
    plain = instant.replace(tzinfo=None)
    found = [span for span in zone_spans(zone) if span.start <= plain < span.end]
    assert [(span.year, span.seconds) for span in found] == [(plain.year, _seconds(zone, instant))]


@pytest.mark.parametrize("zone", ZONES)
def test_a_clock_changes_at_its_second(zone: str) -> None:
    for change in zone_changes(zone):
        at = change.at.replace(tzinfo=UTC)
        assert _seconds(zone, at) == change.seconds_after
        assert _seconds(zone, at - timedelta(seconds=1)) == change.seconds_before != change.seconds_after


def test_names_that_mean_a_machine_are_no_zones() -> None:
    assert {"Asia/Kolkata", "UTC", "Etc/GMT+5"} <= known_zones()
    assert not {"localtime", "posixrules", "Factory", "Mars/Olympus", "", "EST+3"} & known_zones()
