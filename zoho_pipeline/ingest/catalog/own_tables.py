"""Raw tables that the pipeline fills itself: channels, content, form submissions, rejected values, sync runs."""

from zoho_pipeline.ingest.catalog.model import CHANNEL, SYNCED, Column, RawTable

CHANNELS = RawTable(
    "channels",
    (
        CHANNEL,
        *(Column(n, "text") for n in ("tenant", "data_center", "org_id", "org_name", "status")),
        Column("timezone", "text", nullable=False),  # IANA name
        Column("connected_at", "timestamp"),  # the newest consent; null until the next sync or transform writes it
        Column("currency", "text"),  # ISO code of the org's home currency; null until known
        Column("last_complete_sync_at", "timestamp"),  # smallest upper bound over the modules; null: never
        Column("leads_readable", "boolean"),  # false: Leads cannot be read (scope, module or permission)
        SYNCED,
    ),
    key=("channel_id",),
)
CHANNEL_FIELD_MAP = RawTable(
    # which field of a lead holds what: utm_source → UTM_Source1; found by name or set by hand
    "channel_field_map",
    (
        CHANNEL,
        Column("field_key", "text", nullable=False),
        Column("api_name", "text", nullable=False),
        Column("basis", "text", nullable=False),  # found | set
        SYNCED,
    ),
    key=("channel_id", "field_key"),
)
CHANNEL_LEAD_SOURCE_MAP = RawTable(
    "channel_lead_source_map",
    (
        CHANNEL,
        Column("raw_value", "text", nullable=False),
        Column("lead_source", "text", nullable=False),
        SYNCED,
    ),
    key=("channel_id", "raw_value"),
)
CHANNEL_PARAMETERS = RawTable(
    "channel_parameters",
    (
        CHANNEL,
        Column("name", "text", nullable=False),
        Column("value", "text", nullable=False),
        SYNCED,
    ),
    key=("channel_id", "name"),
)
CONTENT_ITEMS = RawTable(
    "content_items",
    (
        CHANNEL,
        Column("content_id", "text", nullable=False),
        *(Column(n, "text") for n in ("source_activity_id", "content_type", "platform", "title")),
        Column("topics", "text"),  # separated by |
        Column("published_at", "timestamp", nullable=False),
        *(Column(n, "text") for n in ("canonical_url", "utm_source", "utm_medium", "utm_campaign", "utm_content")),
        SYNCED,
    ),
    key=("channel_id", "content_id"),
)
FORM_SUBMISSIONS = RawTable(
    # posts of landing-page forms; they hold no address in clear, and the keys are salted per channel
    "form_submissions",
    (
        CHANNEL,
        Column("submission_id", "text", nullable=False),
        Column("submitted_at", "timestamp", nullable=False),  # by the clock of the sender
        Column("received_at", "timestamp", nullable=False),  # by our clock
        *(Column(n, "text") for n in ("form_id", "email_key", "phone_key")),
        *(Column(n, "text") for n in ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "utm_id")),
        *(Column(n, "text") for n in ("landing_url", "referrer", "content_id", "activity_id", "gclid")),
        Column("consent_text_version", "text"),
        Column("elapsed_ms", "integer"),  # between showing the form and sending it
        Column("is_suspect", "boolean"),  # true: it is kept, and it is matched with no lead
        Column("suspect_reason", "text"),
        SYNCED,
    ),
    key=("channel_id", "submission_id"),
)
PERSON_KEYS = RawTable(
    # the keys of the people in Zoho, made as those of form_submissions are; only of channels with a form key
    "person_keys",
    (
        CHANNEL,
        Column("module", "text", nullable=False),  # Zoho's API name
        Column("id", "text", nullable=False),
        Column("kind", "text", nullable=False),  # email | secondary_email | phone | mobile
        Column("key", "text", nullable=False),
        SYNCED,
    ),
    key=("channel_id", "module", "id", "kind"),
)
REJECTED_RECORDS = RawTable(
    "rejected_records",
    (
        CHANNEL,
        Column("module", "text", nullable=False),
        Column("id", "text", nullable=False),
        Column("field", "text", nullable=False),
        Column("value", "text"),
        Column("reason", "text", nullable=False),
        SYNCED,
    ),
    key=("channel_id", "module", "id", "field"),
)
SYNC_RUNS = RawTable(
    "sync_runs",
    (
        CHANNEL,
        Column("run_id", "text", nullable=False),
        Column("module", "text", nullable=False),
        Column("started_at", "timestamp", nullable=False),
        Column("finished_at", "timestamp"),
        Column("duration_seconds", "double"),
        Column("route", "text"),  # records | coql | bulk | … joined by + where a run used several
        Column("route_reason", "text"),
        Column("window_start", "timestamp"),  # inclusive; null: from the beginning
        Column("window_end", "timestamp"),  # exclusive
        Column("rows", "integer"),
        Column("deleted_rows", "integer"),
        Column("rejected_rows", "integer"),
        Column("credits", "integer"),
        Column("tokens", "integer"),  # access tokens requested during the module's part of the run
        Column("requests", "integer"),
        Column("outcome", "text", nullable=False),  # complete | skipped | failed | stopped (budget)
        Column("detail", "text"),  # a note for a person: "scope … missing", "field … removed"
    ),
    key=("channel_id", "run_id", "module"),
)
