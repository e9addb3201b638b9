"""What belongs here: how each warehouse engine is opened, locked, loaded and read; one class per engine.
What does not: the names and columns of tables (ingest/catalog), the SQL models and how they are built (transform).
Who calls it: ingest, transform, reading, orchestration and the CLI, through `warehouse.open_warehouse`.
Read first: warehouse.py, the protocol that each engine implements.
"""
