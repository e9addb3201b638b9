"""Facts computed by hand: from raw rows to expected cells, the same on DuckDB and Postgres."""
