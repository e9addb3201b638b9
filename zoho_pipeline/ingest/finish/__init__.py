"""The end of a sync: whether anything must be loaded, and what is written when it ends, for one channel or for many.

Here belong the choice not to load, the reference tables, the report in `sync_runs` and the status in the registry.
Loading rows of Zoho belongs to `load`. `sync` calls it.
Read `ending.py` first, then `quiet.py`.
"""
