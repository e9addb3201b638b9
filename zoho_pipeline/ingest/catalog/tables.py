"""The catalogue: every raw table, its columns, and the Zoho field each column comes from.

One place names them all, because three readers must agree to the letter: the routes (which fields
to ask for), the Arrow edge (which type a value must take) and the SQL models (which columns exist).

Zoho's standard fields are typed columns; every other field of a record goes to `custom_fields`, one
JSON object keyed by Zoho's own API names. The obvious alternative, a column a custom field, was
refused: a hundred tenants with a hundred custom fields each are ten thousand columns, and Postgres
stops at 1 600.
"""

from dataclasses import dataclass
from typing import Literal

ColumnType = Literal["text", "integer", "double", "money", "rate", "boolean", "timestamp", "date", "json"]
"""`money` is decimal(18,2), `rate` decimal(18,9), `timestamp` an instant in UTC, `json` JSON text."""

Part = Literal["value", "id", "name", "names"]
"""Which part of the Zoho value a column holds: itself, a lookup's id or name, or a tag list's names."""


@dataclass(frozen=True)
class Column:
    """A column of a raw table; `api_name` is the Zoho field it comes from (None: we derive it)."""

    name: str
    type: ColumnType
    api_name: str | None = None
    part: Part = "value"
    nullable: bool = True


@dataclass(frozen=True)
class RawTable:
    """A table of schema `zoho_raw`: merged on `key`, filled from `module` (None: no module of its own)."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ("channel_id", "id")
    module: str | None = None

    @property
    def api_fields(self) -> tuple[str, ...]:
        """Zoho API names this table reads, without `id`, each once, in column order."""
        names = (c.api_name for c in self.columns if c.api_name and c.api_name != "id")
        return tuple(dict.fromkeys(names))

    def column(self, name: str) -> Column:
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"{self.name} has no column {name}")


def snake(api_name: str) -> str:
    """`Lead_Source` → `lead_source`, `Converted__s` → `converted`, `$se_module` → `se_module`."""
    return api_name.removeprefix("$").removesuffix("__s").lower()


def _value(type_: ColumnType, *api_names: str) -> tuple[Column, ...]:
    return tuple(Column(snake(name), type_, name) for name in api_names)


def _lookup(*api_names: str) -> tuple[Column, ...]:
    """`Owner` → owner_id, owner_name; `What_Id` → what_id, what_name."""
    columns: list[Column] = []
    for name in api_names:
        stem = snake(name).removesuffix("_id")
        columns += (Column(f"{stem}_id", "text", name, "id"), Column(f"{stem}_name", "text", name, "name"))
    return tuple(columns)


_CHANNEL = Column("channel_id", "text", nullable=False)
_SYNCED = Column("synced_at", "timestamp", nullable=False)
_TAG = Column("tag", "text", "Tag", "names")


def _module_table(name: str, module: str, *columns: Column) -> RawTable:
    """A table one module fills: key, the module's own columns, who and when, custom fields."""
    return RawTable(
        name=name,
        module=module,
        columns=(
            _CHANNEL,
            Column("id", "text", "id", nullable=False),
            *columns,
            *_lookup("Owner", "Created_By", "Modified_By"),
            *_value("timestamp", "Created_Time", "Modified_Time"),
            Column("custom_fields", "json"),
            _SYNCED,
        ),
    )


_PERSON = _value("text", "First_Name", "Last_Name", "Full_Name", "Email", "Secondary_Email", "Phone", "Mobile")

