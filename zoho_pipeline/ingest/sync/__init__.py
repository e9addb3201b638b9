"""One sync of one channel, from its lock to its report.

Here belong the entry points `sync_channel` and `reconcile_channel`, the threads, and the e-mails. Reading a module
belongs to `extract`, loading rows to `load`. The command line and the assets call `run.py` and no other file here.
Read `run.py` first, then `read_modules.py`.
"""
