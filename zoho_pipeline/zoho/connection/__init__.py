"""A connection to the API: one client with retries, the org's limits, credits, and Zoho's clock.

Here belongs what holds for every call. The single calls are in `read`.
`read` calls the client; `channels` makes it; `ingest` reads its meters and its clock.
Read `client.py` first, then `rate_limits.py`.
"""
