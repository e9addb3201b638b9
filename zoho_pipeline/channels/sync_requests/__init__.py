"""Requests for a sync, as rows of the registry: who asked, who works on it, how far it is.

Here belongs the queue and the workers' leases. The work itself is in `worker` and in Dagster's sensor.
`web`, `worker` and `orchestration` call it.
Read `queue.py` first, then `claims.py`.
"""
