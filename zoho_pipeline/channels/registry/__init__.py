"""The registry: channels, their settings and sync results, encrypted tokens, and the count of token requests.

Here belong tables, and what may be written to them in which transaction. How to connect to the database and how
to lock is in `database`; calls to Zoho are in `access`.
Every package that asks about a channel calls `Registry`.
Read `registry.py` first, then `model.py`.
"""
