"""The org of a connection: its id (a new consent can be for another org), time zone, currency and edition."""

from dataclasses import dataclass
from typing import Any

from zoho_pipeline.zoho.connection.client import VERSION, ZohoClient
from zoho_pipeline.zoho.errors import BadAnswer
from zoho_pipeline.zoho.parsing import whole_number
from zoho_pipeline.zoho.read.pages import SENT_ID, rows_of, with_text_ids

PATH = f"/crm/{VERSION}/org"


@dataclass(frozen=True)
class Org:
    """An organisation. `type` is production, sandbox, developer or bigin; `currency` is an ISO code.

    `paid_type` is Zoho's word for the edition, or for the edition on trial. `users_licensed` is the number of licences,
    which add credits.
    """

    id: str
    name: str
    time_zone: str | None
    currency: str | None
    type: str | None
    paid_type: str | None
    users_licensed: int


def get(client: ZohoClient) -> Org:
    """The org of the connection (scope ZohoCRM.org.READ)."""
    answer = client.get(PATH)
    rows = [] if answer.data is None else rows_of(answer.data, "org", f"GET {PATH}")
    if len(rows) != 1 or SENT_ID in with_text_ids(rows)[0]:
        raise BadAnswer(f"GET {PATH}: the answer does not have exactly one org.")
    row = rows[0]
    licences = row.get("license_details")
    licences = licences if isinstance(licences, dict) else {}
    return Org(
        id=row["id"],
        name=str(row.get("company_name") or ""),
        time_zone=_text(row.get("time_zone")),
        currency=_text(row.get("iso_code")),
        type=_text(row.get("type")),
        paid_type=_text(licences.get("paid_type")) or _text(licences.get("trial_type")),
        users_licensed=_count(licences.get("users_license_purchased")),
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _count(value: Any) -> int:
    """The number of licences, which Zoho sends as a number or as text."""
    return whole_number(value, most=10**6) or 0
