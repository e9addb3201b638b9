"""Removes the rows of a channel from the copy."""

from zoho_pipeline.settings import PipelineError
from zoho_pipeline.transform.errors import TransformError
from zoho_pipeline.transform.run.engine import quoted
from zoho_pipeline.transform.run.postgres_copy.state import ROWS, State, begin, explained
from zoho_pipeline.warehouse.connection import MARTS_SCHEMA, Connection
from zoho_pipeline.warehouse.duckdb_warehouse import DuckDBWarehouse


def forget_in_copy(warehouse: DuckDBWarehouse, channel_id: str) -> None:
    """Delete the rows of a channel from every table of the copy, in one transaction. Do it after the published file.

    Raises:
        TransformError: the server cannot be reached, or does not let us. The copy still has the rows.
    """
    if warehouse.copy is None:
        return
    try:
        with warehouse.copy.connect(read_only=False) as target:
            begin(target)
            state = State(target)
            if not state.exists:
                return
            for name, definition in state.ours().items():
                if definition is None and _exists(target, name):
                    sql = f"delete from {MARTS_SCHEMA}.{quoted(name)} where channel_id = ?"  # noqa: S608
                    target.execute(sql, (channel_id,))
            target.execute(f"delete from {ROWS} where channel_id = ?", (channel_id,))  # noqa: S608
    except PipelineError as error:
        raise TransformError(
            f"the copy of the marts in {warehouse.copy.url} still has the rows of {channel_id}: "
            f"{warehouse.copy.hide(explained(error))} Then purge again."
        ) from error


def _exists(target: Connection, name: str) -> bool:
    """Whether nobody dropped a table. The server's catalogue also names a table that we may not read."""
    return bool(target.fetch("select to_regclass(?)", (f"{MARTS_SCHEMA}.{quoted(name)}",))[1][0][0])
