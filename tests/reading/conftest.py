"""The small SQL project of the transform tests, whose marts are read here."""

from tests.transform.conftest import duckdb_warehouse, project, raw, warehouse

__all__ = ["duckdb_warehouse", "project", "raw", "warehouse"]
