"""A request for a sync, as its row says."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from zoho_pipeline.channels.registry.model import OUTCOMES
from zoho_pipeline.channels.registry.platform_tables import sync_requests
from zoho_pipeline.channels.registry.tables import require_types, types_of

QUEUED, RUNNING, DONE, FAILED = "queued", "running", "done", "failed"
UNFINISHED = (QUEUED, RUNNING)
STATES = (*UNFINISHED, DONE, FAILED)

USER, PUSH, CONNECT, GAP = "user", "push", "connect", "gap"
REASONS = (USER, PUSH, CONNECT, GAP)
"""Why somebody asked. `user`: a person or the platform; `push`: changes that Zoho told; `connect`: the first sync;
`gap`: notifications may have been missed."""
RUN = "run"
"""The reason of a sync that nobody asked for."""

MOST_PER_HOUR = 6
"""New requests of users per channel. Requests that joined one, or were refused, do not count."""

_TYPES = types_of(sync_requests)
_RESULT: dict[str, tuple[type, ...]] = {"module": (str,), "rows": (int,), "credits": (int, float)}
_RESULT |= dict.fromkeys(("route", "detail"), (str, type(None)))
"""What the result of a module holds beside its outcome."""

LEASE = timedelta(minutes=15)
"""How long a claim holds without a sign of life."""


@dataclass(frozen=True)
class SyncRequest:
    """One request.

    Attributes:
        reason: one of `REASONS`; `run` for a sync that nobody asked for, such as the one of the night.
        state: queued, running, done or failed. Done means that the rows are published.
        worker: who has it, or had it last.
        lease_until: the end of the claim; for a queued one, the time before which nobody takes it.
        progress: module → rows read so far.
        modules: {module, outcome, rows, credits, route, detail} of each module, once the sync has ended.
        run_id: the run of `sync_runs`.
        error: why it failed, in a sentence without secrets.
    """

    id: str
    channel_id: str
    reason: str
    full: bool
    state: str
    requested_by: str
    asked_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    worker: str | None = None
    lease_until: datetime | None = None
    progress: Mapping[str, int] | None = None
    modules: tuple[Mapping[str, Any], ...] = ()
    run_id: str | None = None
    credits: float | None = None
    error: str | None = None

    @property
    def is_finished(self) -> bool:
        return self.state not in UNFINISHED


def of_row(row: Mapping[Any, Any]) -> SyncRequest:
    """The request in a row of `registry_sync_requests`.

    A reason of a later version is read as `user`.

    Raises:
        ValueError, TypeError: a value is damaged, or of a later version.
    """
    require_types(row, _TYPES)
    progress, modules = row["progress"], row["modules"] or ()
    counts = isinstance(progress, dict) and all(type(count) is int for count in progress.values())
    if row["state"] not in STATES or not counts or not all(map(_is_result, modules)):
        raise ValueError("a request for a sync that this version does not know")
    # a later version may know more reasons. An older worker beside it must not end such a request: the work is the same
    reason = row["reason"] if row["reason"] in (*REASONS, RUN) else USER
    return SyncRequest(**{**row, "reason": reason, "modules": tuple(modules)})


def _is_result(module: object) -> bool:
    if not isinstance(module, dict) or module.get("outcome") not in OUTCOMES:
        return False
    return all(isinstance(module.get(name, ...), types) for name, types in _RESULT.items())
