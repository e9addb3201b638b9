"""`python -m tests.ingest.syncing HOME SIMULATOR_URL`: one sync in a process of its own, to be killed."""

import sys

from tests.ingest.conftest import CLIENT, CLIENT_SECRET
from zoho_pipeline.channels.registry import Registry
from zoho_pipeline.ingest import extract, sync
from zoho_pipeline.settings import load_settings
from zoho_pipeline.warehouse import open_warehouse


def environment(home: str, url: str) -> dict[str, str]:
    return {
        "ZOHO_PIPELINE_HOME": home,
        "ZOHO_CLIENT_ID": CLIENT,
        "ZOHO_CLIENT_SECRET": CLIENT_SECRET,
        "ZOHO_PIPELINE_SYNC_LAG": "0",
        "ZOHO_PIPELINE_DATA_CENTERS": f'{{"sim": "{url}"}}',
    }


if __name__ == "__main__":
    extract.ROWS_PER_TABLE, extract.ROWS_PER_STEP, sync.ROWS_PER_LOAD = 200, 400, 400
    settings = load_settings(environment(*sys.argv[1:3]))
    sync.sync_channel(settings, Registry(settings), open_warehouse(settings), "acme", modules=["Leads"])
