"""Whether the modules that a person chooses exist in the org of the channel."""

from collections.abc import Collection
from difflib import get_close_matches

from zoho_pipeline.channels.access.client_factory import open_client
from zoho_pipeline.channels.access.lead_fields import ATTEMPTS
from zoho_pipeline.channels.errors import InvalidSetting
from zoho_pipeline.channels.registry.model import Channel
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.settings import PipelineError
from zoho_pipeline.zoho.connection.pacing import Pacing
from zoho_pipeline.zoho.read import metadata
from zoho_pipeline.zoho.read.metadata import ModuleMeta

_OF_OTHERS = {"subform": "it is a subform. Choose its parent module with :subforms", "field_tracker": "it is a history"}


def check_modules(registry: Registry, channel: Channel, names: Collection[str]) -> list[str]:
    """Ask Zoho for the modules of the org, in one call of one credit, and compare.

    Returns:
        Sentences for a person: which module the org lacks (that is no error, because one list of modules may be set
        for many orgs), or why the modules could not be compared.

    Raises:
        InvalidSetting: Zoho spells a module in another way, or it has no records that can be read.
    """
    if not names:
        return []
    try:
        with open_client(registry.settings, registry, channel, pacing=Pacing(attempts=ATTEMPTS)) as client:
            known = {module.api_name: module for module in metadata.modules(client)}
            registry.add_credits(channel.id, client.meter.credits)
    except PipelineError as error:
        return [f"the modules were not compared with those of Zoho: {error}"]
    return [note for name in names if (note := _note(channel, name, known))]


def _note(channel: Channel, name: str, known: dict[str, ModuleMeta]) -> str | None:
    if (found := known.get(name)) is not None:
        if reason := _OF_OTHERS.get(found.generated_type) or (
            "" if found.api_supported else "Zoho's API does not list it"
        ):
            raise InvalidSetting(f"module {name} cannot be chosen: {reason}.")
        return None
    by_lower = {other.lower(): other for other in sorted(known)}
    if (spelling := by_lower.get(name.lower())) is not None:
        raise InvalidSetting(f"channel {channel.id} has no module {name}. Did you mean {spelling}?")
    near = [by_lower[match] for match in get_close_matches(name.lower(), by_lower, n=2, cutoff=0.6)]
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    return f"the org of channel {channel.id} has no module {name} now. If it appears, the next sync reads it.{hint}"
