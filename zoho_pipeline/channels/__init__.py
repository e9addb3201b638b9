"""Which Zoho orgs are connected: the registry of channels, their tokens and settings, and how they are connected.

Here belongs what the product knows about a channel, and everything that uses its tokens. The protocol of Zoho is in
`zoho`; reading records is in `ingest`.
`ingest`, `orchestration` and the command line call it.
Read `registry/registry.py` first, then `access/client_factory.py`.
"""
