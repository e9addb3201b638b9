"""What every call to the CRM API has in common: user and scopes, limits and credits, page tokens, outer form.

Rules of one endpoint do not belong here: they are in `api`. Nothing here knows sockets or ASGI.
`api` and `http` call it.
Read `call.py` first.
"""
