"""The dlt source `zoho_crm`: a resource for every raw table, merged on its key, typed by the catalogue.

Rows are read before dlt sees anything (threads, routes, windows). A resource yields the Arrow tables of one load, and
the source's state takes the cursors that go with them. dlt makes state visible only when the whole package is in, so a
cursor can never be ahead of its rows. `explicit_dlt` keeps dlt from reading config files and the environment, and from
telling its makers of each run.
"""

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from threading import Lock
from typing import Any

import dlt
import pyarrow as pa
from dlt.common import logger as dlt_logger
from dlt.common.configuration.container import Container
from dlt.common.configuration.providers.provider import ConfigProvider
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext
from dlt.common.configuration.specs.runtime_configuration import RuntimeConfiguration
from dlt.common.runtime.run_context import RunContext
from dlt.common.runtime.telemetry import stop_telemetry
from dlt.extract import DltResource

from zoho_pipeline.ingest.catalog.tables import BY_NAME, Column, ColumnType, RawTable
from zoho_pipeline.warehouse.connection import RAW_SCHEMA

SOURCE_NAME = "zoho_crm"

_DLT_TYPES: Mapping[ColumnType, Mapping[str, Any]] = {
    "text": {"data_type": "text"},
    "json": {"data_type": "text"},
    "integer": {"data_type": "bigint"},
    "double": {"data_type": "double"},
    "money": {"data_type": "decimal", "precision": 18, "scale": 2},
    "rate": {"data_type": "decimal", "precision": 18, "scale": 9},
    "boolean": {"data_type": "bool"},
    "timestamp": {"data_type": "timestamp", "timezone": True, "precision": 6},
    "date": {"data_type": "date"},
}


@dlt.source(name=SOURCE_NAME, max_table_nesting=0)
def zoho_crm(
    tables: Mapping[str, Sequence[pa.Table]], state: Mapping[str, Any] | None = None, new: Collection[str] = ()
) -> list[DltResource]:
    """One bounded step: raw table name → its Arrow tables, and what the source's state becomes with them.

    `new`: tables none of whose rows is in the warehouse yet; theirs are appended, not merged.
    """
    resources = [
        _resource(BY_NAME[name], parts, "append" if name in new else disposition_of(BY_NAME[name]))
        for name, parts in tables.items()
    ]
    if state:
        resources.append(_state_resource(state))
    return resources


def columns_of(raw: RawTable) -> dict[str, Any]:
    """dlt's column hints; nullability and types equal the Arrow schema, or dlt warns on every load."""
    return {column.name: _hints(column, raw) for column in raw.columns}


def disposition_of(raw: RawTable) -> Any:
    """Upsert on the key. Where rows carry Modified_Time, one that is older than the stored row is left out."""
    merge: dict[str, Any] = {"disposition": "merge", "strategy": "upsert"}
    names = {column.name for column in raw.columns}
    if "modified_time" in names:
        merge["source_filter"] = newest_wins(raw)
    return merge


def newest_wins(raw: RawTable) -> str:
    """SQL over the staged rows: false for one that is an earlier version of the row already stored.

    Earlier is: modified earlier and not read later, or of the same version and read earlier. A row read
    later always wins over one modified later but read earlier: what Zoho shows last is what holds
    (a restored backup may carry an older Modified_Time).
    """
    same = " AND ".join(f"stored.{key} = {raw.name}.{key}" for key in raw.key)
    earlier = (
        f"(stored.modified_time > {raw.name}.modified_time AND stored.synced_at >= {raw.name}.synced_at)"
        f" OR (stored.modified_time = {raw.name}.modified_time AND stored.synced_at > {raw.name}.synced_at)"
    )
    return f"NOT EXISTS (SELECT 1 FROM {RAW_SCHEMA}.{raw.name} AS stored WHERE {same} AND ({earlier}))"  # noqa: S608


def _hints(column: Column, raw: RawTable) -> dict[str, Any]:
    hints = {"name": column.name, "nullable": column.nullable, **_DLT_TYPES[column.type]}
    return hints | {"primary_key": True} if column.name in raw.key else hints


def _resource(raw: RawTable, parts: Sequence[pa.Table], disposition: Any) -> DltResource:
    def read() -> Iterator[pa.Table]:
        yield from parts

    resource: DltResource = dlt.resource(read(), name=raw.name, columns=columns_of(raw), write_disposition=disposition)
    return resource


def _state_resource(state: Mapping[str, Any]) -> DltResource:
    def remember() -> Iterator[list[Any]]:
        stored = dlt.current.source_state()
        stored.clear()
        stored.update(state)
        yield []

    resource: DltResource = dlt.resource(remember, name="cursors", write_disposition="append")
    return resource


_lock = Lock()


class ExplicitContext(RunContext):
    """A run context without providers: a `.dlt/config.toml` nearby or a stray variable changes nothing."""

    def initial_providers(self) -> list[ConfigProvider]:
        return []

    def initialize_runtime(self, runtime_config: RuntimeConfiguration | None = None) -> None:
        del runtime_config  # whatever was found lying about
        quiet = RuntimeConfiguration()
        quiet.dlthub_telemetry = False
        quiet.log_level = "WARNING"
        super().initialize_runtime(quiet)
        _hand_over_logging()


def explicit_dlt() -> None:
    """Make this process's dlt explicit; done once, any number of calls.

    The context is put in place before dlt makes one of its own: that one reads the surroundings and starts to report
    usage to dlt's makers at once, and turning it off afterwards comes too late.
    """
    with _lock:
        container = Container()
        if PluggableRunContext in container:
            context: Any = container[PluggableRunContext]
            if isinstance(context.context, ExplicitContext):
                return
            stop_telemetry()  # somebody's own dlt in this process
            context.reload(ExplicitContext("."))
        else:
            container[PluggableRunContext] = PluggableRunContext(ExplicitContext("."))


def _hand_over_logging() -> None:
    """dlt's own handler would print past our redaction: its records go to the root logger instead."""
    logger = dlt_logger.LOGGER
    if isinstance(logger, logging.Logger):
        logger.handlers.clear()
        logger.propagate = True
