"""What the registry keeps about syncs: the result of each module, and the credits of the last 24 hours."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from zoho_pipeline.channels.registry import tables
from zoho_pipeline.channels.registry.model import OUTCOMES, Channel, ModuleStatus, ModuleSync

CREDIT_WINDOW = timedelta(hours=24)
"""Each of Zoho's credits comes back 24 hours after it was spent."""


def write_module_syncs(
    connection: Connection,
    channel_id: str,
    before: Mapping[str, ModuleStatus],
    parts: Iterable[ModuleSync],
    now: datetime,
) -> float:
    """Store the results of one sync; the sum of the credits it spent.

    Args:
        before: the stored results of earlier syncs, by module.
        now: the database's clock, aware.

    Raises:
        ValueError: an outcome is not one of `model.OUTCOMES`.
    """
    spent = 0.0
    for part in parts:
        if part.outcome not in OUTCOMES:
            raise ValueError(f"unknown outcome {part.outcome!r}")
        values: dict[str, Any] = {"upper_bound": _upper_bound(before.get(part.module), part), "synced_at": now}
        values |= {"outcome": part.outcome, "detail": part.detail, "route": part.route}
        values |= {"rows": part.rows, "credits": part.credits}
        _upsert_module(connection, channel_id, part.module, values)
        spent += part.credits
    return spent


def write_credits(connection: Connection, channel_id: str, credits: float, now: datetime) -> None:
    """Count credits spent at `now`, and delete the rows that have left the 24 hours."""
    connection.execute(delete(tables.credits).where(tables.credits.c.spent_at <= now - CREDIT_WINDOW))
    if credits:
        connection.execute(insert(tables.credits).values(channel_id=channel_id, spent_at=now, credits=credits))


def org_credits(connection: Connection, channel: Channel, now: datetime) -> float:
    """The credits of the last 24 hours over all channels of the channel's org; Zoho counts per org."""
    if channel.org_id is None:
        return channel.credits_used
    same = (tables.channels.c.org_id == channel.org_id, tables.channels.c.api_domain == channel.api_domain)
    of_org = select(tables.channels.c.channel_id).where(*same)
    spent = select(func.sum(tables.credits.c.credits)).where(
        tables.credits.c.channel_id.in_(of_org), tables.credits.c.spent_at > now - CREDIT_WINDOW
    )
    return float(connection.scalar(spent) or 0.0)


def _upper_bound(known: ModuleStatus | None, part: ModuleSync) -> datetime | None:
    """The largest bound of a complete sync. An earlier bound after `not_after` came from a wrong clock and is cut."""
    bounds = [known.upper_bound] if known and known.upper_bound else []
    if part.not_after is not None:
        bounds = [min(bound, part.not_after) for bound in bounds]
    bounds += [part.upper_bound] if part.upper_bound and part.outcome == "complete" else []
    return max(bounds, default=None)


def _upsert_module(connection: Connection, channel_id: str, module: str, values: Mapping[str, Any]) -> None:
    row = (tables.modules.c.channel_id == channel_id, tables.modules.c.module == module)
    if connection.execute(update(tables.modules).where(*row).values(values)).rowcount == 0:
        connection.execute(insert(tables.modules).values(channel_id=channel_id, module=module, **values))
