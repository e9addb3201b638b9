"""What people read: queries on marts and raw tables, a channel's insight, its page and its chart.

Here belongs what answers a person. Nothing here writes to the warehouse.
`cli` and `orchestration` call it.
Read `published.py` first (how marts are opened), then `insight.py`.
"""
