"""Queries on the raw tables, in SQL that both engines understand.

Here belongs what a sync reads from the warehouse: baselines, known deletions, names, inferred history, small tables.
Writing rows of Zoho belongs to `load`, comparing all ids to `reconcile`. `load`, `sync` and `reconcile` call it.
Read `read_baseline.py` first, then `queries.py`.
"""
