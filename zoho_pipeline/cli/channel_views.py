"""How `channels list` and `channels show` print a channel."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from zoho_pipeline.cli.output import print_rows, say, shown

if TYPE_CHECKING:
    from zoho_pipeline.channels.registry.model import Channel


def channel_dict(channel: "Channel") -> dict[str, Any]:
    """Everything that the registry stores of a channel, without its tokens, as a JSON object."""
    values = asdict(channel)
    values["modules"] = list(values["modules"].values())
    return values | {
        "last_complete_sync_at": channel.last_complete_sync_at,
        "leads_readable": channel.leads_readable,
        "problems": list(channel.problems),
    }


def print_channels(channels: "Sequence[Channel]") -> None:
    """Print a table with one row per channel."""
    rows = [
        {
            "channel": channel.id,
            "tenant": channel.tenant,
            "status": channel.status,
            "data center": channel.data_center,
            "org": channel.org_name or channel.org_id,
            "time zone": channel.timezone,
            "currency": channel.currency,
            "last complete sync": _utc(channel.last_complete_sync_at),
            "credits in 24 h": round(channel.credits_used),
            "problems": len(channel.problems) or None,
        }
        for channel in channels
    ]
    print_rows(rows)


def print_shared_orgs(channels: "Sequence[Channel]") -> None:
    """Print one line on stderr per org that several channels have."""
    from zoho_pipeline.channels.registry.model import shared_org_sentence

    for ids in sorted({tuple(sorted((channel.id, *channel.same_org))) for channel in channels if channel.same_org}):
        say(f"note: {shared_org_sentence(ids)}", err=True)


def print_channel(channel: "Channel") -> None:
    """Print one channel: connection, scopes, settings, and the last sync of each module."""
    facts: list[tuple[str, Any]] = [
        ("channel", channel.id),
        ("tenant", channel.tenant),
        ("status", channel.status + (f": {channel.status_detail}" if channel.status_detail else "")),
        ("data center", f"{channel.data_center} ({channel.accounts_server}, API {channel.api_domain})"),
        ("org", _named(channel.org_name, channel.org_id) or "unknown: the scopes do not include the org"),
        ("same org as", ", ".join(channel.same_org)),
        ("edition", channel.edition),
        ("user", _user(channel)),
        ("time zone", channel.timezone + (" (set with `channels set`)" if channel.timezone_is_set else "")),
        ("currency", channel.currency or "unknown: the scopes do not include the org"),
        ("scopes", " ".join(channel.scopes) if channel.scopes is not None else "unknown: Zoho did not list them"),
        ("missing scopes", " ".join(channel.missing_scopes)),
        ("connected", _utc(channel.connected_at)),
        ("last complete sync", _utc(channel.last_complete_sync_at) or "never"),
        ("credits used in 24 h", round(channel.credits_used)),
        ("field map", dict(channel.field_map)),
        ("lead source map", dict(channel.lead_source_map)),
        ("business hours", "set with `channels set`" if channel.business_hours else ""),
        ("parameters", dict(channel.parameters)),
        ("chosen modules", ", ".join(channel.module_choices)),
    ]
    width = max(len(name) for name, _ in facts)
    for name, value in facts:
        if value not in (None, "", {}):
            say(f"{name:<{width}}  {shown(value)}")
    if channel.modules:
        print_rows([_module_row(asdict(module)) for module in channel.modules.values()])


def describe(channel: "Channel") -> str:
    """Org, user, time zone and currency in one phrase. It says when the user is not an administrator."""
    org = channel.org_name or channel.org_id or "an org that the scopes do not name"
    limited = " (not an administrator: sees only the records that its role allows)" if channel.is_admin is False else ""
    currency = channel.currency or "currency unknown"
    return f"{org}, as {channel.user_name or channel.user_id}{limited}, {channel.timezone}, {currency}"


def print_notes(channel: "Channel") -> None:
    """Print on stderr what is wrong with a channel, and which other channels have the same org."""
    from zoho_pipeline.channels.registry.model import shared_org_sentence

    shared = (shared_org_sentence((channel.id, *channel.same_org)),) if channel.same_org else ()
    for note in (*channel.problems, *shared):
        say(f"note: {note}", err=True)


def _module_row(module: dict[str, Any]) -> dict[str, Any]:
    return {
        "module": module["module"],
        "outcome": module["outcome"],
        "complete up to": _utc(module["upper_bound"]),
        "route": module["route"],
        "rows": module["rows"],
        "credits": round(module["credits"]),
        "synced": _utc(module["synced_at"]),
        "detail": module["detail"],
    }


def _user(channel: "Channel") -> str | None:
    role = {True: "administrator", False: "not an administrator: sees only the records that its role allows", None: ""}
    user = _named(channel.user_name, channel.user_id)
    return ", ".join(part for part in (user, role[channel.is_admin]) if part) or None


def _named(name: str | None, zoho_id: str | None) -> str | None:
    return f"{name} ({zoho_id})" if name and zoho_id else name or zoho_id


def _utc(moment: datetime | None) -> str | None:
    return moment.strftime("%Y-%m-%d %H:%M:%SZ") if moment else None
