"""Reading rows: columns, conditions, COQL, ordered views, and rows as JSON.

Here belongs what several endpoints need to find and show rows. HTTP statuses, credits and scopes do not: they
are in `calls` and `api`.
`OrgHandle`, `calls` and `api` call it.
Read `views.py` and `render.py` first; COQL and criteria begin in `criteria.py`.
"""
