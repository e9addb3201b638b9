"""The catalog: all raw tables, their columns, and the Zoho field that each column comes from.

Only this sub-package names them, because three readers must agree exactly: the routes (which fields to request), the
conversion to Arrow (which type a value must have) and the SQL models (which columns exist).

Zoho's standard fields are typed columns. All other fields of a record go to `custom_fields`, one JSON object whose keys
are Zoho's API names. One column per custom field was rejected: a hundred tenants with a hundred custom fields each are
ten thousand columns, and Postgres allows 1,600.
"""

from zoho_pipeline.ingest.catalog.chosen_modules import MODULE_RECORD_PARTS, MODULE_RECORDS
from zoho_pipeline.ingest.catalog.model import (
    CHANNEL,
    SYNCED,
    TAG,
    Column,
    ColumnType,
    RawTable,
    lookup_columns,
    module_table,
    value_columns,
)
from zoho_pipeline.ingest.catalog.own_tables import (
    CHANNEL_FIELD_MAP,
    CHANNEL_LEAD_SOURCE_MAP,
    CHANNEL_PARAMETERS,
    CHANNELS,
    CONTENT_ITEMS,
    FORM_SUBMISSIONS,
    PERSON_KEYS,
    REJECTED_RECORDS,
    SYNC_RUNS,
)

__all__ = [
    "ACCOUNTS",
    "BUSINESS_HOURS",
    "BUSINESS_INTERVALS",
    "BY_MODULE",
    "BY_NAME",
    "CALLS",
    "CAMPAIGNS",
    "CHANNELS",
    "CHANNEL_FIELD_MAP",
    "CHANNEL_LEAD_SOURCE_MAP",
    "CHANNEL_PARAMETERS",
    "CONTACTS",
    "CONTENT_ITEMS",
    "CURRENCIES",
    "DEALS",
    "DEAL_STAGES",
    "DEAL_STAGE_HISTORY",
    "DELETED_RECORDS",
    "EMAILS",
    "EVENTS",
    "FORM_SUBMISSIONS",
    "HOLIDAYS",
    "LEADS",
    "LEAD_STATUS_HISTORY",
    "MODULE_TABLES",
    "NOTES",
    "PERSON_KEYS",
    "RAW_TABLES",
    "REJECTED_RECORDS",
    "SYNC_RUNS",
    "TASKS",
    "USERS",
    "Column",
    "ColumnType",
    "RawTable",
]

_PERSON = value_columns("text", "First_Name", "Last_Name", "Full_Name", "Email", "Secondary_Email", "Phone", "Mobile")

