"""The history of the registry's tables: one step per file in `versions/`.

Here belong steps that change tables. The present tables are in `../tables.py`.
Only alembic runs them, called by `migrate.py`.
Read `versions/registry_0001.py` first.
"""
