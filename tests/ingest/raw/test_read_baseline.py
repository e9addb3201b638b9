"""The instant from which changes are read."""

from datetime import UTC, datetime, timedelta

from zoho_pipeline.ingest.raw.read_baseline import overlap_start
from zoho_pipeline.ingest.routes.window import OVERLAP, OVERLAP_ROWS

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def test_the_overlap_shrinks_if_it_contains_many_rows() -> None:
    few = [("1", NOON - timedelta(seconds=3))]
    assert overlap_start(NOON, few) == NOON - OVERLAP
    many = [(str(n), NOON - timedelta(seconds=n)) for n in range(1, OVERLAP_ROWS + 2)]
    assert overlap_start(NOON, many) == NOON - timedelta(seconds=OVERLAP_ROWS - 1)
    tied = [(str(n), NOON - timedelta(seconds=1)) for n in range(OVERLAP_ROWS + 1)]
    assert overlap_start(NOON, tied) == NOON
