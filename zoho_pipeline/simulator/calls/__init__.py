"""The parts that all calls to the CRM API share: user and scopes, limits and credits, page tokens, form of answers.

Rules of one endpoint do not belong here: they are in `api`. Nothing here knows sockets or ASGI.
`api` and `http` call it.
Read `call.py` first.
"""
