"""The consent over HTTP: connect, start and callback, and the state of a consent that a page waits for.

Here belong the routes and the page of a consent. The consent itself is in `channels/consent`, its sessions are in
`channels/platform/connect_sessions.py`.
`app.py` includes its routes.
Read `routes.py` first, then `callback.py`.
"""
