"""Fields of the standard modules, and their metadata (docs/zoho-facts.md, section 3.6)."""

from dataclasses import dataclass, field
from typing import Any

from zoho_pipeline.simulator.wire import SimulatorError

JSON_TYPES = {
    "boolean": "boolean", "integer": "integer", "bigint": "string", "double": "double", "currency": "double",
    "percent": "double", "multiselectpicklist": "jsonarray", "lookup": "jsonobject", "ownerlookup": "jsonobject",
    "parentlookup": "jsonobject", "subform": "jsonarray", "multiselectlookup": "jsonarray",
    "multiuserlookup": "jsonarray", "participants": "jsonarray", "tag": "jsonarray", "rollup_summary": "double",
}  # fmt: skip
LIST_HIDDEN = frozenset({"subform", "multiselectlookup", "multiuserlookup"})
"""Types that list calls and Bulk Read leave out; a single GET shows them."""

LOOKUPS = frozenset({"lookup", "ownerlookup", "parentlookup"})
"""Types whose stored value is a tuple that begins with the id of another record."""

TYPES = frozenset(JSON_TYPES) | {
    "text", "textarea", "richtext", "email", "phone", "website", "picklist", "date", "datetime", "autonumber",
    "formula", "profileimage", "fileupload",
}  # fmt: skip


@dataclass
class Pick:
    """A picklist value; the API reads and writes `actual`, people see `display`."""

    actual: str
    display: str = ""
    used: bool = True
    probability: int | None = None
    forecast_type: str | None = None

    def __post_init__(self) -> None:
        self.display = self.display or self.actual


@dataclass
class Field:
    """A field of a module. `type` is Zoho's data_type, but `richtext` is a textarea with markup."""

    api_name: str
    type: str
    label: str = ""
    id: str = ""
    custom: bool = False
    read_only: bool = False
    mandatory: bool = False
    length: int = 255
    lookup: str = ""
    picks: list[Pick] = field(default_factory=list)
    visible: bool = True
    listed: bool = True  # does settings/fields list it? ($-keys are not listed)

    def __post_init__(self) -> None:
        if self.type not in TYPES:
            raise SimulatorError(f"unknown field type {self.type}")
        self.label = self.label or self.api_name.removesuffix("__s").replace("_", " ")

    @property
    def default(self) -> Any:
        """The value of an empty field; a boolean is never null."""
        return False if self.type == "boolean" else None


@dataclass
class Pipeline:
    """A sales pipeline with its stages in order."""

    id: str
    name: str
    stages: list[Pick]


def field_json(f: Field, module_ids: dict[str, str], hidden: bool) -> dict[str, Any]:
    """A field as GET /settings/fields shows it."""
    special = {"richtext": "textarea", "parentlookup": "lookup", "participants": "text", "tag": "text"}
    lookup: dict[str, Any] = {}
    if f.lookup:
        lookup = {"module": {"api_name": f.lookup, "id": module_ids.get(f.lookup)}, "display_label": f.label}
    writable = not f.read_only
    return {
        "id": f.id,
        "api_name": f.api_name,
        "field_label": f.label,
        "display_label": f.label,
        "data_type": special.get(f.type, f.type),
        "json_type": JSON_TYPES.get(f.type, "string"),
        "length": f.length,
        "decimal_place": 2 if f.type in ("currency", "double", "percent") else None,
        "custom_field": f.custom,
        "system_mandatory": f.mandatory,
        "read_only": f.read_only,
        "field_read_only": f.read_only,
        "visible": f.visible and not hidden,
        "unique": {},
        "auto_number": {},
        "formula": {},
        "currency": {"rounding_option": "normal", "precision": 2} if f.type == "currency" else {},
        "lookup": lookup,
        "pick_list_values": [_pick_json(f, number, pick) for number, pick in enumerate(f.picks, 1)],
        "history_tracking": None,
        "operation_type": {
            "web_create": writable, "web_update": writable, "api_create": writable, "api_update": writable,
        },
        "view_type": {"view": not hidden, "edit": writable, "create": writable, "quick_create": False},
    }  # fmt: skip


def _pick_json(f: Field, number: int, pick: Pick) -> dict[str, Any]:
    value: dict[str, Any] = {
        "id": f"{int(f.id) * 1000 + number}"[-19:],
        "display_value": pick.display,
        "actual_value": pick.actual,
        "reference_value": pick.actual,
        "sequence_number": number,
        "colour_code": None,
        "type": "used" if pick.used else "unused",
    }
    if pick.forecast_type:
        value |= {"probability": pick.probability, "forecast_type": pick.forecast_type}
        value["forecast_category"] = forecast_category(pick, f.id)
    return value


def forecast_category(pick: Pick, category_id: str) -> dict[str, str] | None:
    """The category of a stage in forecasts; None for values that are no stages."""
    if pick.forecast_type is None:
        return None
    return {"name": _FORECASTS.get(pick.forecast_type, "Pipeline"), "id": category_id}


