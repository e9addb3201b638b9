"""Fixtures of the tests of `reading`: the small SQL project of the transform tests, whose marts are read."""

from tests.transform.conftest import built_home, duckdb_warehouse, marts, project, raw, warehouse

__all__ = ["built_home", "duckdb_warehouse", "marts", "project", "raw", "warehouse"]
