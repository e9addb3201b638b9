"""The warehouse: how each engine is opened, locked, loaded and read; one class per engine.

Here belongs what differs between DuckDB and Postgres. The names and columns of tables are in `ingest/catalog`; the SQL
models and how they are built are in `transform`.
`ingest`, `transform`, `reading`, `orchestration` and `cli` call `warehouse.open_warehouse`.
Read `warehouse.py` first, the protocol that each engine implements.
"""