_FORECASTS = {"Open": "Pipeline", "Closed Won": "Closed", "Closed Lost": "Omitted"}
STAGES = (
    Pick("Qualification", probability=10, forecast_type="Open"),
    Pick("Needs Analysis", probability=20, forecast_type="Open"),
    Pick("Value Proposition", probability=40, forecast_type="Open"),
    Pick("Id. Decision Makers", "Identify Decision Makers", probability=60, forecast_type="Open"),
    Pick("Proposal/Price Quote", probability=75, forecast_type="Open"),
    Pick("Negotiation/Review", probability=90, forecast_type="Open"),
    Pick("Closed Won", probability=100, forecast_type="Closed Won"),
    Pick("Closed Lost", probability=0, forecast_type="Closed Lost"),
    Pick("Closed Lost to Competition", probability=0, forecast_type="Closed Lost"),
)
_SOURCES = (
    "-None-|Advertisement|Cold Call|Employee Referral|External Referral|Online Store|Partner|Public Relations|"
    "Sales Email Alias|Seminar Partner|Internal Seminar|Trade Show|Web Download|Web Research|Chat|X (Twitter)|Facebook"
)
_PICKS = {
    "Lead_Source": _SOURCES,
    "Lead_Status": "-None-|Attempted to Contact|Contact in Future|Contacted|Junk Lead|Lost Lead|Not Contacted|"
    "Pre-Qualified|Not Qualified",
    "Call_Type": "Outbound|Inbound|Missed",
    "Status": "Not Started|Deferred|In Progress|Completed|Waiting for input",
    "Priority": "High|Highest|Low|Lowest|Normal",
}

# One word per field: Api_Name:type, then `=Module` for the target of a lookup, `!` mandatory, `~` read-only.
_WHO = (
    "Owner:ownerlookup Created_By:ownerlookup~ Modified_By:ownerlookup~ Created_Time:datetime~ Modified_Time:datetime~"
)
_SYSTEM = (
    "Last_Activity_Time:datetime~ Change_Log_Time__s:datetime~ Layout:lookup=Layouts Tag:tag Record_Image:profileimage "
    "Record_Status__s:picklist~ Locked__s:boolean~ $approved:boolean~ $editable:boolean~"
)
SYSTEM_FIELDS = f"{_WHO} {_SYSTEM}"
"""The fields that Zoho gives to each module."""

_PERSON = (
    "First_Name:text Last_Name:text! Full_Name:text~ Salutation:picklist Email:email Secondary_Email:email Phone:phone "
    "Mobile:phone Fax:text Skype_ID:text Twitter:text Lead_Source:picklist Description:textarea Email_Opt_Out:boolean "
    "Unsubscribed_Mode:picklist~ Unsubscribed_Time:datetime~ Enrich_Status__s:picklist~ "
    "Last_Enriched_Time__s:datetime~"
)
VISITOR = (
    "Referrer:website~ First_Visited_URL:website~ First_Visited_Time:datetime~ Last_Visited_Time:datetime~ "
    "Days_Visited:integer~ Number_Of_Chats:integer~ Average_Time_Spent_Minutes:double~ Visitor_Score:bigint~"
)
ADS = (
    "GCLID:text ADID:text ADGROUPID:text KEYWORDID:text Keyword:text Click_Type:text Device_Type:text Ad_Network:text "
    "Search_Partner_Network:text Ad_Campaign_Name:text AdGroup_Name:text Ad:text Ad_Click_Date:date GADCONFIGID:text "
    "ZCAMPAIGNID:text Cost_per_Click:currency Cost_per_Conversion:currency Conversion_Export_Status:picklist "
    "Conversion_Exported_On:datetime Reason_for_Conversion_Failure:text"
)
_ABOUT = "Who_Id:lookup=Contacts What_Id:lookup=* $se_module:text"
CURRENCY = "Currency:picklist Exchange_Rate:double"

