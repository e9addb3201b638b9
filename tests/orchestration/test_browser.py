"""A walk through Dagster's UI in a real browser, on machines that have one."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.production import PIECES, Production, connect_companies, make_database, zoho_environment
from scripts.screenshots import Walk, browser, browser_missing, walk
from zoho_pipeline.simulator import Simulator

pytestmark = [
    pytest.mark.long,  # 130 s on an idle machine with two cores, 370 s on a busy one
    pytest.mark.browser,
    pytest.mark.skipif(browser_missing() is not None, reason=browser_missing() or ""),
]


@pytest.fixture
def production(postgres_server: str, simulator: Simulator) -> Iterator[Production]:
    """Webserver, daemon and code server on Postgres, with two connected companies."""
    folder = Path(tempfile.mkdtemp(prefix="zoho-pipeline-browser-"))
    urls = [make_database(postgres_server, f"browser_{name}") for name in ("dagster", "pipeline")]
    production = Production(folder, urls[0], urls[1], zoho_environment(simulator.url))
    connect_companies(production, simulator, companies=2, leads=60)
    try:
        production.start(*PIECES)
        yield production
    finally:
        production.stop()
        shutil.rmtree(folder, ignore_errors=True)


def test_a_new_user_can_materialize_a_channel_and_see_its_results(production: Production, tmp_path: Path) -> None:
    with browser() as driver:
        walk(Walk(driver, f"http://127.0.0.1:{production.ports['web']}", tmp_path), "tenant-1")
    screenshots = {path.stem for path in tmp_path.glob("*.png")}
    assert {
        "launchpad",
        "runs",
        "partition",
        "metadata-plots",
        "columns",
        "checks",
        "lineage",
        "automation",
    } <= screenshots
