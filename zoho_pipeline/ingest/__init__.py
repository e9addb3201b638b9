"""Zoho → raw: which records to read, by which route, and how they get into the warehouse.

Here belongs everything between the client (`zoho`) and the schema `zoho_raw`. No SQL model, and nothing of Dagster,
belongs here. The command line, the assets and the demo call `sync.run` and `content`; `catalog` lists the tables.
Read `sync/run.py` first; then follow a record from `routes` (bottom) over `extract` to `load` and `finish`.
"""
