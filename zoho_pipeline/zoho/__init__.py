"""How to speak Zoho CRM's API: HTTP, OAuth, limits, and the calls that read.

Here belongs the protocol, as docs/zoho-facts.md describes it. The registry and the warehouse are unknown here, and so
are business rules: which rows to read is decided in `ingest`.
`channels` makes the clients, `ingest` reads with them.
Read `connection/client.py` first, then `read/records.py`.
"""
