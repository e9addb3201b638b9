"""Concurrency pools: how many runs of a kind may run at the same time."""

SYNC_POOL = "zoho_sync"
"""Limits the runs that read from Zoho and load at the same time. A DuckDB file has its own lock for the load step."""

MARTS_POOL = "marts"

POOL_LIMITS = {SYNC_POOL: None, MARTS_POOL: 1}
"""Runs per pool; None: the `default_limit` of `dagster.yaml`. Marts allow one, because a refresh replaces the whole
published file."""
