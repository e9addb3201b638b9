"""The status of one lead as it is now, and who changed the lead last. It costs one credit."""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from zoho_pipeline.zoho.connection.client import ZohoClient
from zoho_pipeline.zoho.connection.server_clock import parse_time
from zoho_pipeline.zoho.errors import BadAnswer
from zoho_pipeline.zoho.read.records import get_one

SECOND = timedelta(seconds=1)
"""The resolution of Modified_Time."""

FIELDS = ("Lead_Status", "Modified_Time", "Converted__s", "Modified_By")


@dataclass(frozen=True)
class LeadStatus:
    """What Zoho shows of a lead.

    Attributes:
        status: Zoho's word; None is an empty status.
        modified_time: Zoho's text with its offset: the precondition of a change repeats it.
        modified_at: the same instant in UTC, in whole seconds.
        modified_by: the id of the user who changed the lead last.
        read_at: a time by Zoho's clock that is not later than its reading of the lead; None: no answer showed a clock.
    """

    status: str | None
    modified_time: str
    modified_at: datetime
    is_converted: bool
    modified_by: str | None
    read_at: datetime | None

    @property
    def open_seconds(self) -> float:
        """How long the second of the last change may have gone on after the reading; 0: it was over.

        A further edit in that second leaves Modified_Time as it is.
        """
        if self.read_at is None:
            return 0.0
        return max(0.0, (self.modified_at.replace(microsecond=0) + SECOND - self.read_at).total_seconds())


def read_lead_status(client: ZohoClient, lead_id: str) -> LeadStatus | None:
    """The lead, converted or not; None if it does not exist, or the connected user does not see it.

    Raises:
        ZohoError: see `zoho.errors`. BadAnswer: the answer has no Modified_Time, or is about another lead.
    """
    asked = time.monotonic()
    row = get_one(client, "Leads", lead_id, fields=FIELDS, converted="both")
    read_at = _read_at(client, time.monotonic() - asked)
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
        read_at=read_at,
    )


def _read_at(client: ZohoClient, seconds: float) -> datetime | None:
    """Zoho's clock so many seconds ago. The Date header shows when it answered, which may be a second after it read."""
    try:
        return client.server_time - timedelta(seconds=seconds)
    except BadAnswer:
        return None
