"""Channels as rows of the registry: how they are read, and which columns a connection fills."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BindParameter, Connection, Result, Select, String, Update, bindparam, func, or_, select, update

from zoho_pipeline.channels.database.database import Database
from zoho_pipeline.channels.errors import DamagedChannel, RowsRemain, UnknownChannel
from zoho_pipeline.channels.registry import tables
from zoho_pipeline.channels.registry.identity import Owner, channels_of_one_org
from zoho_pipeline.channels.registry.model import (
    FLAT,
    MODULE_NAME,
    OUTCOMES,
    RECONNECT_NEEDED,
    STATUSES,
    SUBFORMS,
    Channel,
    ModuleStatus,
    OrgConnection,
)
from zoho_pipeline.channels.registry.platform_tables import purges
from zoho_pipeline.channels.registry.sync_records import CREDIT_WINDOW, forget_modules

SETTINGS = (
    "field_map", "lead_source_map", "business_hours", "parameters", "chosen_modules", "set_timezone", "set_currency",
    "tenant",
)  # fmt: skip
"""The columns that a person sets."""
_SECRETS = ("refresh_seal", "refresh_fingerprint")
_UNKNOWN_TIME = datetime.fromtimestamp(0, UTC)
_OWNERS = select(*(tables.channels.c[name] for name in ("channel_id", "api_domain", "org_id", "user_id")))
_ORG_COLUMNS = ("org_id", "org_name", "edition", "users_licensed", "currency")
_IDS: BindParameter[Any] = bindparam("ids", expanding=True)
_CHANNEL_TYPES, _MODULE_TYPES = tables.types_of(tables.channels), tables.types_of(tables.modules)
_ROWS = select(tables.channels).order_by(tables.channels.c.channel_id)
_MODULES = select(tables.modules).order_by(tables.modules.c.module)
_SPENT = (
    select(tables.credits.c.channel_id, func.sum(tables.credits.c.credits))
    .where(tables.credits.c.spent_at > bindparam("since"))
    .group_by(tables.credits.c.channel_id)
)
# Made once: a statement that is made for each page costs four times as much as its answer.
_ROWS_OF = _ROWS.where(tables.channels.c.channel_id.in_(_IDS))
_MODULES_OF = _MODULES.where(tables.modules.c.channel_id.in_(_IDS))
_SPENT_OF = _SPENT.where(tables.credits.c.channel_id.in_(_IDS))
_OWNERS_BESIDE = _OWNERS.where(
    or_(
        tables.channels.c.org_id.in_(bindparam("orgs", expanding=True)),
        tables.channels.c.user_id.in_(bindparam("users", expanding=True)),
    ),
    tables.channels.c.channel_id.not_in(_IDS),
)


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
        DamagedChannel: the row of the channel is damaged.
    """
    if lock and database.is_postgres and channel_id.isprintable():
        row = select(tables.channels.c.channel_id).where(tables.channels.c.channel_id == channel_id)
        connection.execute(row.with_for_update())
    found = find_channel(database, connection, channel_id, damaged_too=damaged_too)
    if found is None:
        known = connection.scalars(select(tables.channels.c.channel_id).order_by(tables.channels.c.channel_id))
        raise UnknownChannel(channel_id, tuple(known) if channel_id.isprintable() else ())
    return found


def find_channel(
    database: Database, connection: Connection, channel_id: str, *, damaged_too: bool = False
) -> Channel | None:
    """`read_channel` for who does not need the ids of the others; None: no channel has this id."""
    if not channel_id.isprintable():  # a database refuses NUL, and bytes that are no UTF-8, with errors of its own
        return None
    found = read_channels(database, connection, channel_id)
    if not found:
        return None
    if found[0].is_damaged and not damaged_too:
        raise DamagedChannel(str(found[0].status_detail))
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
    def read(
        all_of_them: Select[*tuple[Any, ...]], of_some: Select[*tuple[Any, ...]], **values: Any
    ) -> Result[*tuple[Any, ...]]:
        if ids is None:
            return connection.execute(all_of_them, values)
        return connection.execute(of_some, {**values, "ids": list(ids)})

    since = database.now_in(connection) - CREDIT_WINDOW
    credits = {row[0]: float(row[1]) for row in read(_SPENT, _SPENT_OF, since=since)}
    modules: dict[str, dict[str, ModuleStatus]] = {}
    for row in read(_MODULES, _MODULES_OF).mappings():
        values = dict(row)
        tables.require_types(values, _MODULE_TYPES)
        owner = values.pop("channel_id")
        if values["outcome"] not in OUTCOMES:
            raise ValueError("an outcome that this version does not know")
        modules.setdefault(owner, {})[values["module"]] = ModuleStatus(**values)
    rows = [dict(row) for row in read(_ROWS, _ROWS_OF).mappings()]
    owners = [Owner(row["channel_id"], row["api_domain"], row["org_id"], row["user_id"]) for row in rows]
    shared = channels_of_one_org(owners if ids is None else [*owners, *_owners_beside(connection, owners)])
    channels = (_channel(row) for row in rows)
    return tuple(
        replace(c, modules=modules.get(c.id, {}), credits_used=credits.get(c.id, 0.0), same_org=shared[c.id])
        for c in channels
    )


def read_owners(connection: Connection) -> list[Owner]:
    """The org and the user of every channel."""
    return [Owner(*row) for row in connection.execute(_OWNERS)]


