"""`python -m tests.ingest.syncing HOME SIMULATOR_URL WAREHOUSE ROUTE`: one sync in a process of its own, to be killed.

WAREHOUSE is a URL or `-` (DuckDB in HOME); ROUTE is `records` or `bulk`.
"""

import sys

from tests.ingest.conftest import CLIENT, CLIENT_SECRET
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.ingest.extract import extraction, step
from zoho_pipeline.ingest.routes import bulk_route, route_choice
from zoho_pipeline.ingest.sync import run
from zoho_pipeline.settings import load_settings
from zoho_pipeline.warehouse.warehouse import open_warehouse
from zoho_pipeline.zoho.read import bulk


def environment(home: str, url: str, warehouse: str = "-") -> dict[str, str]:
    return {
        "ZOHO_PIPELINE_HOME": home,
        "ZOHO_CLIENT_ID": CLIENT,
        "ZOHO_CLIENT_SECRET": CLIENT_SECRET,
        "ZOHO_PIPELINE_SYNC_LAG": "0",
        "ZOHO_PIPELINE_DATA_CENTERS": f'{{"sim": "{url}"}}',
        **({} if warehouse == "-" else {"ZOHO_PIPELINE_WAREHOUSE": warehouse}),
    }


def main(home: str, url: str, warehouse: str = "-", route: str = "records") -> None:
    """Small steps, so that a kill finds many of them."""
    extraction.ROWS_PER_TABLE, extraction.ROWS_PER_STEP, step.ROWS_PER_LOAD = 200, 400, 400
    bulk_route.ROWS_PER_BATCH, bulk._FIRST_WAIT = 300, 0.05
    if route == "bulk":
        route_choice.JOB_CREDITS = 0
    settings = load_settings(environment(home, url, warehouse))
    run.sync_channel(settings, Registry(settings), open_warehouse(settings), "acme", modules=["Leads"])


if __name__ == "__main__":
    main(*sys.argv[1:])
