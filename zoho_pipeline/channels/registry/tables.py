"""The registry's tables. `migrations/` holds their history, and a test compares the two.

All names begin with `registry_`, so that the registry can share a Postgres database with other programs.
Instants are stored in UTC. SQLite stores no time zone, so `Instant` converts from and to aware datetimes.
JSON is stored as text: it is the same on both engines, and it is always read whole.
"""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Boolean, Column, Dialect, Float, ForeignKey, Index, Integer, MetaData, String, Table, Text
from sqlalchemy.types import DateTime, TypeDecorator

from zoho_pipeline.channels.errors import DamagedValue


class Instant(TypeDecorator[datetime]):
    """An aware datetime, stored as UTC without a zone."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant needs a zone")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else value.replace(tzinfo=UTC)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], datetime | None] | None:
        process = super().result_processor(dialect, coltype)

        def read(value: Any) -> datetime | None:
            try:
                return process(value) if process else value
            except (ValueError, TypeError):
                raise DamagedValue("a stored value is no instant") from None

        return read


class Json(TypeDecorator[Any]):
    """A JSON value as text; SQL NULL is None."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else json.dumps(value, ensure_ascii=False, sort_keys=True)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:  # noqa: ARG002
        try:
            return None if value is None else json.loads(value)
        except (ValueError, TypeError, RecursionError):
            raise DamagedValue("a stored value is no JSON") from None  # the text itself may hold a secret


Types = tuple[tuple[str, tuple[type, ...]], ...]
_KINDS: tuple[tuple[type[Any], tuple[type, ...]], ...] = (
    (String, (str,)),  # `Text` is one too
    (Boolean, (bool,)),
    (Integer, (int,)),
    (Float, (int, float)),
)


def types_of(table: Table) -> Types:
    """Column → the types of its values in Python, without the columns that check their values themselves."""
    return tuple((c.name, types) for c in table.c for kind, types in _KINDS if isinstance(c.type, kind))


def require_types(row: Mapping[Any, Any], types: Types) -> None:
    """DamagedValue: a value has another type than its column. Null is a value of each type.

    SQLite keeps a value of every type in every column, and gives it back as it is.
    """
    for name, known in types:
        if row[name] is not None and not isinstance(row[name], known):
            raise DamagedValue(f"{name} has a value of another type")


metadata = MetaData()

_ID = 64


def _channel_key() -> Column[str]:
    return Column(
        "channel_id", String(_ID), ForeignKey("registry_channels.channel_id", ondelete="CASCADE"), primary_key=True
    )


channels = Table(
    "registry_channels",
    metadata,
    Column("channel_id", String(_ID), primary_key=True),
    Column("tenant", Text),
    Column("data_center", Text, nullable=False),
    Column("accounts_server", Text, nullable=False),
    Column("api_domain", Text, nullable=False),
    Column("org_id", Text),  # null: the scopes do not show the org
    Column("org_name", Text),
    Column("edition", Text),
    Column("users_licensed", Integer),
    Column("user_id", Text),
    Column("user_name", Text),
    Column("is_admin", Boolean),
    Column("timezone", Text, nullable=False),  # from Zoho: the org's, else the user's
    Column("currency", Text),
    Column("set_timezone", Text),  # set by a person: it wins
    Column("set_currency", Text),
    Column("scopes", Json),  # null: Zoho did not name them
    Column("missing_scopes", Json, nullable=False),  # scopes for which Zoho refused a call
    Column("status", Text, nullable=False),
    Column("status_detail", Text),
    Column("field_map", Json, nullable=False),
    Column("lead_source_map", Json, nullable=False),
    Column("business_hours", Json),
    Column("parameters", Json, nullable=False),
    Column("chosen_modules", Json),  # module → how it is read; null: none is chosen
    Column("refresh_seal", Text, nullable=False),
    Column("refresh_fingerprint", Text, nullable=False),
    Column("connected_at", Instant, nullable=False),
    Column("created_at", Instant, nullable=False),
)

