"""Which columns of the raw tables hold personal data: what tells who a person is, or what somebody wrote about one.

A program that shows tables (a catalogue, Dagster) marks these columns, so that nobody grants access to them by mistake.
The marks decide nothing: who may read a row is decided where it is read.
"""

from zoho_pipeline.ingest.catalog.model import RawTable

_PERSON = "first_name last_name full_name email secondary_email phone mobile from_email display_name"
_NAMES_OF_PEOPLE = (
    "owner_name created_by_name modified_by_name deleted_by_name who_name contact_name_name converted_contact_name"
)
_FREE_TEXTS = "subject event_title venue participants note_title note_content parent_name deal_name next_step value"
"""People write names into them. A deal gets the name of its lead at a conversion; `value` is a rejected value."""
_WHOLE_RECORDS = "record parts"
"""A record of a module that nobody knows beforehand, as JSON. It may be one of persons."""
_HASHES = "email_key phone_key key"
"""Hashes of addresses are personal data too (docs/forms.md): who has the salt can test whether an address is there."""
_NAMED_ELSEWHERE = {"channel_parameters": {"value"}}
"""Table → its columns that have such a name and hold something else."""

CUSTOM_FIELDS = "custom_fields"
"""The fields that an organisation made for itself. Nobody knows what they hold, so the column counts as personal."""

_NAMES = frozenset(f"{_PERSON} {_NAMES_OF_PEOPLE} {_FREE_TEXTS} {_WHOLE_RECORDS} {_HASHES} {CUSTOM_FIELDS}".split())


def personal_columns(table: RawTable) -> frozenset[str]:
    """The names of those columns of a raw table that hold personal data."""
    return frozenset(column.name for column in table.columns) & _NAMES - _NAMED_ELSEWHERE.get(table.name, set())
