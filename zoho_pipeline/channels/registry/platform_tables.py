"""The registry's tables for the platform around the channels: keys, consents, sync requests, events and deliveries.

They share `tables.metadata`. No column holds a secret in clear: keys are hashes, and what must be read again is sealed.
"""

from sqlalchemy import Boolean, Column, Float, ForeignKey, Index, Integer, String, Table, Text, text

from zoho_pipeline.channels.registry.tables import Instant, Json, metadata

ID = 64
TENANT = 200
"""The longest name of a tenant, in characters."""

tenants = Table(
    "registry_tenants",
    metadata,
    Column("tenant", String(TENANT), primary_key=True),
    Column("origins", Json, nullable=False),  # who may frame the pages and receive their messages
    Column("updated_at", Instant, nullable=False),
)

web_keys = Table(
    "registry_web_keys",
    metadata,
    Column("id", String(ID), primary_key=True),
    Column("name", Text, nullable=False),
    Column("hash", String(64), nullable=False),  # SHA-256 of the whole key, in hex
    Column("tenants", Json),  # null: all tenants
    Column("scopes", Json, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Column("revoked_at", Instant),
    Column("last_used_at", Instant),
)

connect_sessions = Table(
    "registry_connect_sessions",
    metadata,
    Column("id", String(ID), primary_key=True),
    Column("tenant", String(TENANT)),
    Column("channel_id", String(ID), nullable=False),
    Column("principal", Text, nullable=False),  # who asked
    Column("origin", Text),  # the page that opened the popup; null: no message is sent
    Column("status", String(16), nullable=False),  # pending, connected, failed, expired
    Column("code", String(64)),  # why it failed
    Column("request", Json, nullable=False),  # data_center, scopes, timezone
    Column("binding_hash", String(64)),  # SHA-256 of the cookie, set when the browser starts
    Column("started_at", Instant),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Index("registry_connect_sessions_by_channel", "channel_id", "created_at"),
)

_UNFINISHED = text("state in ('queued', 'running')")

sync_requests = Table(
    "registry_sync_requests",
    metadata,
    Column("id", String(ID), primary_key=True),
    Column("channel_id", String(ID), ForeignKey("registry_channels.channel_id", ondelete="CASCADE"), nullable=False),
    Column("reason", String(16), nullable=False),  # user, push, connect, gap; run: nobody asked, a run came by itself
    Column("full", Boolean, nullable=False),
    Column("state", String(16), nullable=False),  # queued, running, done, failed
    Column("requested_by", Text, nullable=False),
    Column("asked_at", Instant, nullable=False),
    Column("started_at", Instant),
    Column("finished_at", Instant),
    Column("worker", Text),  # which worker or Dagster run has it
    Column("lease_until", Instant),  # running: the end of the claim; queued: nobody claims it before
    Column("progress", Json, nullable=False),  # module → rows read
    Column("modules", Json),  # the result of each module, once the sync has ended
    Column("run_id", Text),  # of sync_runs
    Column("credits", Float),
    Column("error", Text),
    Index("registry_sync_requests_by_channel", "channel_id", "asked_at"),
    Index("registry_sync_requests_by_state", "state", "asked_at"),
    Index(
        "registry_sync_requests_unfinished",
        "channel_id",
        unique=True,
        sqlite_where=_UNFINISHED,
        postgresql_where=_UNFINISHED,
    ),
)

workers = Table(
    "registry_workers",
    metadata,
    Column("id", String(ID), primary_key=True),
    Column("host", Text, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("lease_until", Instant, nullable=False),
)

event_numbers = Table(
    "registry_event_numbers",
    metadata,
    Column("channel_id", String(ID), primary_key=True),  # no foreign key: the removal of a channel is an event
    Column("seq", Integer, nullable=False),  # of the newest event; the row's lock puts the events in order
)

channel_events = Table(
    "registry_channel_events",
    metadata,
    Column("channel_id", String(ID), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("event_id", String(ID), nullable=False),
    Column("tenant", String(TENANT)),
    Column("type", String(64), nullable=False),
    Column("data", Json, nullable=False),
    Column("at", Instant, nullable=False),
    Index("registry_channel_events_by_time", "at"),
)

webhook_endpoints = Table(
    "registry_webhook_endpoints",
    metadata,
    Column("id", String(ID), primary_key=True),
    Column("url", Text, nullable=False),
    Column("tenant", String(TENANT)),  # null: all tenants
    Column("events", Json),  # null: all types
    Column("secret_seal", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("failing_since", Instant),
    Column("disabled_at", Instant),
    Column("disabled_reason", Text),
)

webhook_deliveries = Table(
    "registry_webhook_deliveries",
    metadata,
    Column("event_id", String(ID), primary_key=True),
    Column(
        "endpoint_id",
        String(ID),
        ForeignKey("registry_webhook_endpoints.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("type", String(64), nullable=False),
    Column("channel_id", String(ID)),
    Column("body", Text, nullable=False),
    Column("status", String(16), nullable=False),  # waiting, sending, done, dead
    Column("tries", Integer, nullable=False),
    Column("next_try_at", Instant),
    Column("detail", Text),  # the answer of the last try
    Column("created_at", Instant, nullable=False),
    Column("done_at", Instant),
    Index("registry_webhook_deliveries_due", "status", "next_try_at"),
)

# The web server never writes to the warehouse, so it leaves the rows of a removed channel to a worker. There is no
# foreign key: the channel is gone.
purges = Table(
    "registry_purges",
    metadata,
    Column("channel_id", String(ID), primary_key=True),
    Column("tenant", String(TENANT)),
    Column("requested_by", Text, nullable=False),
    Column("asked_at", Instant, nullable=False),
)

idempotency = Table(
    "registry_idempotency",
    metadata,
    Column("principal", String(200), primary_key=True),
    Column("key", String(64), primary_key=True),
    Column("request_hash", String(64), nullable=False),
    Column("status", Integer),  # null: the first request is still running
    Column("headers", Json),
    Column("body", Text),
    Column("is_sealed", Boolean, nullable=False),  # the body holds a secret, so it is stored encrypted
    Column("created_at", Instant, nullable=False),
    Index("registry_idempotency_by_time", "created_at"),
)

audit = Table(
    "registry_audit",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at", Instant, nullable=False),
    Column("principal", Text, nullable=False),
    Column("tenant", String(TENANT)),
    Column("channel_id", String(ID)),
    Column("action", String(64), nullable=False),
    Column("detail", Text),
    Index("registry_audit_by_time", "at"),
)
