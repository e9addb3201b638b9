"""A live connection of a channel: access tokens, a client, and the check whom a token belongs to.

Here belongs every use of a stored token to call Zoho. How tokens are stored and counted is in `registry`; how a
person gives a token is in `consent`.
`ingest` and the command line call `open_client` and `verify`; `consent` calls `inspect`.
Read `client_factory.py` first, then `token_source.py`.
"""