MODULE_FIELDS = {
    "Leads": f"Company:text {_PERSON} Designation:text Website:website Lead_Status:picklist Industry:picklist "
    "Rating:picklist No_of_Employees:integer Annual_Revenue:currency Street:text City:text State:text Zip_Code:text "
    "Country:text Converted__s:boolean~ Converted_Date_Time:datetime~ Converted_Account:lookup=Accounts~ "
    "Converted_Contact:lookup=Contacts~ Converted_Deal:lookup=Deals~ Lead_Conversion_Time:integer~ "
    f"$converted:boolean~ $converted_detail:text~ {_WHO} {_SYSTEM}",
    "Contacts": f"{_PERSON} Account_Name:lookup=Accounts Vendor_Name:lookup=Vendors Home_Phone:phone Other_Phone:phone "
    "Asst_Phone:phone Assistant:text Title:text Department:text Reporting_To:lookup=Contacts Date_of_Birth:date "
    "Mailing_Street:text Mailing_City:text Mailing_State:text Mailing_Zip:text Mailing_Country:text Other_Street:text "
    f"Other_City:text Other_State:text Other_Zip:text Other_Country:text {_WHO} {_SYSTEM}",
    "Accounts": "Account_Name:text! Account_Number:text Account_Type:picklist Account_Site:text Phone:phone Fax:text "
    "Website:website Industry:picklist Employees:integer Annual_Revenue:currency Parent_Account:lookup=Accounts "
    "Billing_Street:text Billing_City:text Billing_State:text Billing_Code:text Billing_Country:text Rating:picklist "
    f"Description:textarea {_WHO} {_SYSTEM}",
    "Deals": "Deal_Name:text! Stage:picklist! Pipeline:picklist Amount:currency Closing_Date:date "
    "Account_Name:lookup=Accounts Contact_Name:lookup=Contacts Campaign_Source:lookup=Campaigns Probability:integer "
    "Expected_Revenue:currency~ Lead_Source:picklist Type:picklist Next_Step:text Reason_For_Loss__s:picklist "
    "Description:textarea Lead_Conversion_Time:integer~ Sales_Cycle_Duration:integer~ "
    f"Overall_Sales_Duration:integer~ Stage_Modified_Time:datetime~ {_WHO} {_SYSTEM}",
    "Calls": "Subject:text! Call_Type:picklist! Call_Start_Time:datetime Call_Duration:text "
    "Call_Duration_in_seconds:integer Call_Purpose:picklist Call_Result:text Call_Agenda:text Call_Status:picklist "
    "Outgoing_Call_Status:picklist Outbound_Call_Status:picklist Caller_ID:text Dialled_Number:text CTI_Entry:boolean "
    "Voice_Recording__s:website Reminder:picklist Scheduled_In_CRM:boolean Description:textarea "
    f"{_ABOUT} {_WHO} Tag:tag Record_Status__s:picklist~",
    "Events": "Event_Title:text! Start_DateTime:datetime! End_DateTime:datetime! All_day:boolean Venue:text "
    "Participants:participants Check_In_Time:datetime Check_In_Address:text Check_In_Status:picklist "
    f"Remind_At:datetime Recurring_Activity:text Description:textarea $event_cancelled:boolean {_ABOUT} {_WHO} Tag:tag "
    "Record_Status__s:picklist~",
    "Tasks": "Subject:text! Due_Date:date Status:picklist Priority:picklist Closed_Time:datetime~ Remind_At:datetime "
    f"Recurring_Activity:text Description:textarea {_ABOUT} {_WHO} Tag:tag Record_Status__s:picklist~",
    "Notes": f"Note_Title:text Note_Content:richtext Parent_Id:parentlookup! {_WHO}",
    "Campaigns": "Campaign_Name:text! Type:picklist Status:picklist Start_Date:date End_Date:date "
    "Expected_Revenue:currency Budgeted_Cost:currency Actual_Cost:currency Num_sent:bigint Expected_Response:bigint "
    f"Parent_Campaign:lookup=Campaigns Description:textarea {_WHO} {_SYSTEM}",
}
DEAL_HISTORY = (
    "Potential_Name:lookup=Deals Stage:picklist Moved_To__s:picklist Stage_Duration_Calendar_Days:integer "
    "Amount:currency Closing_Date:date Probability:integer Expected_Revenue:currency Currency:picklist "
    "Modified_By:ownerlookup Modified_Time:datetime Created_Time:datetime"
)
STATUS_HISTORY = (
    "Full_Name:lookup=Leads {field}:picklist Moved_To__s:picklist Duration_Days:integer Modified_By:ownerlookup "
    "Modified_Time:datetime Created_Time:datetime"
)
NAME_FIELDS = {
    "Leads": "Full_Name", "Contacts": "Full_Name", "Accounts": "Account_Name", "Deals": "Deal_Name", "Calls": "Subject",
    "Events": "Event_Title", "Tasks": "Subject", "Notes": "Note_Title", "Campaigns": "Campaign_Name",
}  # fmt: skip


def standard_stages() -> list[Pick]:
    """Copies of Zoho's standard stages; an org may change its own."""
    return [Pick(**vars(stage)) for stage in STAGES]


def parse_fields(text: str) -> list[Field]:
    """Make fields from words like those above."""
    found = []
    for word in text.split():
        name, _, kind = word.partition(":")
        bare = kind.rstrip("!~")
        type_, _, lookup = bare.partition("=")
        picks = [Pick(v) for v in _PICKS[name].split("|")] if name in _PICKS and type_ == "picklist" else []
        if name == "Stage":
            picks = standard_stages()
        found.append(
            Field(
                name, type_, mandatory="!" in kind, read_only="~" in kind, lookup=lookup, picks=picks,
                listed=not name.startswith("$"), length=32_000 if type_ in ("textarea", "richtext") else 255,
            )
        )  # fmt: skip
    return found
