"""What belongs here: reading for people: queries on marts and raw tables, a channel's insight, its page and chart.
What does not: anything that writes to the warehouse.
Who calls it: the CLI and orchestration.
Read first: published.py for how marts are opened, then insight.py.
"""
