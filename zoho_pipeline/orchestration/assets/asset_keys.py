"""Names that assets and checks share: asset keys, groups, owners, and links to source files."""

from pathlib import Path

import dagster as dg

ZOHO_GROUP, RAW_GROUP = "zoho_crm", "zoho_raw"
ENGINEERS, ANALYSTS = "team:data-engineering", "team:analytics"


def zoho_key(module: str) -> dg.AssetKey:
    """The asset of a Zoho module, by Zoho's API name (`Leads`)."""
    return dg.AssetKey([ZOHO_GROUP, module])


def raw_key(table: str) -> dg.AssetKey:
    """The asset of a table of schema `zoho_raw` (`leads`)."""
    return dg.AssetKey([RAW_GROUP, table])


def file_link(path: str | Path) -> dict[str, dg.CodeReferencesMetadataValue]:
    """Metadata that links an asset to the file that defines it."""
    reference = dg.LocalFileCodeReference(file_path=str(path), line_number=1, label=Path(path).name)
    return {"dagster/code_references": dg.CodeReferencesMetadataValue(code_references=[reference])}
