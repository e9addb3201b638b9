"""Currencies of an org: which it uses, and the decimal places of each (docs/zoho-facts.md, section 11)."""

from zoho_pipeline.zoho.connection.client import VERSION, ZohoClient
from zoho_pipeline.zoho.read.pages import Row, rows_of

PATH = f"/crm/{VERSION}/org/currencies"


def currencies(client: ZohoClient) -> list[Row]:
    """All currencies: iso_code, is_base, decimal_places (a text such as "2"), exchange_rate. [] if there are none."""
    answer = client.get(PATH)
    return [] if answer.data is None else rows_of(answer.data, "currencies", f"GET {PATH}")
