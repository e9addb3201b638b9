"""What belongs here: what people read: queries on marts and raw tables, a channel's insight, its page and its chart.
What does not: anything that writes to the warehouse.
Who calls it: the CLI and orchestration.
Read first: published.py for how marts are opened, then insight.py.
"""
