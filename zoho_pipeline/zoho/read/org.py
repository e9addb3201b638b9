"""The org behind a connection: its id (a re-consent can bind another one), zone, currency and edition."""

from dataclasses import dataclass
from typing import Any

from zoho_pipeline.zoho.connection.client import VERSION, ZohoClient
from zoho_pipeline.zoho.connection.credits import Edition, edition_of
from zoho_pipeline.zoho.errors import BadAnswer
from zoho_pipeline.zoho.read.pages import rows_of

PATH = f"/crm/{VERSION}/org"


@dataclass(frozen=True)
class Org:
    """An organisation. `type`: production, sandbox, developer or bigin; `currency` an ISO code.

    With `multi_currency` a deal's Amount is in the record's own currency. `paid_type` is Zoho's word for the
    edition, or for the one on trial, `users_licensed` the licences that add credits.
    """

    id: str
    zgid: str
    name: str
    time_zone: str | None
    currency: str | None
    multi_currency: bool
    type: str | None
    paid_type: str | None
    users_licensed: int

    @property
    def edition(self) -> Edition:
        """Concurrency and credits of the edition."""
        return edition_of(self.paid_type)

    @property
    def daily_credits(self) -> int:
        """API credits per rolling 24 h by edition and licences, packs bought on top not included."""
        return self.edition.credits(self.users_licensed)


def get(client: ZohoClient) -> Org:
    """The org of the connection (scope ZohoCRM.org.READ)."""
    answer = client.get(PATH)
    rows = [] if answer.data is None else rows_of(answer.data, "org", f"GET {PATH}")
    if len(rows) != 1 or not isinstance(rows[0].get("id"), str):
        raise BadAnswer(f"GET {PATH}: the answer holds no single org.")
    row = rows[0]
    licences = row.get("license_details")
    licences = licences if isinstance(licences, dict) else {}
    return Org(
        id=row["id"],
        zgid=str(row.get("zgid") or ""),
        name=str(row.get("company_name") or ""),
        time_zone=_text(row.get("time_zone")),
        currency=_text(row.get("iso_code")),
        multi_currency=row.get("mc_status") is True,
        type=_text(row.get("type")),
        paid_type=_text(licences.get("paid_type")) or _text(licences.get("trial_type")),
        users_licensed=_count(licences.get("users_license_purchased")),
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _count(value: Any) -> int:
    """Licences come as a number or as text."""
    return int(value) if isinstance(value, int) or (isinstance(value, str) and value.isdigit()) else 0
