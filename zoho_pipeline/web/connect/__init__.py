"""The consent over HTTP: connect, start and callback, and the state of a consent that a page waits for.

Here belong the routes and the pages of a consent. The consent itself is in `channels/consent`.
`app.py` includes its routes.
Read `routes.py` first.
"""
