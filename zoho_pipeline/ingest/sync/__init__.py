"""One sync of one channel, from its lock to its report, and many of them side by side.

Here belong the entry points `sync_channel` and `reconcile_channel`, the threads, the e-mails, and the parts of
records. Reading a module belongs to `extract`, loading rows to `load`, the end of a sync to `finish`. The command line
and the assets call `run.py`, and `side_by_side.py` with `sync_group.py` for several channels.
Read `run.py` first, then `read_modules.py`.
"""