LEADS = module_table(
    "leads",
    "Leads",
    *_PERSON,
    *value_columns("text", "Company", "Designation", "Website", "Lead_Source", "Lead_Status", "Industry", "Rating"),
    *value_columns("integer", "No_of_Employees"),
    *value_columns("money", "Annual_Revenue"),
    *value_columns("text", "City", "State", "Country"),
    *value_columns("boolean", "Converted__s"),
    *value_columns("timestamp", "Converted_Date_Time"),
    *lookup_columns("Converted_Account", "Converted_Contact", "Converted_Deal"),
    *value_columns("integer", "Lead_Conversion_Time"),
    *value_columns("timestamp", "Last_Activity_Time"),
    *value_columns("text", "Record_Status__s"),
    TAG,
)
CONTACTS = module_table(
    "contacts",
    "Contacts",
    *_PERSON,
    *value_columns("text", "Title", "Department", "Lead_Source"),
    *lookup_columns("Account_Name"),
    *value_columns("text", "Mailing_City", "Mailing_State", "Mailing_Country"),
    *value_columns("timestamp", "Last_Activity_Time"),
    *value_columns("text", "Record_Status__s"),
    TAG,
)
ACCOUNTS = module_table(
    "accounts",
    "Accounts",
    *value_columns("text", "Account_Name", "Phone", "Website", "Industry", "Account_Type"),
    *value_columns("integer", "Employees"),
    *value_columns("money", "Annual_Revenue"),
    *value_columns("text", "Billing_City", "Billing_State", "Billing_Country"),
    *lookup_columns("Parent_Account"),
    *value_columns("timestamp", "Last_Activity_Time"),
    *value_columns("text", "Record_Status__s"),
    TAG,
)
DEALS = module_table(
    "deals",
    "Deals",
    *value_columns("text", "Deal_Name", "Stage", "Pipeline", "Type", "Lead_Source", "Next_Step", "Reason_For_Loss__s"),
    *value_columns("money", "Amount", "Expected_Revenue"),
    *value_columns("text", "Currency"),
    *value_columns("rate", "Exchange_Rate"),
    *value_columns("date", "Closing_Date"),
    *value_columns("integer", "Probability"),
    *lookup_columns("Account_Name", "Contact_Name", "Campaign_Source"),
    *value_columns("integer", "Lead_Conversion_Time", "Sales_Cycle_Duration", "Overall_Sales_Duration"),
    *value_columns("timestamp", "Stage_Modified_Time", "Last_Activity_Time"),
    *value_columns("text", "Record_Status__s"),
    TAG,
)
_ABOUT = (*lookup_columns("Who_Id", "What_Id"), *value_columns("text", "$se_module"))
CALLS = module_table(
    "calls",
    "Calls",
    *value_columns("text", "Subject", "Call_Type"),
    *value_columns("timestamp", "Call_Start_Time"),
    *value_columns("text", "Call_Duration"),
    *value_columns("integer", "Call_Duration_in_seconds"),
    *value_columns("text", "Call_Purpose", "Call_Result", "Call_Status"),
    *value_columns("text", "Outgoing_Call_Status", "Outbound_Call_Status"),
    *value_columns("boolean", "Scheduled_In_CRM", "CTI_Entry"),
    *_ABOUT,
)
EVENTS = module_table(
    "events",
    "Events",
    *value_columns("text", "Event_Title"),
    *value_columns("timestamp", "Start_DateTime", "End_DateTime"),
    *value_columns("boolean", "All_day"),
    *value_columns("text", "Venue", "Check_In_Status"),
    *value_columns("timestamp", "Check_In_Time"),
    *value_columns("boolean", "$event_cancelled"),
    *value_columns("json", "Participants"),
    *_ABOUT,
)
TASKS = module_table(
    "tasks",
    "Tasks",
    *value_columns("text", "Subject", "Status", "Priority"),
    *value_columns("date", "Due_Date"),
    *value_columns("timestamp", "Closed_Time"),
    *_ABOUT,
)
NOTES = module_table(
    "notes",
    "Notes",
    *value_columns("text", "Note_Title", "Note_Content"),
    *lookup_columns("Parent_Id"),
    Column("parent_module", "text", "Parent_Id", "value"),
)
CAMPAIGNS = module_table(
    "campaigns",
    "Campaigns",
    *value_columns("text", "Campaign_Name", "Type", "Status"),
    *value_columns("date", "Start_Date", "End_Date"),
    *value_columns("money", "Expected_Revenue", "Budgeted_Cost", "Actual_Cost"),
    *value_columns("integer", "Num_sent"),
    *lookup_columns("Parent_Campaign"),
    TAG,
)

