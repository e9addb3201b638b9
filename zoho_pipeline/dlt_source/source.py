"""`zoho_crm`: a dlt source with one resource per table.

    dlt.pipeline("zoho", destination="duckdb").run(zoho_crm(data_center="in", modules=["Leads", "Deals"]))

The state of a module is in the state of its resource. dlt stores it with the rows of the same package, so that a load
which fails leaves the old cursor. A refresh drops both.
"""

import logging
from collections.abc import Callable, Iterator
from typing import Any

import dlt
import pyarrow as pa
from dlt.extract import DltResource

from zoho_pipeline.dlt_source.credentials import ZohoCredentials, cures_for_dlt, words_for_dlt
from zoho_pipeline.dlt_source.credentials import data_center as named_data_center
from zoho_pipeline.dlt_source.module_reading import MISSING, ModuleReading
from zoho_pipeline.dlt_source.options import (
    Options,
    checked_channel,
    checked_deletions,
    checked_limits,
    checked_modules,
)
from zoho_pipeline.dlt_source.session import Session, Sessions
from zoho_pipeline.dlt_source.stored_rows import loaded_table
from zoho_pipeline.dlt_source.table_hints import hints_of, removals, staying
from zoho_pipeline.ingest.catalog.tables import (
    BUSINESS_HOURS,
    BUSINESS_INTERVALS,
    CURRENCIES,
    DEAL_STAGES,
    DELETED_RECORDS,
    HOLIDAYS,
    REJECTED_RECORDS,
    USERS,
    RawTable,
)
from zoho_pipeline.ingest.convert.json_to_arrow import of_values
from zoho_pipeline.ingest.extract.modules import ModuleSpec, deal_history, module_spec
from zoho_pipeline.ingest.limits import SyncLimits
from zoho_pipeline.ingest.routes.reference_tables import REFERENCE_READERS
from zoho_pipeline.settings import Settings

log = logging.getLogger(__name__)

SECTION = "zoho_crm"
"""The section of dlt's configuration: `[sources.zoho_crm]` and `[sources.zoho_crm.credentials]`."""

SHARED = (DELETED_RECORDS, REJECTED_RECORDS)
"""Tables that several modules fill."""

REFERENCES = (USERS, DEAL_STAGES, BUSINESS_HOURS, BUSINESS_INTERVALS, HOLIDAYS, CURRENCIES)
"""Tables that are read as a whole in each run, and replaced."""

_READER_OF = {BUSINESS_INTERVALS.name: BUSINESS_HOURS.name}
"""The reader that gives a table, where it has another name than the table."""


@dlt.source(name="zoho_crm", section=SECTION, max_table_nesting=0)
def zoho_crm(
    data_center: str = dlt.config.value,
    credentials: ZohoCredentials = dlt.secrets.value,
    modules: list[str] | None = None,
    channel: str = "crm",
    max_rows: int | None = None,
    deletions: str = "tombstones",
    reconcile: bool = False,
    lag_seconds: float = Settings.sync_lag_seconds,
    data_centers: dict[str, str] | None = None,
    limits: SyncLimits | None = None,
) -> list[DltResource]:
    """The records of one Zoho CRM org: every change since the last run, and what was deleted.

    Args:
        data_center: where the org is: us, eu, in, au, jp, cn, ca, sa, uk, ae or sg.
        credentials: client id, client secret and refresh token.
        modules: Zoho's API names. None: every module that the connection can read, and the reference tables.
        channel: the value of `channel_id` in each row. Give each org its own if several are in one dataset.
        max_rows: a run ends after about so many new rows; `run_in_steps` runs the source until nothing is left.
        deletions: "tombstones" keeps the row of a deleted record, beside its row in `deleted_records`. "hard" also
            removes the row, where the destination can.
        reconcile: compare every module with Zoho id by id, also if the counts agree.
        lag_seconds: how long a write at Zoho may take to become visible, in seconds.
        data_centers: name → accounts server, for a Zoho that is not in the table, as a simulator.
        limits: sizes and prices of the reading, for tests.

    Raises:
        ConfigFieldMissingException: dlt finds no data centre or no credentials; it lists the places.
        UsageError: there is no table for a module, or another argument is wrong.
        UnknownDataCenter: there is no data centre of that name.
    """
    given = checked_modules(modules)
    options = Options(
        center=named_data_center(data_center, data_centers),
        credentials=credentials,
        channel=checked_channel(channel),
        modules=given,
        max_rows=max_rows,
        deletions=checked_deletions(deletions),
        lag_seconds=lag_seconds,
        reconcile=reconcile,
        limits=checked_limits(limits, max_rows),
    )
    sessions = Sessions(options)
    specs = [module_spec(name) for name in options.names] + ([deal_history()] if given is None else [])
    resources = [_resource(spec.table, options, _module_rows(sessions, spec)) for spec in specs]
    resources += [_resource(table, options, _shared_rows(sessions, table)) for table in SHARED]
    if given is None:
        resources += [_resource(table, options, _reference_rows(sessions, table)) for table in REFERENCES]
    return resources


