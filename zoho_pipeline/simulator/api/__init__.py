"""The endpoints of the CRM API: one module per family, and the table of routes.

A handler takes a `Call` and returns an `Answer` or raises a `Refusal`. Rules that hold for every endpoint are in
`calls`, reading of rows is in `query`.
`http/app.py` calls the handlers by `routes.py`.
Read `routes.py` first, then `records.py`.
"""
