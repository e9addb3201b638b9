"""Pools: what may run side by side. The default limit of `dagster.yaml` counts where `LIMITS` names no other."""

SYNC_POOL = "zoho_sync"
"""How many runs may talk to Zoho and load at once; the step that writes a DuckDB file has a lock of its own."""

MARTS_POOL = "marts"

LIMITS = {SYNC_POOL: None, MARTS_POOL: 1}
"""None: the default. One publication at a time: the published file is replaced whole."""
