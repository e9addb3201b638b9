"""One sync of one channel, from its lock to its report.

Here belong the doors `sync_channel` and `reconcile_channel`, the threads, and the e-mails. How a module is read belongs
to `extract`, how rows are loaded to `load`. The command line and the assets call `run.py` and no other file here.
Read `run.py` first, then `read_modules.py`.
"""
