"""Hand-computed facts: raw rows in, expected cells out, the same on DuckDB and Postgres."""
