"""Compares the warehouse with Zoho after the rows are loaded, and repairs what differs.

Here belongs what finds changes without a trace: it compares counts at the end of each sync, and ids if counts differ
or a person requests it. Reading changes belongs to `extract`. `sync.run` calls `check_counts` at the end of each sync.
Read `check_counts.py` first, then `repair.py`.
"""
