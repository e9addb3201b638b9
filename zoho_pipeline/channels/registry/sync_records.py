"""What the registry keeps about syncs: the result of each module, the credits of the last 24 hours, the history."""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from zoho_pipeline.channels.database.upsert import insert_or
from zoho_pipeline.channels.registry import channel_events, tables
from zoho_pipeline.channels.registry.model import OUTCOMES, Channel, ModuleStatus, ModuleSync
from zoho_pipeline.channels.registry.platform_tables import sync_requests
from zoho_pipeline.logs import redact

CREDIT_WINDOW = timedelta(hours=24)
"""Each of Zoho's credits comes back 24 hours after it was spent."""

HISTORY_KEPT = timedelta(days=30)
LONGEST_DETAIL = 500
_BROKEN = ("failed", "stopped")
_ORG = (tables.channels.c.org_id == bindparam("org"), tables.channels.c.api_domain == bindparam("domain"))
_SPENT_BY_ORG = select(func.sum(tables.credits.c.credits)).where(
    tables.credits.c.channel_id.in_(select(tables.channels.c.channel_id).where(*_ORG)),
    tables.credits.c.spent_at > bindparam("since"),
)
_STALE = timedelta(days=2)
_MODULE_VALUES = [column.name for column in tables.modules.c if not column.primary_key]


@dataclass(frozen=True)
class Run:
    """One sync that has ended.

    Attributes:
        whole: it read every module.
        other_credits: what it spent beside its parts: on the connected user, on metadata, on names of users.
    """

    run_id: str | None
    whole: bool
    parts: Sequence[ModuleSync]
    other_credits: float = 0.0

    @property
    def failed(self) -> dict[str, str]:
        """Module → why it was not read to its end."""
        broken = (part for part in self.parts if part.outcome in _BROKEN)
        return {part.module: _shown(part.detail) or part.outcome for part in broken}

    @property
    def credits(self) -> float:
        return sum(part.credits for part in self.parts)


def statuses(before: Mapping[str, ModuleStatus], parts: Iterable[ModuleSync], now: datetime) -> dict[str, ModuleStatus]:
    """The statuses of these modules after one sync.

    Args:
        before: the stored results of earlier syncs, by module.
        now: the database's clock, aware.

    Raises:
        ValueError: an outcome is not one of `model.OUTCOMES`.
    """
    found = {}
    for part in parts:
        if part.outcome not in OUTCOMES:
            raise ValueError(f"unknown outcome {part.outcome!r}")
        bound = _upper_bound(before.get(part.module), part)
        status = ModuleStatus(
            part.module, bound, part.outcome, part.detail, part.route, part.rows, part.credits, synced_at=now
        )
        found[part.module] = status
    return found


def write_module_syncs(connection: Connection, channel_id: str, after: Mapping[str, ModuleStatus]) -> None:
    """Store the statuses of a channel's modules after one sync, in one statement."""
    if after:
        upsert = insert_or(connection, tables.modules)
        changed = {name: upsert.excluded[name] for name in _MODULE_VALUES}
        key = [tables.modules.c.channel_id, tables.modules.c.module]
        rows = [{"channel_id": channel_id, **vars(status)} for status in after.values()]
        connection.execute(upsert.on_conflict_do_update(index_elements=key, set_=changed), rows)


def forget_modules(connection: Connection, channel_id: str, names: Iterable[str]) -> None:
    """Forget the last sync of modules that are not read any more: it would hold back that of the channel."""
    own = (tables.modules.c.channel_id == channel_id, tables.modules.c.module.in_(sorted(names)))
    connection.execute(delete(tables.modules).where(*own))


def forget_old_credits(connection: Connection, now: datetime) -> None:
    """Delete the rows of credits that have left the 24 hours."""
    connection.execute(delete(tables.credits).where(tables.credits.c.spent_at <= now - CREDIT_WINDOW))


def write_credits(connection: Connection, channel_id: str, credits: float, now: datetime) -> None:
    """Count credits spent at `now`."""
    if credits:
        connection.execute(insert(tables.credits).values(channel_id=channel_id, spent_at=now, credits=credits))


def write_history(connection: Connection, channel_id: str, run: Run, now: datetime) -> None:
    """Keep the results of a whole sync: in the running request of the channel, or in a row of its own if nobody asked.

    The web server shows this history. It cannot read `sync_runs`, because a DuckDB file has one writer and no reader
    beside it.
    """
    modules = [
        {"module": p.module, "outcome": p.outcome, "rows": p.rows, "credits": p.credits, "route": p.route}
        | {"detail": _shown(p.detail)}
        for p in run.parts
    ]
    found: dict[str, Any] = {"modules": modules, "run_id": run.run_id, "credits": run.credits}
    own = sync_requests.c.channel_id == channel_id
    running = update(sync_requests).where(own, sync_requests.c.state == "running")
    if connection.execute(running.values(found)).rowcount:
        return
    old = (own, sync_requests.c.asked_at < now - HISTORY_KEPT, sync_requests.c.state.in_(("done", "failed")))
    connection.execute(delete(sync_requests).where(*old))
    error = "; ".join(f"{module}: {why}" for module, why in run.failed.items()) or None
    found |= {"id": f"sr_{secrets.token_hex(12)}", "channel_id": channel_id, "reason": "run", "full": False}
    found |= {"state": "failed" if error else "done", "requested_by": "run", "asked_at": now, "finished_at": now}
    progress = {part.module: part.rows for part in run.parts}
    connection.execute(insert(sync_requests).values(**found, error=error, progress=progress))


def tell_outcome(connection: Connection, channel: Channel, run: Run, now: datetime) -> None:
    """Record `sync.finished` for a whole sync that read everything, and `sync.failed` when a module begins to fail.

    A channel fails while the newest result of one of its modules is failed or stopped. So a failure is told once, and
    not again each night.
    """
    data: dict[str, Any] = {"run_id": run.run_id, "credits": run.credits, "rows": sum(p.rows for p in run.parts)}
    if not run.failed:
        if run.whole:
            channel_events.record(connection, channel.id, channel.tenant, "sync.finished", data, now)
        return
    if not _fails(channel):
        data |= {"failed": run.failed}
        channel_events.record(connection, channel.id, channel.tenant, "sync.failed", data, now)


def _fails(channel: Channel) -> bool:
    """Whether the channel failed before this sync. The result of a module that is no longer read does not count."""
    newest = channel.last_tried_at
    return any(
        module.outcome in _BROKEN and newest is not None and newest - module.synced_at < _STALE
        for module in channel.modules.values()
    )


def _shown(detail: str | None) -> str | None:
    return None if detail is None else redact(detail)[:LONGEST_DETAIL]


def org_credits(connection: Connection, channel: Channel, now: datetime) -> float:
    """The credits of the last 24 hours over all channels of the channel's org; Zoho counts per org."""
    if channel.org_id is None:
        return channel.credits_used
    values = {"org": channel.org_id, "domain": channel.api_domain, "since": now - CREDIT_WINDOW}
    return float(connection.scalar(_SPENT_BY_ORG, values) or 0.0)


def _upper_bound(known: ModuleStatus | None, part: ModuleSync) -> datetime | None:
    """The largest bound of a complete sync. An earlier bound after `not_after` came from a wrong clock and is cut."""
    bounds = [known.upper_bound] if known and known.upper_bound else []
    if part.not_after is not None:
        bounds = [min(bound, part.not_after) for bound in bounds]
    bounds += [part.upper_bound] if part.upper_bound and part.outcome == "complete" else []
    return max(bounds, default=None)