def _owners_beside(connection: Connection, own: Collection[Owner]) -> list[Owner]:
    """The org and the user of every other channel that may have those of these channels.

    The page of one channel of 5,000 would take 75 ms longer if it compared all of them here.
    """
    orgs = sorted({owner.org_id for owner in own if owner.org_id is not None})
    users = sorted({owner.user_id for owner in own if owner.user_id is not None})
    if not orgs and not users:
        return []
    values = {"orgs": orgs, "users": users, "ids": [owner.channel_id for owner in own]}
    return [Owner(*row) for row in connection.execute(_OWNERS_BESIDE, values)]


def refuse_while_rows_remain(connection: Connection, channel_id: str) -> None:
    """A new channel must not get the rows of a removed one, which may be those of another org.

    Raises:
        RowsRemain: a channel of this id was removed, and its rows are not deleted yet.
    """
    if connection.scalar(select(purges.c.channel_id).where(purges.c.channel_id == channel_id)) is not None:
        raise RowsRemain(
            f"the rows of the removed channel {channel_id} are not deleted yet. A worker deletes them. Try again "
            f"later, or delete them now: zoho-pipeline channels remove {channel_id} --purge"
        )


def update_channel(channel_id: str) -> Update:
    """The UPDATE statement of one channel's row; the caller adds the values."""
    return update(tables.channels).where(tables.channels.c.channel_id == channel_id)


def connection_columns(connection: OrgConnection) -> dict[str, Any]:
    """The columns that a connection fills. One that cannot see the org keeps what an earlier connection saw."""
    return {name: value for name, value in asdict(connection).items() if value is not None or name not in _ORG_COLUMNS}


def verified_columns(channel: Channel, connection: OrgConnection) -> dict[str, Any]:
    """The columns that a verification of a known channel fills. What Zoho refused before stays missing."""
    scopes = connection.scopes or channel.scopes
    return connection_columns(connection) | {
        "scopes": None if scopes is None else list(scopes),
        "missing_scopes": sorted({*channel.missing_scopes, *connection.missing_scopes}),
    }


def write_settings(transaction: Connection, channel: Channel, values: Mapping[str, Any]) -> None:
    """Write checked settings of a channel. A module that is not chosen any more has no last sync either.

    Raises:
        ValueError: one of them is no setting.
    """
    if unknown := set(values) - set(SETTINGS):
        raise ValueError(f"not a setting: {unknown}")
    if not values:
        return
    transaction.execute(update_channel(channel.id).values(values))
    gone = channel.chosen_modules.keys() - values.get("chosen_modules", channel.chosen_modules).keys()
    if gone:
        forget_modules(transaction, channel.id, gone)


def is_stored(transaction: Connection, channel: Channel, connection: OrgConnection) -> bool:
    """Whether the row of a channel has what a verification found. `channel` itself shows what a person set instead."""
    found = verified_columns(channel, connection)
    columns = [tables.channels.c[name] for name in found]
    row = transaction.execute(select(*columns).where(tables.channels.c.channel_id == channel.id)).mappings().one()
    return dict(row) == found


def _damaged(connection: Connection, channel_id: str) -> Channel:
    """What is left of a channel: its text columns. They are enough to revoke its token and to remove it."""
    plain = [c for c in tables.channels.c if isinstance(c.type, String) and c.name not in _SECRETS]
    found = connection.execute(select(*plain).where(tables.channels.c.channel_id == channel_id)).mappings().one()
    row: dict[str, Any] = {name: value if isinstance(value, str) else None for name, value in found.items()}
    row |= {"timezone": row["set_timezone"] or row["timezone"], "currency": row["set_currency"] or row["currency"]}
    kept: dict[str, Any] = {
        name: row[name] or "" for name in ("data_center", "accounts_server", "api_domain", "timezone")
    }
    shown = ("tenant", "org_id", "org_name", "edition", "user_id", "user_name", "currency")
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


def _are_texts(values: Iterable[Any]) -> bool:
    return all(isinstance(value, str) for value in values)


def _channel(row: dict[str, Any]) -> Channel:
    tables.require_types(row, _CHANNEL_TYPES)
    for secret in _SECRETS:
        del row[secret]
    row["chosen_modules"] = {} if row["chosen_modules"] is None else row["chosen_modules"]
    settings = [row[name] for name in ("field_map", "lead_source_map", "parameters", "chosen_modules")]
    if not all(isinstance(setting, dict) and _are_texts(setting.values()) for setting in settings):
        raise TypeError("a setting is no object of texts")
    chosen = row["chosen_modules"].items()
    if not all(MODULE_NAME.fullmatch(name) and kind in (FLAT, SUBFORMS) for name, kind in chosen):
        raise ValueError("a chosen module that this version does not know")
    if not _are_texts([*(row["scopes"] or ()), *row["missing_scopes"]]):
        raise TypeError("a scope is no text")
    if row["status"] not in STATUSES:
        raise ValueError("a status that this version does not know")
    set_timezone, set_currency = row.pop("set_timezone"), row.pop("set_currency")
    row |= {"timezone": set_timezone or row["timezone"], "currency": set_currency or row["currency"]}
    row["scopes"] = None if row["scopes"] is None else tuple(row["scopes"])
    row["missing_scopes"] = tuple(row["missing_scopes"])
    return Channel(id=row.pop("channel_id"), timezone_is_set=set_timezone is not None, **row)
