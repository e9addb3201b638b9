"""The raw tables of modules that a person chooses for a channel: any module of Zoho, also one that an org made itself.

All of them share one table, because nobody knows their fields beforehand: the fields that every module has are
columns, and all others are one JSON object. A table per module would be thousands of tables for a hundred tenants.
"""

from dataclasses import replace

from zoho_pipeline.channels.registry.model import MODULE_NAME
from zoho_pipeline.ingest.catalog.model import CHANNEL, SYNCED, Column, RawTable, lookup_columns, value_columns

MODULE_RECORDS = RawTable(
    "module_records",
    (
        CHANNEL,
        Column("module", "text", nullable=False),  # Zoho's API name
        Column("id", "text", "id", nullable=False),
        *lookup_columns("Owner", "Created_By", "Modified_By"),
        *value_columns("timestamp", "Created_Time", "Modified_Time"),
        Column("record", "json", part="others"),
        SYNCED,
    ),
    key=("channel_id", "module", "id"),
)
MODULE_RECORD_PARTS = RawTable(
    # what only the call for a single record returns; one row per record of a module whose parts are asked for
    "module_record_parts",
    (
        CHANNEL,
        Column("module", "text", nullable=False),
        Column("id", "text", "id", nullable=False),
        Column("modified_time", "timestamp", "Modified_Time"),  # the version of the record that has these parts
        Column("parts", "json"),
        SYNCED,
    ),
    key=("channel_id", "module", "id"),
)


def records_of(module: str) -> RawTable:
    """The rows of one module in `module_records`. ValueError: no module can have this name."""
    return replace(MODULE_RECORDS, module=_checked(module))


def parts_of(module: str) -> RawTable:
    """The rows of one module in `module_record_parts`. ValueError: no module can have this name."""
    return replace(MODULE_RECORD_PARTS, module=_checked(module))


def _checked(module: str) -> str:
    if not MODULE_NAME.fullmatch(module):
        raise ValueError(f"{module[:60]!r} is no API name of a module")
    return module
