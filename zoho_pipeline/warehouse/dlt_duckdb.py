"""dlt's DuckDB destination, with the paths of its files quoted.

dlt 1.31 writes the path of a job file into `read_parquet('…')` as it is. A quote in HOME ends that text, and `*` and
`[` make it a pattern that matches other files or none.
"""

from typing import Any

from dlt.common.storages import ParsedLoadJobFileName
from dlt.destinations import duckdb as dlt_duckdb
from dlt.destinations.impl.duckdb.duck import DuckDbClient, DuckDbCopyJob


class QuotingDuckDB(dlt_duckdb):
    """`dlt.destinations.duckdb` whose loads read files of any path."""

    @property
    def client_class(self) -> type[DuckDbClient]:
        return _Client

    @property
    def destination_type(self) -> str:
        return "dlt.destinations.duckdb"  # dlt stores this name beside the state; a new one would be a new destination


class _CopyJob(DuckDbCopyJob):
    def run(self) -> None:
        if ParsedLoadJobFileName.parse(self._file_path).file_format == "parquet":
            client = self._sql_client = self._job_client.sql_client
            table = client.make_qualified_table_name(self.load_table_name)
            client.execute_sql(
                f"INSERT INTO {table} BY NAME SELECT * FROM read_parquet({file_pattern(self._file_path)},"  # noqa: S608
                " union_by_name=true, hive_partitioning=false)"  # else a folder `a=1` in HOME would be a column a
            )
        else:
            super().run()


class _Client(DuckDbClient):
    def create_load_job(self, table: Any, file_path: str, load_id: str, restore: bool = False) -> Any:
        job = super().create_load_job(table, file_path, load_id, restore)
        return _CopyJob(file_path) if type(job) is DuckDbCopyJob else job


def file_pattern(path: str) -> str:
    """The SQL text of DuckDB's pattern that matches this file alone. The path has no backslash, which the settings
    refuse: DuckDB reads it as a slash in a pattern."""
    escaped = "".join(f"[{character}]" if character in "*?[" else character for character in path)
    return "'" + escaped.replace("'", "''") + "'"
