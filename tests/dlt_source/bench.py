"""A pipeline of one's own: the source on a simulated org, into any destination, and the rows that arrived there."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import dlt
from dlt.common.configuration.container import Container
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext
from dlt.common.destination.exceptions import DestinationUndefinedEntity
from dlt.common.runtime.run_context import RunContext
from dlt.pipeline.exceptions import PipelineStepFailed

from tests.ingest.conftest import CLIENT, CLIENT_SECRET, PLAIN_SCOPES, QUICK
from tests.ingest.ledger import assert_equal
from zoho_pipeline import zoho_crm
from zoho_pipeline.dlt_source.credentials import ZohoCredentials
from zoho_pipeline.dlt_source.module_reading import PROBLEM
from zoho_pipeline.ingest.catalog.tables import BY_NAME, RawTable
from zoho_pipeline.ingest.limits import SyncLimits
from zoho_pipeline.ingest.report import ModuleReport, SyncReport
from zoho_pipeline.settings import PipelineError
from zoho_pipeline.simulator import Org, Simulator

Row = dict[str, Any]


def plain_dlt(folder: Path) -> None:
    """Give dlt the context of an ordinary program: a sync of this process may have given it its own before."""
    container = Container()
    if PluggableRunContext in container:
        container[PluggableRunContext].reload(RunContext(str(folder)))


@dataclass
class SourceBench:
    """An org, a token for it, and a pipeline into one destination. Its interface is that of `SyncBench`."""

    sim: Simulator
    org: Org
    folder: Path
    destination: Callable[[], Any]
    scopes: str = PLAIN_SCOPES
    limits: SyncLimits = QUICK
    channel_id: str = "crm"
    lag: float = 0.0
    settings: Any = None
    options: dict[str, Any] = field(default_factory=dict)
    name: str = field(default_factory=lambda: f"zoho_{uuid4().hex[:8]}")
    refresh_token: str = ""

    def __post_init__(self) -> None:
        self.refresh_token = self.refresh_token or self.org.grant(CLIENT, CLIENT_SECRET, self.scopes)

    def source(self, *modules: str, **options: Any) -> Any:
        credentials = ZohoCredentials()
        credentials.client_id, credentials.client_secret = CLIENT, CLIENT_SECRET
        credentials.refresh_token = self.refresh_token
        given = {"modules": list(modules) or None, "limits": self.limits, "lag_seconds": self.lag}
        where = {"data_center": "sim", "data_centers": {"sim": self.sim.url}, "credentials": credentials}
        return zoho_crm(**(where | given | self.options | options))

    @property
    def pipeline(self) -> Any:
        """The pipeline, as a new process would make it."""
        return dlt.pipeline(
            self.name,
            pipelines_dir=str(self.folder / "pipelines"),
            destination=self.destination(),
            dataset_name=self.name,
        )

    def run(self, *modules: str, **options: Any) -> Any:
        return self.pipeline.run(self.source(*modules, **options))

    def state(self, resource: str) -> Row:
        sources = self.pipeline.state.get("sources") or {}
        found: Row = sources.get("zoho_crm", {}).get("resources", {}).get(resource, {})
        return found

    def rows(self, table: str) -> list[Row]:
        """Every row of a table, in the types of the catalogue; none if there is no such table."""
        raw, pipeline = BY_NAME[table], self.pipeline
        pipeline.activate()
        pipeline.sync_destination()
        if "zoho_crm" not in pipeline.schema_names or table not in pipeline.schemas["zoho_crm"].tables:
            return []
        names = [column.name for column in raw.columns]
        with pipeline.sql_client("zoho_crm") as client:
            wanted = ", ".join(map(client.escape_column_name, names))
            query = f"SELECT {wanted} FROM {client.make_qualified_table_name(table)}"
            try:
                with client.execute_query(query) as cursor:
                    found = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
            except DestinationUndefinedEntity:
                return []
        return [typed(raw, row) for row in found]

    def versions(self, table: str) -> dict[Any, Row]:
        """The newest row of each key: a destination that cannot merge has all versions."""
        raw, newest = BY_NAME[table], dict[Any, Row]()
        for row in sorted(self.rows(table), key=lambda row: row["synced_at"]):
            newest[tuple(row[key] for key in raw.key)] = row
        return newest

    def live(self, table: str, module: str) -> dict[str, Row]:
        gone = {
            row["id"] for row in self.versions("deleted_records").values()
            if row["module"] == module and row["restored_at"] is None
        }  # fmt: skip
        return {row["id"]: row for row in self.versions(table).values() if row["id"] not in gone}

    def assert_equal(self, *modules: str) -> None:
        for module in modules:
            assert_equal(self, module)  # type: ignore[arg-type]

    def sync(self, *modules: str, full: bool = False, **options: Any) -> SyncReport:
        """As `SyncBench.sync`: one run, and a report that says whether a comparison left a difference."""
        refresh = {"refresh": "drop_resources"} if full else {}
        try:
            self.pipeline.run(self.source(*modules, **options), **refresh)
        except PipelineStepFailed as error:
            raise PipelineError(str(error)) from error
        reports = []
        for module in modules:
            problem = self.state(module.lower()).get(PROBLEM)
            reports.append(ModuleReport(module, outcome="failed" if problem else "complete", detail=problem or ""))
        return SyncReport(self.channel_id, "", reports)

    def reconcile(self, *modules: str) -> SyncReport:
        return self.sync(*modules, reconcile=True)

    def limit(self, **values: Any) -> None:
        self.limits = replace(self.limits, **values)


def typed(raw: RawTable, row: Row) -> Row:
    """A row in the types of the catalogue: SQLite has texts for times and numbers for booleans."""
    for column in raw.columns:
        value = row[column.name]
        if value is None:
            continue
        if column.type == "timestamp":
            at = datetime.fromisoformat(value) if isinstance(value, str) else value
            row[column.name] = at.replace(tzinfo=UTC) if at.tzinfo is None else at
        elif column.type == "boolean":
            row[column.name] = bool(value)
    return row
