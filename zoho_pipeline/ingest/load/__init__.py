"""Load checkpoints into the warehouse, with the states that are true with them.

Here belongs everything that writes rows of Zoho: dlt, deletions, names, the log of the runs. Reading raw tables
belongs to `raw`, what a sync writes at its end to `finish`. `sync` and `reconcile` call `commit`; the command line
calls `channel_tables` and `purge`.
Read `commit.py` first, then `loader.py`; `context.py` lists what the parts of a sync share.
"""
