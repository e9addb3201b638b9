"""Whether the fields that a field map names exist in Zoho."""

from collections.abc import Mapping
from difflib import get_close_matches

from zoho_pipeline.channels.access.client_factory import open_client
from zoho_pipeline.channels.errors import InvalidSetting
from zoho_pipeline.channels.registry.model import Channel
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.settings import PipelineError
from zoho_pipeline.zoho.connection.pacing import Pacing
from zoho_pipeline.zoho.read import metadata

ATTEMPTS = 2
"""A person waits for this. A Zoho that does not answer must not keep the setting out."""


def check_lead_fields(registry: Registry, channel: Channel, field_map: Mapping[str, str]) -> str | None:
    """Ask Zoho for the fields of leads, in one call of one credit, and compare.

    Fields that begin with `$` are not in Zoho's list of fields, and are not checked.

    Returns:
        Why the fields could not be checked (a missing scope, no connection); None where they were.

    Raises:
        InvalidSetting: the org has no such field; the message gives the nearest names.
    """
    named = {key: name for key, name in field_map.items() if not name.startswith("$")}
    if not named:
        return None
    try:
        with open_client(registry.settings, registry, channel, pacing=Pacing(attempts=ATTEMPTS)) as client:
            known = {field.api_name for field in metadata.fields(client, "Leads")}
            registry.add_credits(channel.id, client.meter.credits)
    except PipelineError as error:
        return str(error)
    by_lower = {name.lower(): name for name in sorted(known)}
    for key, name in named.items():
        if name not in known:
            near = [by_lower[match] for match in get_close_matches(name.lower(), by_lower, n=3, cutoff=0.5)]
            hint = f"Did you mean {' or '.join(near)}?" if near else "Look at Setup > Developer Hub > APIs > API names."
            raise InvalidSetting(f"{key} is {name!r}, but leads of channel {channel.id} have no such field. {hint}")
    return None
