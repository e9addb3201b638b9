"""Builds the marts as a person with a SQL shell would: one table per model, one after the other, in one session."""

from pathlib import Path

import duckdb

from zoho_pipeline.transform.project.model import Model
from zoho_pipeline.transform.project.project import Project
from zoho_pipeline.transform.run.dictionary_tables import create_dictionary
from zoho_pipeline.transform.run.duckdb_session import TransformConnection, set_up
from zoho_pipeline.transform.run.engine import quoted
from zoho_pipeline.transform.run.published_files.files import STORAGE_VERSION
from zoho_pipeline.warehouse.connection import Connection
from zoho_pipeline.warehouse.duckdb_warehouse import DuckDBWarehouse
from zoho_pipeline.warehouse.warehouse import Warehouse

PARAMETERS = (
    "select cast(now() as timestamp) as build_at, cast(null as timestamp) as as_of_requested, false as is_weekly"
)


def build_with_plain_sql(warehouse: Warehouse) -> None:
    """Build every model of the project. The marts are stored on disk, as tables and views; the others are temporary."""
    project = Project.load()
    if isinstance(warehouse, DuckDBWarehouse):
        _in_duckdb(warehouse.path, project)
    else:
        _in_postgres(warehouse, project)


def _in_duckdb(path: Path, project: Project) -> None:
    marts = path.with_suffix(".plain_sql.duckdb")
    marts.unlink(missing_ok=True)
    raw = duckdb.connect(":memory:")
    connection = TransformConnection(raw)
    set_up(connection)  # other settings of the session would compare them, and not what the runner adds
    raw.execute(f"set temp_directory = '{path}.plain_sql.spill'")
    raw.execute(f"attach '{path}' as warehouse (read_only)")
    # in the format of the published file: BI tools open no newer one, and it takes longer to write than DuckDB's own
    raw.execute(f"attach '{marts}' as marts_file (storage_version '{STORAGE_VERSION}')")
    raw.execute("create schema zoho_raw")
    for table in project.raw_tables:
        raw.execute(f"create view zoho_raw.{table} as select * from warehouse.zoho_raw.{table}")
    raw.execute("set search_path = 'memory.main,marts_file.main'")
    _build(connection, project, "zoho_raw.channels", "marts_file.main.")
    raw.close()


def _in_postgres(warehouse: Warehouse, project: Project) -> None:
    with warehouse.connect(read_only=False) as connection:
        connection.execute("drop schema if exists plain_sql cascade")
        connection.execute("create schema plain_sql")
        connection.execute("set search_path = public, plain_sql")
        _build(connection, project, "zoho_raw.channels", "plain_sql.")


def _build(connection: Connection, project: Project, channels: str, marts: str) -> None:
    connection.execute(f"create temporary table run_parameters as {PARAMETERS}")
    connection.execute(f"create temporary table run_channels as select channel_id from {channels}")
    for seed in project.seeds.values():
        _seed(connection, seed.path, seed.name, {c.name: c.data_type for c in seed.docs.columns})
    for model in project.models.values():
        kind = "view" if model.is_view else "table"
        place = f"create {kind} {marts}" if model.layer == "marts" else "create temporary table "
        if model.dictionary:  # a person with a shell would need the same Python
            create_dictionary(connection, model, f"temporary table {quoted(model.name)}", _text(connection, model))
        else:
            connection.execute(f"{place}{quoted(model.name)} as {_text(connection, model)}")
        # without statistics the planner expects one row in every table
        if connection.dialect == "postgres" and not model.is_view:
            connection.execute(f"analyze {quoted(model.name)}")


def _text(connection: Connection, model: Model) -> str:
    return model.body if connection.dialect == "duckdb" else model.sql("postgres")


def _seed(connection: Connection, path: Path, name: str, types: dict[str, str]) -> None:
    import csv

    with path.open(newline="") as stream:
        header, *rows = csv.reader(stream)
    columns = ", ".join(f"{quoted(column)} {types.get(column) or 'text'}" for column in header)
    connection.execute(f"create temporary table {quoted(name)} ({columns})")
    for row in rows:
        marks = ", ".join(f"cast(? as {types.get(column) or 'text'})" for column in header)
        connection.execute(f"insert into {quoted(name)} values ({marks})", [value or None for value in row])
