"""Channels as rows of the registry: how they are read, and which columns a connection fills."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Select, Text, Update, func, or_, select, update

from zoho_pipeline.channels.database.database import Database
from zoho_pipeline.channels.errors import RegistryError, UnknownChannel
from zoho_pipeline.channels.registry import tables
from zoho_pipeline.channels.registry.identity import Owner, channels_of_one_org
from zoho_pipeline.channels.registry.model import RECONNECT_NEEDED, Channel, ModuleStatus, OrgConnection
from zoho_pipeline.channels.registry.sync_records import CREDIT_WINDOW

_SECRETS = ("refresh_seal", "refresh_fingerprint")
_UNKNOWN_TIME = datetime.fromtimestamp(0, UTC)
_OWNERS = select(*(tables.channels.c[name] for name in ("channel_id", "api_domain", "org_id", "user_id")))
_ORG_COLUMNS = ("org_id", "org_name", "edition", "users_licensed", "currency")


def read_channel(
    database: Database, connection: Connection, channel_id: str, *, lock: bool = False, damaged_too: bool = False
) -> Channel:
    """One channel.

    Args:
        damaged_too: return a channel whose row is damaged, for its removal. Otherwise it is an error.
        lock: keep other transactions from changing the channel until this one ends. SQLite needs no lock: it has
            one writer.

    Raises:
        UnknownChannel: no channel has this id. The message names the known ones.
        RegistryError: the row of the channel is damaged.
    """
    if not channel_id.isprintable():  # a database refuses NUL, and bytes that are no UTF-8, with errors of its own
        raise UnknownChannel(channel_id, ())
    if lock and database.is_postgres:
        row = select(tables.channels.c.channel_id).where(tables.channels.c.channel_id == channel_id)
        connection.execute(row.with_for_update())
    found = read_channels(database, connection, channel_id)
    if not found:
        known = connection.scalars(select(tables.channels.c.channel_id).order_by(tables.channels.c.channel_id))
        raise UnknownChannel(channel_id, tuple(known))
    if found[0].is_damaged and not damaged_too:
        raise RegistryError(str(found[0].status_detail))
    return found[0]


def read_channels(database: Database, connection: Connection, channel_id: str | None = None) -> tuple[Channel, ...]:
    """All channels by id, or the one with this id, with their modules and the credits of the last 24 hours.

    A channel whose rows cannot be read is `is_damaged`, and has the status `reconnect_needed`. The others are whole.
    """
    return _each(database, connection, None if channel_id is None else [channel_id])


def read_channel_page(
    database: Database,
    connection: Connection,
    *,
    limit: int,
    after: str = "",
    tenant: str | None = None,
    ids: Collection[str] | None = None,
    search: str = "",
) -> tuple[Channel, ...]:
    """Some channels, in the order of their ids.

    Args:
        limit: the most channels.
        after: the last id of the page before.
        tenant: only channels of this tenant; None means those of all.
        ids: only these channels; None means any.
        search: only channels whose id, tenant or org name contains this text, in any case.
    """
    columns = tables.channels.c
    wanted = select(columns.channel_id).where(columns.channel_id > after)
    if tenant is not None:
        wanted = wanted.where(columns.tenant == tenant)
    if ids is not None:
        wanted = wanted.where(columns.channel_id.in_(sorted(ids)))
    if search:
        searched = (columns.channel_id, columns.tenant, columns.org_name)
        wanted = wanted.where(or_(*(column.icontains(search, autoescape=True) for column in searched)))
    found = connection.scalars(wanted.order_by(columns.channel_id).limit(limit))
    return _each(database, connection, list(found))


def _each(database: Database, connection: Connection, ids: Sequence[str] | None) -> tuple[Channel, ...]:
    """The channels of these ids, or all of them. If they cannot be read together, one of them is damaged."""
    try:
        return _read(database, connection, ids)
    except (ValueError, TypeError):
        if ids is not None and len(ids) == 1:
            return (_damaged(connection, ids[0]),)
    if ids is None:
        ids = connection.scalars(select(tables.channels.c.channel_id).order_by(tables.channels.c.channel_id)).all()
    return tuple(channel for one in ids for channel in _each(database, connection, [one]))


def _read(database: Database, connection: Connection, ids: Collection[str] | None) -> tuple[Channel, ...]:
    def only(query: Select[Any], table: Any) -> Select[Any]:
        return query if ids is None else query.where(table.c.channel_id.in_(ids))

    since = database.now_in(connection) - CREDIT_WINDOW
    spent = select(tables.credits.c.channel_id, func.sum(tables.credits.c.credits))
    spent = spent.where(tables.credits.c.spent_at > since).group_by(tables.credits.c.channel_id)
    credits = {row[0]: float(row[1]) for row in connection.execute(only(spent, tables.credits))}
    modules: dict[str, dict[str, ModuleStatus]] = {}
    by_name = select(tables.modules).order_by(tables.modules.c.module)
    for row in connection.execute(only(by_name, tables.modules)).mappings():
        values = dict(row)
        owner = values.pop("channel_id")
        modules.setdefault(owner, {})[values["module"]] = ModuleStatus(**values)
    ordered = select(tables.channels).order_by(tables.channels.c.channel_id)
    rows = connection.execute(only(ordered, tables.channels)).mappings()
    shared = channels_of_one_org(read_owners(connection) if ids is None else _owners_beside(connection, ids))
    channels = (_channel(dict(row)) for row in rows)
    return tuple(
        replace(c, modules=modules.get(c.id, {}), credits_used=credits.get(c.id, 0.0), same_org=shared[c.id])
        for c in channels
    )


def read_owners(connection: Connection) -> list[Owner]:
    """The org and the user of every channel."""
    return [Owner(*row) for row in connection.execute(_OWNERS)]


def _owners_beside(connection: Connection, ids: Collection[str]) -> list[Owner]:
    """The org and the user of these channels, and of every channel that may have the same ones.

    The page of one channel of 5,000 would take 75 ms longer if it compared all of them here.
    """
    columns = tables.channels.c
    own = [Owner(*row) for row in connection.execute(_OWNERS.where(columns.channel_id.in_(ids)))]
    orgs = {owner.org_id for owner in own if owner.org_id is not None}
    users = {owner.user_id for owner in own if owner.user_id is not None}
    same = or_(columns.org_id.in_(orgs), columns.user_id.in_(users))
    return [*own, *(Owner(*row) for row in connection.execute(_OWNERS.where(same, columns.channel_id.not_in(ids))))]


def update_channel(channel_id: str) -> Update:
    """The UPDATE statement of one channel's row; the caller adds the values."""
    return update(tables.channels).where(tables.channels.c.channel_id == channel_id)


