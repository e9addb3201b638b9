"""The company's definitions, merged with those of zoho-pipeline. `dg dev` in the folder of the project loads `defs`."""

from pathlib import Path

import dagster as dg

from zoho_pipeline import read_mart
from zoho_pipeline.orchestration import Overrides, build
from zoho_pipeline.settings import load_settings

settings = load_settings()


class Reports(dg.ConfigurableResource):
    """Where the company keeps its reports."""

    folder: str


@dg.asset(
    deps=[dg.AssetKey(["crm", "marts", "channel_insight"])],
    owners=["team:revenue"],
    automation_condition=dg.AutomationCondition.eager(),
)
def monday_report(services: Reports) -> dg.MaterializeResult:
    """A CSV file with one line per channel: its leads of this month."""
    rows = read_mart("channel_insight", columns=["channel_id", "leads_this_month"], where=settings)
    path = Path(services.folder) / "monday.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    rows.to_csv(path, index=False)
    return dg.MaterializeResult(metadata={"dagster/row_count": len(rows), "path": dg.MetadataValue.path(path)})


# A module has one name for definitions: Dagster refuses a second one.
defs = dg.Definitions.merge(
    dg.Definitions(
        assets=[monday_report],
        # The pipeline has such a resource too. With the prefix it is called `crm_services`.
        resources={"services": Reports(folder=str(settings.home / "reports"))},
    ),
    build(settings, Overrides(prefix="crm", owners=["team:revenue"], tags={"domain": "sales"})),
)
