"""The copy of the marts in a Postgres database, for BI tools, where the warehouse is a DuckDB file.

Here belongs how the published file and the copy are compared, and how the copy is changed in one transaction. What is
published is decided before; nothing of ours reads the copy.
`run/transform.py` calls `copy_published` after each transform; `run/open_engine.py` calls `forget_in_copy`.
Read `copy.py` first, then `changes.py` (which rows are copied) and `tables.py` (how tables and views change).
"""
