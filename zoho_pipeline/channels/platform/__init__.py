"""What the registry keeps about the platform that embeds us: keys, tenants, consents, endpoints, deliveries, audit.

Here belongs the storage, without HTTP, and the counting of calls per caller in memory (`call_windows`). The routes that
use it are in `web`. Sync requests are in `sync_requests`.
`web`, `worker` and the command line call it.
Read `keys.py` first.
"""