def _resource(table: RawTable, options: Options, rows: Callable[[], Iterator[Any]]) -> DltResource:
    def told() -> Iterator[Any]:
        with cures_for_dlt():
            yield from rows()

    hints = hints_of(table, options.deletions, replaced=table in REFERENCES)
    resource: DltResource = dlt.resource(told, name=table.name, **hints)
    return resource


def _module_rows(sessions: Sessions, spec: ModuleSpec) -> Callable[[], Iterator[Any]]:
    """A resource's function: it reads a module, waits for the other resources, and yields the rows."""

    def rows() -> Iterator[Any]:
        name = spec.table.name
        state = dlt.current.resource_state()
        with sessions.joined(name) as session:
            for _ in ModuleReading(session, spec, state).steps():
                yield None
            yield from _others(session, name)
            session.mirror.name_lookups(spec.table, session.channel.id)
            if session.options.deletions == "hard" and spec.has_deletions:
                yield from staying(session.mirror.sent(spec.table, only_live=True))
                yield from removals(spec.table, session.mirror.sent(DELETED_RECORDS, spec.module))
            else:
                yield from session.mirror.sent(spec.table)
            for table in SHARED:
                if not session.has(table.name):  # a phantom would stay if only the module was selected
                    yield from _marked(table, session.mirror.sent(table, spec.module))

    return rows


def _shared_rows(sessions: Sessions, table: RawTable) -> Callable[[], Iterator[Any]]:
    def rows() -> Iterator[Any]:
        with sessions.joined(table.name) as session:
            yield from _others(session, table.name)
            yield from session.mirror.sent(table)

    return rows


def _reference_rows(sessions: Sessions, table: RawTable) -> Callable[[], Iterator[Any]]:
    def rows() -> Iterator[Any]:
        reader = _READER_OF.get(table.name, table.name)
        with sessions.joined(table.name) as session:
            try:
                if reader not in session.references:
                    read = REFERENCE_READERS[reader]
                    now = session.window.clock()
                    session.references[reader] = read(session.client.metered(), session.channel, now)
            except MISSING as error:
                # Without rows, dlt would empty the table. The schema says whether there is one: before each run, dlt
                # forgets the state of a resource that is replaced.
                if loaded_table(dlt.current.source_schema(), table) is not None:
                    raise
                log.warning("zoho_crm: %s is skipped: %s", table.name, words_for_dlt(error))
                return
            yield of_values(table, session.references[reader].tables.get(table.name, []))

    return rows


def _others(session: Session, name: str) -> Iterator[None]:
    """Wait until the other resources of the run have read. dlt asks the next resource whenever one yields nothing."""
    session.has_read(name)
    yield None  # resources that have not begun yet
    while not session.all_have_read:
        yield None


def _marked(table: RawTable, rows: Iterator[pa.Table]) -> Iterator[Any]:
    """Rows of another table than the resource's own."""
    hints = dlt.mark.make_hints(table_name=table.name, **hints_of(table, "tombstones"))
    for part in rows:
        yield dlt.mark.with_hints(part, hints, create_table_variant=True)