LEADS = _module_table(
    "leads",
    "Leads",
    *_PERSON,
    *_value("text", "Company", "Designation", "Website", "Lead_Source", "Lead_Status", "Industry", "Rating"),
    *_value("integer", "No_of_Employees"),
    *_value("money", "Annual_Revenue"),
    *_value("text", "City", "State", "Country"),
    *_value("boolean", "Converted__s"),
    *_value("timestamp", "Converted_Date_Time"),
    *_lookup("Converted_Account", "Converted_Contact", "Converted_Deal"),
    *_value("integer", "Lead_Conversion_Time"),
    *_value("timestamp", "Last_Activity_Time"),
    *_value("text", "Record_Status__s"),
    _TAG,
)
CONTACTS = _module_table(
    "contacts",
    "Contacts",
    *_PERSON,
    *_value("text", "Title", "Department", "Lead_Source"),
    *_lookup("Account_Name"),
    *_value("text", "Mailing_City", "Mailing_State", "Mailing_Country"),
    *_value("timestamp", "Last_Activity_Time"),
    *_value("text", "Record_Status__s"),
    _TAG,
)
ACCOUNTS = _module_table(
    "accounts",
    "Accounts",
    *_value("text", "Account_Name", "Phone", "Website", "Industry", "Account_Type"),
    *_value("integer", "Employees"),
    *_value("money", "Annual_Revenue"),
    *_value("text", "Billing_City", "Billing_State", "Billing_Country"),
    *_lookup("Parent_Account"),
    *_value("timestamp", "Last_Activity_Time"),
    *_value("text", "Record_Status__s"),
    _TAG,
)
DEALS = _module_table(
    "deals",
    "Deals",
    *_value("text", "Deal_Name", "Stage", "Pipeline", "Type", "Lead_Source", "Next_Step", "Reason_For_Loss__s"),
    *_value("money", "Amount", "Expected_Revenue"),
    *_value("text", "Currency"),
    *_value("rate", "Exchange_Rate"),
    *_value("date", "Closing_Date"),
    *_value("integer", "Probability"),
    *_lookup("Account_Name", "Contact_Name", "Campaign_Source"),
    *_value("integer", "Lead_Conversion_Time", "Sales_Cycle_Duration", "Overall_Sales_Duration"),
    *_value("timestamp", "Stage_Modified_Time", "Last_Activity_Time"),
    *_value("text", "Record_Status__s"),
    _TAG,
)
_ABOUT = (*_lookup("Who_Id", "What_Id"), *_value("text", "$se_module"))
CALLS = _module_table(
    "calls",
    "Calls",
    *_value("text", "Subject", "Call_Type"),
    *_value("timestamp", "Call_Start_Time"),
    *_value("text", "Call_Duration"),
    *_value("integer", "Call_Duration_in_seconds"),
    *_value("text", "Call_Purpose", "Call_Result", "Call_Status"),
    *_value("text", "Outgoing_Call_Status", "Outbound_Call_Status"),
    *_value("boolean", "Scheduled_In_CRM", "CTI_Entry"),
    *_ABOUT,
)
EVENTS = _module_table(
    "events",
    "Events",
    *_value("text", "Event_Title"),
    *_value("timestamp", "Start_DateTime", "End_DateTime"),
    *_value("boolean", "All_day"),
    *_value("text", "Venue", "Check_In_Status"),
    *_value("timestamp", "Check_In_Time"),
    *_value("boolean", "$event_cancelled"),
    *_value("json", "Participants"),
    *_ABOUT,
)
TASKS = _module_table(
    "tasks",
    "Tasks",
    *_value("text", "Subject", "Status", "Priority"),
    *_value("date", "Due_Date"),
    *_value("timestamp", "Closed_Time"),
    *_ABOUT,
)
NOTES = _module_table(
    "notes",
    "Notes",
    *_value("text", "Note_Title", "Note_Content"),
    *_lookup("Parent_Id"),
    Column("parent_module", "text", "Parent_Id", "value"),
)
CAMPAIGNS = _module_table(
    "campaigns",
    "Campaigns",
    *_value("text", "Campaign_Name", "Type", "Status"),
    *_value("date", "Start_Date", "End_Date"),
    *_value("money", "Expected_Revenue", "Budgeted_Cost", "Actual_Cost"),
    *_value("integer", "Num_sent"),
    *_lookup("Parent_Campaign"),
    _TAG,
)

