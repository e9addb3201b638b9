"""Compare the warehouse with Zoho after the rows are in, and repair what differs.

Here belongs what finds changes without any trace: counts at the end of each sync, and ids where counts differ or a
person asks. Reading changes belongs to `extract`. `sync.run` calls `check_counts` at the end of each sync.
Read `check_counts.py` first, then `repair.py`.
"""
