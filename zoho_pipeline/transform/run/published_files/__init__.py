"""The files of a DuckDB publication: the published file, the draft that replaces it, and the standby.

Here belongs how these files are named, locked, exchanged and forgotten, and how an older publication is brought up to
date. What the marts hold is in `run/publish.py`; how people read the published file is in `warehouse/duckdb_published`.
`run/duckdb_engine.py` calls `PublishedFiles` and `catch_up`; `run/open_engine.py` calls `forget_in_published_files`.
Read `files.py` first.
"""
