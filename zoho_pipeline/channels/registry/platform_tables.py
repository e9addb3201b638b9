"""The registry's tables for the platform around the channels: keys, consents, sync requests, events and deliveries.

No column holds a secret in clear: keys are hashes, and what must be read again is sealed.
"""

from typing import Any

from sqlalchemy import Boolean, Column, Float, ForeignKey, Index, Integer, String, Table, Text, text

from zoho_pipeline.channels.registry.tables import Instant, Json, metadata

ID, TENANT = 64, 200
"""The longest id and the longest name of a tenant, in characters."""

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


def _only(condition: str) -> dict[str, Any]:
    """The options of an index of the rows with this condition."""
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


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
    Index("registry_sync_requests_unfinished", "channel_id", unique=True, **_only("state in ('queued', 'running')")),
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

lead_changes = Table(
    "registry_lead_changes",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("channel_id", String(ID), ForeignKey("registry_channels.channel_id", ondelete="CASCADE"), nullable=False),
    Column("leads", Json, nullable=False),  # what a load is to tell one by one; ids and statuses alone
    Column("rest", Integer, nullable=False),  # how many more it is to tell by their number
    Column("echoes", Json, nullable=False),  # write-backs that it shows
    Column("witness", Json, nullable=False),  # one of its leads: whether raw holds it says whether the load took place
    Column("at", Instant, nullable=False),
    Index("registry_lead_changes_by_channel", "channel_id"),
)
lead_changes_untold = Table(
    "registry_lead_changes_untold",
    metadata,
    Column("channel_id", String(ID), ForeignKey("registry_channels.channel_id", ondelete="CASCADE"), primary_key=True),
    Column("count", Integer, nullable=False),  # loaded changes that the next `lead.changed_many` tells
    Column("at", Instant, nullable=False),  # the last addition
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
    Column("endpoint_id", ForeignKey("registry_webhook_endpoints.id", ondelete="CASCADE"), primary_key=True),
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

push_subscriptions = Table(
    "registry_push_subscriptions",
    metadata,
    Column("channel_id", String(ID), ForeignKey("registry_channels.channel_id", ondelete="CASCADE"), primary_key=True),
    Column("hook_hash", String(64), nullable=False),  # SHA-256 of the secret part of the URL
    Column("hook_seal", Text, nullable=False),
    Column("zoho_channel_id", String(32), nullable=False),  # chosen by us: a random number of 62 bits
    Column("token_hash", String(64), nullable=False),
    Column("token_seal", Text, nullable=False),
    Column("workflow_hash", String(64), nullable=False),  # of a URL that a person pastes: no renewal changes it
    Column("workflow_seal", Text, nullable=False),
    Column("secret_hash", String(64), nullable=False),  # of the secret that a person pastes beside that URL
    Column("secret_seal", Text, nullable=False),
    Column("events", Json, nullable=False),  # event → what Zoho answered
    Column("asked_expiry", Instant, nullable=False),  # by Zoho's clock, as the next two
    Column("expires_at", Instant),  # what Zoho keeps, read back
    Column("renew_at", Instant),  # half of the life is over
    Column("skew_seconds", Float, nullable=False),  # Zoho's clock less ours, when it was last seen
    Column("state", String(16), nullable=False),  # on, short, stopped, failed
    Column("detail", Text),
    Column("created_at", Instant, nullable=False),
    Column("renewed_at", Instant, nullable=False),
    Column("tries", Integer, nullable=False),  # renewals that failed, one after another
    Column("next_try_at", Instant),
    Column("gap_since", Instant),  # notifications may be lost since then; the next whole sync ends it
    Column("last_delivery_at", Instant),
    Column("silent_since", Instant),  # the first change since the last delivery that only a sync saw
    Column("deliveries", Integer, nullable=False),
    Column("doubtful", Integer, nullable=False),  # deliveries without the token
    Column("missed", Integer, nullable=False),  # changed rows of the last whole sync that no delivery named
    Column("idle", Integer, nullable=False),  # records that a delivery named, and that had not changed
    Column("missed_total", Integer, nullable=False),
    Column("compared_at", Instant),  # the end of the last whole sync that was compared
    Index("registry_push_subscriptions_by_hook", "hook_hash"),
    Index("registry_push_subscriptions_by_workflow", "workflow_hash"),
    Index("registry_push_subscriptions_by_zoho_channel", "zoho_channel_id"),
)

# An earlier hook and its token are heard for 24 hours after a new one took its place.
push_old_hooks = Table(
    "registry_push_old_hooks",
    metadata,
    Column("hook_hash", String(64), primary_key=True),
    Column("channel_id", String(ID), ForeignKey("registry_channels.channel_id", ondelete="CASCADE"), nullable=False),
    Column("token_hash", String(64), nullable=False),
    Column("zoho_channel_id", String(32), nullable=False),
    Column("until", Instant, nullable=False),
    Index("registry_push_old_hooks_by_zoho_channel", "zoho_channel_id"),
)

push_dirty = Table(
    "registry_push_dirty",
    metadata,
    Column("channel_id", String(ID), ForeignKey("registry_channels.channel_id", ondelete="CASCADE"), primary_key=True),
    Column("module", String(64), primary_key=True),
    Column("record_id", String(32), primary_key=True),
    Column("operation", String(16), nullable=False),  # insert, update, delete: of the newest delivery
    Column("is_trusted", Boolean, nullable=False),  # a delivery with the right token; else it is a nudge alone
    Column("zoho_at", Instant),  # server_time of the oldest delivery that was not served yet
    Column("first_seen_at", Instant, nullable=False),
    Column("last_seen_at", Instant, nullable=False),
    Column("n", Integer, nullable=False),
    Column("state", String(16), nullable=False),  # new, loaded, published
    Column("due_at", Instant),  # new: not before then
    Column("loaded_at", Instant),
    Column("published_at", Instant),
    Column("counted_at", Instant),  # a whole sync that began after the delivery has ended
    Column("raw_seconds", Float),  # from the event at Zoho to the loaded row
    Column("insight_seconds", Float),  # from the event at Zoho to the numbers that count it
    Index("registry_push_dirty_by_state", "state", "channel_id"),
    Index("registry_push_dirty_uncounted", "channel_id", **_only("counted_at is null")),  # asked every other second
)

push_loads = Table(
    "registry_push_loads",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("channel_id", String(ID), ForeignKey("registry_channels.channel_id", ondelete="CASCADE"), nullable=False),
    Column("at", Instant, nullable=False),
    Column("module", String(64), nullable=False),
    Column("kind", String(16), nullable=False),  # records, deletions
    Column("ids", Integer, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("credits", Float, nullable=False),
    Index("registry_push_loads_by_channel", "channel_id", "at"),
)

writeback_settings = Table(
    "registry_writeback_settings",
    metadata,
    Column("channel_id", String(ID), ForeignKey("registry_channels.channel_id", ondelete="CASCADE"), primary_key=True),
    Column("state", String(16), nullable=False),  # on, off, degraded, broken
    Column("detail", Text),
    Column("policy", String(16), nullable=False),  # zoho_wins, platform_wins, hold
    Column("to_zoho", Json, nullable=False),  # word of the platform → word of the picklist
    Column("from_zoho", Json, nullable=False),
    Column("trigger", String(16), nullable=False),  # none, workflow
    Column("picklist", Json, nullable=False),  # the statuses that Zoho's list had at the last check
    Column("checked_at", Instant),
    Column("changed_at", Instant, nullable=False),
)

writebacks = Table(
    "registry_writebacks",
    metadata,
    Column("id", String(ID), primary_key=True),
    Column("channel_id", String(ID), ForeignKey("registry_channels.channel_id", ondelete="CASCADE"), nullable=False),
    Column("lead_id", String(32), nullable=False),
    Column("status", Text, nullable=False),  # the word of the wish
    Column("desired", Text, nullable=False),  # Zoho's word for it
    Column("expected_status", Text),  # what the user saw; null: nobody said it
    Column("expected_zoho", Json, nullable=False),  # Zoho's words for which the wish is no conflict; null is one too
    Column("expected_modified_at", Instant),  # how new the published lead was when the wish came
    Column("state", String(16), nullable=False),
    Column("resolution", String(16)),  # kept, forced, zoho_wins; null: nobody decided
    Column("code", String(64)),
    Column("detail", Text),
    Column("tries", Integer, nullable=False),
    Column("next_try_at", Instant),
    Column("lease_until", Instant),
    Column("worker", Text),
    Column("sending_since", Instant),  # the mark before a PUT, with its precondition; a crash leaves it
    Column("sending_precondition", Instant),
    Column("actor", Text),
    Column("reason", Text),
    Column("zoho_status", Text),  # what Zoho held at the last look
    Column("zoho_modified_at", Instant),
    Column("echo_seen_at", Instant),
    Column("created_at", Instant, nullable=False),
    Column("queued_at", Instant, nullable=False),  # the time for its tries counts from here
    Column("finished_at", Instant),
    Index("registry_writebacks_by_channel", "channel_id", "created_at"),
    Index("registry_writebacks_by_lead", "channel_id", "lead_id", "created_at"),
    Index("registry_writebacks_due", "state", "next_try_at"),
)

writeback_events = Table(
    "registry_writeback_events",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("writeback_id", String(ID), ForeignKey("registry_writebacks.id", ondelete="CASCADE"), nullable=False),
    Column("at", Instant, nullable=False),
    Column("who", Text, nullable=False),
    Column("from_state", String(16)),
    Column("to_state", String(16), nullable=False),
    Column("code", String(64)),
    Column("detail", Text),
    Index("registry_writeback_events_by_writeback", "writeback_id", "id"),
)
