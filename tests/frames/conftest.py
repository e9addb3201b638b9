"""Fixtures of the tests of frames: the small SQL project of the transform tests, whose marts are read."""

from tests.transform.conftest import duckdb_warehouse, project, raw, warehouse

__all__ = ["duckdb_warehouse", "project", "raw", "warehouse"]
