"""How every answer behaves: errors as problem+json, headers, sizes, times, rates, replays, cursors, the access log.

Here belongs what knows HTTP and no route. Who may do what is in `auth`.
`app.py` and the routes call it.
Read `problems.py` first, then `bodies.py`.
"""
