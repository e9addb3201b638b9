"""The simulator on the wire: an ASGI application and the server that runs it.

Here belong admission of calls, faults of connections, the log and the socket. Handlers do not: they are in
`api`, `accounts` and `control`.
`handle.py` starts the server.
Read `app.py` first.
"""
