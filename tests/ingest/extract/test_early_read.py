"""A read that begins before the window is settled: nothing is lost, whatever becomes visible while it settles."""

import pytest

from tests.ingest.conftest import SyncBench
from tests.ingest.early import SCOPES, LateChanges


@pytest.mark.parametrize("route", SCOPES)
def test_changes_that_become_visible_after_the_reading_are_loaded(bench: SyncBench, route: str) -> None:
    late = LateChanges.furnish(bench, route)
    report = late.sync()
    assert report.modules[0].route.split("+")[0] == route
    late.check(report)
