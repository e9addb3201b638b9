"""The engine of a warehouse: one line per kind of warehouse."""

from collections.abc import Iterator
from contextlib import contextmanager

from zoho_pipeline.transform.errors import TransformError
from zoho_pipeline.transform.project.project import Project
from zoho_pipeline.transform.run.duckdb_engine import open_duckdb_engine
from zoho_pipeline.transform.run.engine import Engine, RawColumns
from zoho_pipeline.transform.run.postgres_copy.copy import CopyReport, copy_published
from zoho_pipeline.transform.run.postgres_copy.forget import forget_in_copy
from zoho_pipeline.transform.run.postgres_engine import forget_in_marts, open_postgres_engine
from zoho_pipeline.transform.run.published_files.forget import forget_in_published_files
from zoho_pipeline.warehouse.duckdb_warehouse import DuckDBWarehouse
from zoho_pipeline.warehouse.postgres_warehouse import PostgresWarehouse
from zoho_pipeline.warehouse.warehouse import Warehouse


@contextmanager
def open_engine(warehouse: Warehouse, raw_columns: RawColumns) -> Iterator[Engine]:
    """The engine of a warehouse. One transform at a time has it, others wait.

    Raises:
        WarehouseBusy: another transform is still running after LOCK_SECONDS.
    """
    match warehouse:
        case DuckDBWarehouse():
            with open_duckdb_engine(warehouse, raw_columns) as engine:
                yield engine
        case PostgresWarehouse():
            with open_postgres_engine(warehouse, raw_columns) as engine:
                yield engine
        case _:
            raise TransformError(f"no transform engine is known for {warehouse.url}.")


def copy_marts(warehouse: Warehouse, project: Project) -> CopyReport | None:
    """Bring the copy of the marts in Postgres up to date; None: the settings name none. See `copy_published`."""
    return copy_published(warehouse, project) if isinstance(warehouse, DuckDBWarehouse) else None


def forget_channel(warehouse: Warehouse, channel_id: str) -> None:
    """Remove the rows of a channel from the published marts. It waits for a transform that may still publish them.

    Raises:
        WarehouseBusy: the transform is still running after LOCK_SECONDS.
        TransformError: the copy in Postgres could not be changed.
    """
    match warehouse:
        case DuckDBWarehouse():
            forget_in_published_files(warehouse, channel_id)
            forget_in_copy(warehouse, channel_id)
        case PostgresWarehouse():
            forget_in_marts(warehouse, channel_id)
        case _:
            raise TransformError(f"no transform engine is known for {warehouse.url}.")