DEAL_STAGE_HISTORY = RawTable(
    "deal_stage_history",
    (
        CHANNEL,
        Column("id", "text", "id", nullable=False),
        Column("deal_id", "text"),
        Column("deal_name", "text"),
        Column("stage", "text"),
        Column("moved_to", "text"),
        Column("amount", "money"),
        Column("duration_days", "integer"),
        Column("modified_time", "timestamp"),  # when the stage was entered
        Column("basis", "text", nullable=False),  # tracker (Zoho's own history) | observed (between two syncs)
        SYNCED,
    ),
)
LEAD_STATUS_HISTORY = RawTable(
    "lead_status_history",
    (
        CHANNEL,
        Column("id", "text", "id", nullable=False),
        Column("lead_id", "text"),
        Column("lead_status", "text"),
        Column("moved_to", "text"),
        Column("duration_days", "integer"),
        Column("modified_time", "timestamp"),  # when the status was entered
        Column("basis", "text", nullable=False),
        SYNCED,
    ),
)
USERS = RawTable(
    "users",
    (
        CHANNEL,
        Column("id", "text", "id", nullable=False),
        *value_columns("text", "full_name", "first_name", "last_name", "email", "status", "time_zone", "locale"),
        Column("role_id", "text", "role", "id"),
        Column("role_name", "text", "role", "name"),
        Column("profile_id", "text", "profile", "id"),
        Column("profile_name", "text", "profile", "name"),
        Column("is_deleted", "boolean"),
        *value_columns("timestamp", "created_time", "Modified_Time"),
        SYNCED,
    ),
)
DEAL_STAGES = RawTable(
    "deal_stages",
    (
        CHANNEL,
        Column("pipeline", "text", nullable=False),  # '' if pipelines cannot be read
        Column("stage", "text", nullable=False),  # the actual value, as a deal has it
        Column("display_value", "text"),
        Column("forecast_type", "text"),  # Open | Closed Won | Closed Lost | null (then probability decides)
        Column("forecast_category", "text"),
        Column("probability", "integer"),
        Column("sequence_number", "integer"),
        SYNCED,
    ),
    key=("channel_id", "pipeline", "stage"),
)
BUSINESS_HOURS = RawTable(
    "business_hours",
    (
        CHANNEL,
        Column("id", "text", "id", nullable=False),
        *value_columns("text", "type", "week_starts_on"),
        *value_columns("boolean", "same_as_everyday"),
        *value_columns("json", "business_days", "daily_timing", "custom_timing"),
        Column("basis", "text", nullable=False),  # zoho | set (channels set --business-hours)
        SYNCED,
    ),
)
BUSINESS_INTERVALS = RawTable(
    # business_hours as half-open intervals in local seconds of the day, so that a model needs no JSON
    "business_intervals",
    (
        CHANNEL,
        Column("iso_weekday", "integer", nullable=False),  # 1 = Monday … 7 = Sunday
        Column("start_second", "integer", nullable=False),
        Column("end_second", "integer", nullable=False),  # at most 86400
        Column("is_continued", "boolean"),  # true: the rest of a shift that began the day before
        SYNCED,
    ),
    key=("channel_id", "iso_weekday", "start_second"),
)
CURRENCIES = RawTable(
    # how many decimals the amounts of a currency have; empty if the org does not say, and then ISO 4217 counts
    "currencies",
    (
        CHANNEL,
        Column("iso_code", "text", "iso_code", nullable=False),
        *value_columns("integer", "decimal_places"),
        SYNCED,
    ),
    key=("channel_id", "iso_code"),
)
HOLIDAYS = RawTable(
    "holidays",
    (
        CHANNEL,
        Column("id", "text", "id", nullable=False),
        *value_columns("text", "name"),
        *value_columns("date", "date"),
        *value_columns("integer", "year"),
        *value_columns("text", "type"),
        SYNCED,
    ),
)
EMAILS = RawTable(
    # only if it is switched on: it costs one call per lead
    "emails",
    (
        CHANNEL,
        Column("id", "text", "message_id", nullable=False),
        Column("module", "text"),  # Leads | Contacts | Deals
        Column("record_id", "text"),
        *value_columns("text", "subject", "source"),
        *value_columns("boolean", "sent"),  # true = outgoing
        Column("sent_time", "timestamp", "sent_time"),
        Column("from_email", "text"),
        Column("owner_id", "text", "owner", "id"),
        Column("owner_name", "text", "owner", "name"),
        SYNCED,
    ),
)
DELETED_RECORDS = RawTable(
    "deleted_records",
    (
        CHANNEL,
        Column("module", "text", nullable=False),  # Zoho's API name
        Column("id", "text", "id", nullable=False),
        Column("deleted_time", "timestamp", "deleted_time"),
        Column("deletion_type", "text", "type"),  # recycle | permanent | vanished (no trace in Zoho: merged, hidden)
        Column("deleted_by_id", "text", "deleted_by", "id"),
        Column("deleted_by_name", "text", "deleted_by", "name"),
        Column("display_name", "text", "display_name"),
        Column("restored_at", "timestamp"),  # null while deleted
        SYNCED,
    ),
    key=("channel_id", "module", "id"),
)
MODULE_TABLES = (LEADS, CONTACTS, ACCOUNTS, DEALS, CALLS, EVENTS, TASKS, NOTES, CAMPAIGNS)
"""Tables that a Zoho module fills record by record, in the order of a sync."""

RAW_TABLES = (
    CHANNELS,
    *MODULE_TABLES,
    MODULE_RECORDS,
    MODULE_RECORD_PARTS,
    USERS,
    DEAL_STAGES,
    DEAL_STAGE_HISTORY,
    LEAD_STATUS_HISTORY,
    BUSINESS_HOURS,
    BUSINESS_INTERVALS,
    HOLIDAYS,
    CURRENCIES,
    EMAILS,
    DELETED_RECORDS,
    CONTENT_ITEMS,
    FORM_SUBMISSIONS,
    PERSON_KEYS,
    CHANNEL_FIELD_MAP,
    CHANNEL_LEAD_SOURCE_MAP,
    CHANNEL_PARAMETERS,
    REJECTED_RECORDS,
    SYNC_RUNS,
)

BY_NAME = {table.name: table for table in RAW_TABLES}
BY_MODULE = {table.module: table for table in MODULE_TABLES}
