"""The dlt source `zoho_crm`: a resource for every raw table, merged on its key, typed by the catalogue.

Rows are read before dlt starts (threads, routes, windows). A resource yields the Arrow tables of one load, and
the source's state takes the cursors that go with them. dlt makes state visible only when the whole package is in, so a
cursor can never be ahead of its rows. `explicit_dlt` keeps dlt from reading config files and the environment, and from
sending telemetry about each run.
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
ROWS_PER_ITEM = 20_000
"""Rows that dlt casts and writes at once: it copies what it gets, and a load has up to 64 MB."""

_DLT_TYPES: Mapping[ColumnType, Mapping[str, Any]] = {
    "text": {"data_type": "text"},
    "json": {"data_type": "text"},
    "integer": {"data_type": "bigint"},
    "double": {"data_type": "double"},
    "money": {"data_type": "decimal", "precision": 27, "scale": 9},
    "rate": {"data_type": "decimal", "precision": 18, "scale": 9},
    "boolean": {"data_type": "bool"},
    "timestamp": {"data_type": "timestamp", "timezone": True, "precision": 6},
    "date": {"data_type": "date"},
}


@dlt.source(name=SOURCE_NAME, max_table_nesting=0)
def zoho_crm(
    tables: Mapping[str, Sequence[pa.Table]], state: Mapping[str, Any] | None = None, new: Collection[str] = ()
) -> list[DltResource]:
    """One load: raw table name → its Arrow tables, and the source's state that is true with them.

    `new`: tables whose rows are all new to the warehouse. They are appended and not merged.
    """
    resources = [
        _resource(BY_NAME[name], parts, "append" if name in new else disposition_of(BY_NAME[name]))
        for name, parts in tables.items()
    ]
    if state:
        resources.append(_state_resource(state))
    return resources


def columns_of(raw: RawTable) -> dict[str, Any]:
    """dlt's column hints. Nullability and types equal the Arrow schema, because dlt warns at every load otherwise."""
    return {column.name: _hints(column, raw) for column in raw.columns}


def disposition_of(raw: RawTable) -> Any:
    """Upsert on the key. If rows have a Modified_Time, a row that is older than the stored one is left out."""
    merge: dict[str, Any] = {"disposition": "merge", "strategy": "upsert"}
    names = {column.name for column in raw.columns}
    if "modified_time" in names:
        merge["source_filter"] = newest_wins(raw)
    return merge


def newest_wins(raw: RawTable) -> str:
    """SQL condition on a staged row: false if it is an earlier version of the stored row.

    A row is earlier if it was modified earlier and not read later, or has the same version and was read earlier. A row
    that was read later always wins over one that was modified later but read earlier: what Zoho shows last counts (a
    restored backup may have an older Modified_Time).
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
        for part in parts:
            yield from (part.slice(start, ROWS_PER_ITEM) for start in range(0, max(part.num_rows, 1), ROWS_PER_ITEM))

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
    """A run context without providers, so that no `.dlt/config.toml` and no environment variable changes anything."""

    def initial_providers(self) -> list[ConfigProvider]:
        return []

    def initialize_runtime(self, runtime_config: RuntimeConfiguration | None = None) -> None:
        del runtime_config  # the values that dlt found in files and the environment
        quiet = RuntimeConfiguration()
        quiet.dlthub_telemetry = False
        quiet.log_level = "WARNING"
        super().initialize_runtime(quiet)
        _hand_over_logging()


def explicit_dlt() -> None:
    """Give dlt its whole configuration in this process. Further calls do nothing.

    The context is set before dlt makes its own one. That one reads files and the environment, and sends telemetry at
    once, so that it would be too late to switch this off afterwards.
    """
    with _lock:
        container = Container()
        if PluggableRunContext in container:
            context: Any = container[PluggableRunContext]
            if isinstance(context.context, ExplicitContext):
                return
            stop_telemetry()  # other code in this process has used dlt before
            context.reload(ExplicitContext("."))
        else:
            container[PluggableRunContext] = PluggableRunContext(ExplicitContext("."))


def _hand_over_logging() -> None:
    """Send dlt's log records to the root logger, because dlt's own handler would print them without our redaction."""
    logger = dlt_logger.LOGGER
    if isinstance(logger, logging.Logger):
        logger.handlers.clear()
        logger.propagate = True