DEAL_STAGE_HISTORY = RawTable(
    "deal_stage_history",
    (
        _CHANNEL,
        Column("id", "text", "id", nullable=False),
        Column("deal_id", "text"),
        Column("deal_name", "text"),
        Column("stage", "text"),
        Column("moved_to", "text"),
        Column("amount", "money"),
        Column("duration_days", "integer"),
        Column("modified_time", "timestamp"),  # when the stage was entered
        Column("basis", "text", nullable=False),  # tracker (Zoho's own history) | observed (between two syncs)
        _SYNCED,
    ),
)
LEAD_STATUS_HISTORY = RawTable(
    "lead_status_history",
    (
        _CHANNEL,
        Column("id", "text", "id", nullable=False),
        Column("lead_id", "text"),
        Column("lead_status", "text"),
        Column("moved_to", "text"),
        Column("duration_days", "integer"),
        Column("modified_time", "timestamp"),  # when the status was entered
        Column("basis", "text", nullable=False),
        _SYNCED,
    ),
)
USERS = RawTable(
    "users",
    (
        _CHANNEL,
        Column("id", "text", "id", nullable=False),
        *_value("text", "full_name", "first_name", "last_name", "email", "status", "time_zone", "locale"),
        Column("role_id", "text", "role", "id"),
        Column("role_name", "text", "role", "name"),
        Column("profile_id", "text", "profile", "id"),
        Column("profile_name", "text", "profile", "name"),
        Column("is_deleted", "boolean"),
        *_value("timestamp", "created_time", "Modified_Time"),
        _SYNCED,
    ),
)
DEAL_STAGES = RawTable(
    "deal_stages",
    (
        _CHANNEL,
        Column("pipeline", "text", nullable=False),  # '' where pipelines cannot be read
        Column("stage", "text", nullable=False),  # the actual value, as a deal carries it
        Column("display_value", "text"),
        Column("forecast_type", "text"),  # Open | Closed Won | Closed Lost | null (then probability decides)
        Column("forecast_category", "text"),
        Column("probability", "integer"),
        Column("sequence_number", "integer"),
        _SYNCED,
    ),
    key=("channel_id", "pipeline", "stage"),
)
BUSINESS_HOURS = RawTable(
    "business_hours",
    (
        _CHANNEL,
        Column("id", "text", "id", nullable=False),
        *_value("text", "type", "week_starts_on"),
        *_value("boolean", "same_as_everyday"),
        *_value("json", "business_days", "daily_timing", "custom_timing"),
        Column("basis", "text", nullable=False),  # zoho | set (channels set --business-hours)
        _SYNCED,
    ),
)
BUSINESS_INTERVALS = RawTable(
    # business_hours unrolled, so that a model needs no JSON: local seconds of the day, half-open
    "business_intervals",
    (
        _CHANNEL,
        Column("iso_weekday", "integer", nullable=False),  # 1 = Monday … 7 = Sunday
        Column("start_second", "integer", nullable=False),
        Column("end_second", "integer", nullable=False),  # at most 86400
        _SYNCED,
    ),
    key=("channel_id", "iso_weekday", "start_second"),
)
HOLIDAYS = RawTable(
    "holidays",
    (
        _CHANNEL,
        Column("id", "text", "id", nullable=False),
        *_value("text", "name"),
        *_value("date", "date"),
        *_value("integer", "year"),
        *_value("text", "type"),
        _SYNCED,
    ),
)
EMAILS = RawTable(
    # only where switched on: one call a lead, outside the credit bars
    "emails",
    (
        _CHANNEL,
        Column("id", "text", "message_id", nullable=False),
        Column("module", "text"),  # Leads | Contacts | Deals
        Column("record_id", "text"),
        *_value("text", "subject", "source"),
        *_value("boolean", "sent"),  # true = outgoing
        Column("sent_time", "timestamp", "sent_time"),
        Column("from_email", "text"),
        Column("owner_id", "text", "owner", "id"),
        Column("owner_name", "text", "owner", "name"),
        _SYNCED,
    ),
)
DELETED_RECORDS = RawTable(
    "deleted_records",
    (
        _CHANNEL,
        Column("module", "text", nullable=False),  # Zoho's API name
        Column("id", "text", "id", nullable=False),
        Column("deleted_time", "timestamp", "deleted_time"),
        Column("deletion_type", "text", "type"),  # recycle | permanent | vanished (no trace in Zoho: merged, hidden)
        Column("deleted_by_id", "text", "deleted_by", "id"),
        Column("deleted_by_name", "text", "deleted_by", "name"),
        Column("display_name", "text", "display_name"),
        Column("restored_at", "timestamp"),  # null while deleted
        _SYNCED,
    ),
    key=("channel_id", "module", "id"),
)
CHANNELS = RawTable(
    "channels",
    (
        _CHANNEL,
        *(Column(n, "text") for n in ("tenant", "data_center", "org_id", "org_name", "status")),
        Column("timezone", "text", nullable=False),  # IANA name
        Column("currency", "text"),  # ISO code of the org's home currency; null until known
        Column("last_complete_sync_at", "timestamp"),  # smallest upper bound over the modules; null: never
        Column("leads_readable", "boolean"),  # false: Leads cannot be read (scope, module or permission)
        _SYNCED,
    ),
    key=("channel_id",),
)
CHANNEL_FIELD_MAP = RawTable(
    # which field of a lead holds what: utm_source → UTM_Source1; found by name or set by hand
    "channel_field_map",
    (
        _CHANNEL,
        Column("field_key", "text", nullable=False),
        Column("api_name", "text", nullable=False),
        Column("basis", "text", nullable=False),  # found | set
        _SYNCED,
    ),
    key=("channel_id", "field_key"),
)
CHANNEL_LEAD_SOURCE_MAP = RawTable(
    "channel_lead_source_map",
    (
        _CHANNEL,
        Column("raw_value", "text", nullable=False),
        Column("lead_source", "text", nullable=False),
        _SYNCED,
    ),
    key=("channel_id", "raw_value"),
)
CHANNEL_PARAMETERS = RawTable(
    "channel_parameters",
    (
        _CHANNEL,
        Column("name", "text", nullable=False),
        Column("value", "text", nullable=False),
        _SYNCED,
    ),
    key=("channel_id", "name"),
)
CONTENT_ITEMS = RawTable(
    "content_items",
    (
        _CHANNEL,
        Column("content_id", "text", nullable=False),
        *(Column(n, "text") for n in ("source_activity_id", "content_type", "platform", "title")),
        Column("topics", "text"),  # separated by |
        Column("published_at", "timestamp", nullable=False),
        *(Column(n, "text") for n in ("canonical_url", "utm_source", "utm_medium", "utm_campaign", "utm_content")),
        _SYNCED,
    ),
    key=("channel_id", "content_id"),
)
REJECTED_RECORDS = RawTable(
    "rejected_records",
    (
        _CHANNEL,
        Column("module", "text", nullable=False),
        Column("id", "text", nullable=False),
        Column("field", "text", nullable=False),
        Column("value", "text"),
        Column("reason", "text", nullable=False),
        _SYNCED,
    ),
    key=("channel_id", "module", "id", "field"),
)
SYNC_RUNS = RawTable(
    "sync_runs",
    (
        _CHANNEL,
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
        Column("tokens", "integer"),  # access tokens minted during the module's part of the run
        Column("requests", "integer"),
        Column("outcome", "text", nullable=False),  # complete | skipped | failed | stopped (budget)
        Column("detail", "text"),  # what a person needs to know: "scope … missing", "field … removed"
    ),
    key=("channel_id", "run_id", "module"),
)

MODULE_TABLES = (LEADS, CONTACTS, ACCOUNTS, DEALS, CALLS, EVENTS, TASKS, NOTES, CAMPAIGNS)
"""Tables that a Zoho module fills record by record; the order is the order of a sync."""

RAW_TABLES = (
    CHANNELS,
    *MODULE_TABLES,
    USERS,
    DEAL_STAGES,
    DEAL_STAGE_HISTORY,
    LEAD_STATUS_HISTORY,
    BUSINESS_HOURS,
    BUSINESS_INTERVALS,
    HOLIDAYS,
    EMAILS,
    DELETED_RECORDS,
    CONTENT_ITEMS,
    CHANNEL_FIELD_MAP,
    CHANNEL_LEAD_SOURCE_MAP,
    CHANNEL_PARAMETERS,
    REJECTED_RECORDS,
    SYNC_RUNS,
)

BY_NAME = {table.name: table for table in RAW_TABLES}
BY_MODULE = {table.module: table for table in MODULE_TABLES}
