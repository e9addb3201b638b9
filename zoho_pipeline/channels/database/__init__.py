"""The registry's database: transactions, the clock that all hosts share, and the locks between processes.

Here belongs how to connect, commit, read the time, read past damaged rows and keep other processes out, on SQLite and
on Postgres.
Tables and their meaning are in `registry`.
`registry`, `access` and `consent` call it; `ingest` takes `channel_lock` for each load.
Read `database.py` first, then `locks.py`.
"""