def connection_columns(connection: OrgConnection) -> dict[str, Any]:
    """The columns that a connection fills. One that cannot see the org keeps what an earlier connection saw."""
    return {name: value for name, value in asdict(connection).items() if value is not None or name not in _ORG_COLUMNS}


def _damaged(connection: Connection, channel_id: str) -> Channel:
    """What is left of a channel: its text columns. They are enough to revoke its token and to remove it."""
    plain = [column for column in tables.channels.c if type(column.type) is Text and column.name not in _SECRETS]
    row = connection.execute(select(*plain).where(tables.channels.c.channel_id == channel_id)).mappings().one()
    kept = {name: row[name] for name in ("tenant", "data_center", "accounts_server", "api_domain", "timezone")}
    shown = ("org_id", "org_name", "edition", "user_id", "user_name", "currency")
    return Channel(
        id=channel_id,
        **kept,
        **{name: row[name] for name in shown},
        users_licensed=None,
        is_admin=None,
        scopes=None,
        missing_scopes=(),
        status=RECONNECT_NEEDED,
        status_detail=(
            f"the registry's row of channel {channel_id} is damaged. Run zoho-pipeline channels remove {channel_id}, "
            "then connect it again and set its settings again: its rows in the warehouse stay."
        ),
        connected_at=_UNKNOWN_TIME,
        created_at=_UNKNOWN_TIME,
        is_damaged=True,
    )


def _channel(row: dict[str, Any]) -> Channel:
    for secret in _SECRETS:
        del row[secret]
    if not all(isinstance(row[name], dict) for name in ("field_map", "lead_source_map", "parameters")):
        raise TypeError("a setting is no object")
    set_timezone, set_currency = row.pop("set_timezone"), row.pop("set_currency")
    row |= {"timezone": set_timezone or row["timezone"], "currency": set_currency or row["currency"]}
    row["scopes"] = None if row["scopes"] is None else tuple(row["scopes"])
    row["missing_scopes"] = tuple(row["missing_scopes"])
    return Channel(id=row.pop("channel_id"), timezone_is_set=set_timezone is not None, **row)
