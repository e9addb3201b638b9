"""Reads the state that dlt keeps beside the rows, by one query.

To restore a pipeline costs dlt a third of a second of CPU, and most syncs of a night have nothing to load. So a sync
reads its state here, and restores the pipeline only if it loads something. The query is that of dlt's own
`get_stored_state`, and dlt's own functions decode the answer.
"""

from typing import Any

from dlt.common.versioned_state import decompress_state
from dlt.pipeline.state_sync import migrate_state_to_current

from zoho_pipeline.warehouse.connection import RAW_SCHEMA, Connection

_TABLES = ("_dlt_pipeline_state", "_dlt_loads")
_QUERY = (
    f"select s.state from {RAW_SCHEMA}._dlt_pipeline_state s join {RAW_SCHEMA}._dlt_loads l"  # noqa: S608
    " on l.load_id = s._dlt_load_id where s.pipeline_name = ? and l.status = 0 order by l.load_id desc limit 1"
)


def read_state(connection: Connection, pipeline: str, source: str) -> dict[str, Any]:
    """The state of a source of a pipeline after the last load that is complete. {}: nothing was loaded yet."""
    if not _has_tables(connection):
        return {}
    rows = connection.fetch(_QUERY, (pipeline,))[1]
    if not rows:
        return {}
    whole = migrate_state_to_current(pipeline, decompress_state(str(rows[0][0])))
    sources: dict[str, Any] = dict(whole.get("sources") or {})
    return dict(sources.get(source) or {})


def _has_tables(connection: Connection) -> bool:
    """Whether dlt has made its tables. A failed query would end the transaction on Postgres, so this comes first."""
    marks = ", ".join("?" for _ in _TABLES)
    found = connection.fetch(
        f"select count(*) from information_schema.tables where table_schema = ? and table_name in ({marks})",  # noqa: S608
        (RAW_SCHEMA, *_TABLES),
    )[1]
    return int(found[0][0]) == len(_TABLES)
