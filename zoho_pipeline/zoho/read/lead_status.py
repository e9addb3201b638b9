"""The status of one lead as it is now, and who changed the lead last. It costs one credit."""

from dataclasses import dataclass
from datetime import datetime

from zoho_pipeline.zoho.connection.client import ZohoClient
from zoho_pipeline.zoho.connection.server_clock import parse_time
from zoho_pipeline.zoho.errors import BadAnswer
from zoho_pipeline.zoho.read.records import get_one

FIELDS = ("Lead_Status", "Modified_Time", "Converted__s", "Modified_By")


@dataclass(frozen=True)
class LeadStatus:
    """What Zoho shows of a lead.

    Attributes:
        status: Zoho's word; None is an empty status.
        modified_time: Zoho's text with its offset: the precondition of a change repeats it.
        modified_at: the same instant in UTC, in whole seconds.
        modified_by: the id of the user who changed the lead last.
    """

    status: str | None
    modified_time: str
    modified_at: datetime
    is_converted: bool
    modified_by: str | None


def read_lead_status(client: ZohoClient, lead_id: str) -> LeadStatus | None:
    """The lead, converted or not; None if it does not exist, or the connected user does not see it.

    Raises:
        ZohoError: see `zoho.errors`. BadAnswer: the answer has no Modified_Time, or is about another lead.
    """
    row = get_one(client, "Leads", lead_id, fields=FIELDS, converted="both")
    if row is None:
        return None
    if row["id"] != lead_id:  # by the status of another lead, a person's edit would be written over
        raise BadAnswer("GET Leads: the answer is not about the lead that was asked for.")
    status, modified, by = row.get("Lead_Status"), row.get("Modified_Time"), row.get("Modified_By")
    if not isinstance(modified, str) or not isinstance(status, str | None):
        raise BadAnswer("GET Leads: the lead has no readable Lead_Status or Modified_Time.")
    who = by.get("id") if isinstance(by, dict) else None
    return LeadStatus(
        status=status or None,
        modified_time=modified,
        modified_at=parse_time(modified),
        is_converted=row.get("Converted__s") is True,
        modified_by=str(who) if type(who) in (str, int) else None,
    )
