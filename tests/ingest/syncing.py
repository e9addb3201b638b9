"""`python -m tests.ingest.syncing COMMAND HOME SIMULATOR_URL WAREHOUSE ROUTE`: a sync in a separate process.

COMMAND is `sync` or `reconcile`, WAREHOUSE is a URL or `-` (DuckDB in HOME), ROUTE is `records` or `bulk`. The
checkpoints are small, so that a test that kills the process finds many of them. Failures end it as in the CLI.
"""

import os
from dataclasses import replace

import click

from tests.ingest.conftest import CLIENT, CLIENT_SECRET, QUICK
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.cli.program import Program
from zoho_pipeline.ingest.sync.run import reconcile_channel, sync_channel
from zoho_pipeline.settings import load_settings
from zoho_pipeline.warehouse.warehouse import open_warehouse

SMALL = replace(QUICK, rows_per_table=200, rows_per_checkpoint=400, rows_per_load=400, rows_per_bulk_batch=300)


def environment(home: str, url: str, warehouse: str = "-") -> dict[str, str]:
    registry = os.environ.get("ZOHO_PIPELINE_REGISTRY")
    return {
        "ZOHO_PIPELINE_HOME": home,
        "ZOHO_CLIENT_ID": CLIENT,
        "ZOHO_CLIENT_SECRET": CLIENT_SECRET,
        "ZOHO_PIPELINE_SYNC_LAG": "0",
        "ZOHO_PIPELINE_DATA_CENTERS": f'{{"sim": "{url}"}}',
        **({} if warehouse == "-" else {"ZOHO_PIPELINE_WAREHOUSE": warehouse}),
        **({"ZOHO_PIPELINE_REGISTRY": registry} if registry else {}),
    }


@click.group(cls=Program)
def main() -> None:
    """Run one sync or one reconciliation of the channel `acme`."""


@main.command()
@click.argument("home")
@click.argument("url")
@click.argument("warehouse")
@click.argument("route")
def sync(home: str, url: str, warehouse: str, route: str) -> None:
    limits = replace(SMALL, job_credits=0) if route == "bulk" else SMALL
    settings = load_settings(environment(home, url, warehouse))
    opened = (settings, Registry(settings), open_warehouse(settings))
    sync_channel(*opened, "acme", modules=["Leads"], limits=limits)


@main.command()
@click.argument("home")
@click.argument("url")
@click.argument("warehouse")
def reconcile(home: str, url: str, warehouse: str) -> None:
    settings = load_settings(environment(home, url, warehouse))
    reconcile_channel(settings, Registry(settings), open_warehouse(settings), "acme", limits=SMALL)


if __name__ == "__main__":
    main()
