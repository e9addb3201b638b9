"""Names of lookups that a route gave as bare ids: filled from users and from the parents' own rows."""

from collections.abc import Mapping

from zoho_pipeline.ingest.catalog import RawTable
from zoho_pipeline.warehouse import RAW_SCHEMA, Connection

_NAME_COLUMNS: Mapping[str, str] = {
    "users": "full_name",
    "accounts": "account_name",
    "contacts": "full_name",
    "deals": "deal_name",
    "campaigns": "campaign_name",
    "leads": "full_name",
}
_PARENTS: Mapping[str, tuple[str, ...]] = {
    "owner": ("users",),
    "created_by": ("users",),
    "modified_by": ("users",),
    "account_name": ("accounts",),
    "parent_account": ("accounts",),
    "contact_name": ("contacts",),
    "campaign_source": ("campaigns",),
    "parent_campaign": ("campaigns",),
    "converted_account": ("accounts",),
    "converted_contact": ("contacts",),
    "converted_deal": ("deals",),
    "who": ("contacts", "leads"),
    "what": ("leads", "deals", "accounts", "campaigns"),
    "parent": ("leads", "contacts", "accounts", "deals", "campaigns"),
}


def fill_names(connection: Connection, raw: RawTable, channel_id: str) -> None:
    """Give every lookup of a table that has an id and no name its name, where we hold the parent."""
    for column in raw.columns:
        if column.part != "name":
            continue
        stem = column.name.removesuffix("_name")
        for parent in _PARENTS.get(stem, ()):
            name = _NAME_COLUMNS[parent]
            connection.execute(
                f"update {RAW_SCHEMA}.{raw.name} set {column.name} = p.{name} from {RAW_SCHEMA}.{parent} p"  # noqa: S608
                f" where p.channel_id = {raw.name}.channel_id and p.id = {raw.name}.{stem}_id"
                f" and {raw.name}.channel_id = ? and {raw.name}.{column.name} is null",
                (channel_id,),
            )