modules = Table(
    "registry_modules",
    metadata,
    _channel_key(),
    Column("module", Text, primary_key=True),
    Column("upper_bound", Instant),  # of the last complete sync
    Column("outcome", Text, nullable=False),
    Column("detail", Text),
    Column("route", Text),
    Column("rows", Integer, nullable=False),
    Column("credits", Float, nullable=False),
    Column("synced_at", Instant, nullable=False),
)

access_tokens = Table(
    "registry_access_tokens",
    metadata,
    _channel_key(),
    Column("seal", Text, nullable=False),
    Column("api_domain", Text, nullable=False),
    Column("refresh_fingerprint", Text, nullable=False),  # a token of an earlier connection is not used
    Column("scopes", Json),
    Column("minted_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
)

# Zoho counts the requests of each refresh token, so the count outlives the channel: who removes a channel and adds it
# again with the same token does not get ten new requests.
token_requests = Table(
    "registry_mints",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("refresh_fingerprint", Text, nullable=False),
    Column("requested_at", Instant, nullable=False),
    Column("zoho_at", Instant),  # the same instant by Zoho's clock, where it is known
    Column("blocked_seconds", Float),  # set on a row that is no request: Zoho answered "Access Denied"
    Column("under_way", Boolean),  # sent, and not answered yet
    Index("registry_mints_by_token", "refresh_fingerprint", "requested_at"),
)

credits = Table(
    "registry_credits",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("channel_id", String(_ID), ForeignKey("registry_channels.channel_id", ondelete="CASCADE"), nullable=False),
    Column("spent_at", Instant, nullable=False),
    Column("credits", Float, nullable=False),
    Index("registry_credits_by_channel", "channel_id", "spent_at"),
)

states = Table(
    "registry_states",
    metadata,
    Column("nonce", String(64), primary_key=True),  # of a consent that came back; a second return is refused
    Column("used_at", Instant, nullable=False),
)

# Form capture. No column holds an e-mail address, a phone number or an IP address: a person is a hash under the salt.
# Neither this table nor the submissions have a foreign key: the rows of a removed channel stay in the warehouse until
# somebody purges them, and they can be matched and forgotten only as long as the salt is here.
form_channels = Table(
    "registry_form_channels",
    metadata,
    Column("channel_id", String(_ID), primary_key=True),
    Column("salt_seal", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("tidied_at", Instant),  # when submissions that nobody needs any more were last looked for
)

form_keys = Table(
    "registry_form_keys",
    metadata,
    Column("form_key", String(_ID), primary_key=True),  # it is public: everybody can read it in the HTML of a page
    Column("channel_id", String(_ID), ForeignKey("registry_channels.channel_id", ondelete="CASCADE"), nullable=False),
    Column("origins", Json, nullable=False),  # the pages that may post from a browser
    Column("secret_seal", Text, nullable=False),  # of Standard Webhooks, for a server that posts
    Column("created_at", Instant, nullable=False),
    Column("stored", Integer, nullable=False),
    Column("suspect", Integer, nullable=False),  # of those that were stored
    Column("no_consent", Integer, nullable=False),  # nothing else is kept of these
    Column("last_at", Instant),  # the last submission that was stored
    Index("registry_form_keys_by_channel", "channel_id"),
)

form_submissions = Table(
    "registry_form_submissions",
    metadata,
    Column("channel_id", String(_ID), primary_key=True),
    Column("id_hash", String(64), primary_key=True),  # of the submission's id, under the salt
    Column("submission_id", String(36)),  # null: forgotten
    Column("content_hash", String(64)),  # it tells a replay from another content under the same id; null: forgotten
    Column("email_key", String(64)),  # these two and `row` are null as soon as the row is loaded or forgotten
    Column("phone_key", String(64)),
    Column("row", Json),
    Column("state", String(16), nullable=False),  # waiting, loaded, forgotten
    Column("received_at", Instant, nullable=False),
    Column("kept_from", Instant, nullable=False),  # when it came, or when it last belonged to a live lead
    Index("registry_form_submissions_by_state", "state", "channel_id"),
    Index("registry_form_submissions_by_age", "channel_id", "kept_from"),
)
