"""Which modules beyond the catalogue a channel reads, as a person writes it: `Webinars`, `Webinars:subforms`."""

from collections.abc import Iterable, Mapping

from zoho_pipeline.channels.errors import InvalidSetting
from zoho_pipeline.channels.registry.model import FLAT, MODULE_NAME, SUBFORMS
from zoho_pipeline.ingest.catalog.tables import BY_MODULE, RAW_TABLES

MOST_MODULES = 100
"""More chosen modules are a mistake: each of them costs three credits per sync."""

_NO_MODULES = {
    "activities": "Zoho lists no activities: the modules Calls, Events and Tasks are always read",
    "dealhistory": "the history of deals is always read, into deal_stage_history",
    "emails": "e-mails are read with: --param sync_emails=true",
}


def chosen(current: Mapping[str, str], given: Iterable[str], without: Iterable[str]) -> dict[str, str]:
    """The chosen modules after a change: module → FLAT or SUBFORMS.

    Args:
        current: those before.
        given: modules to read, each with `:subforms` if its subforms and multi-select lookups are asked for.
        without: modules that are not read any more.

    Raises:
        InvalidSetting: a name cannot be chosen, or is not among the chosen ones.
    """
    found, added = dict(current), list[str]()
    for text in given:
        name, colon, kind = (part.strip() for part in text.partition(":"))
        if colon and kind.lower() != SUBFORMS:
            raise InvalidSetting(
                f"--module {text!r}: after the colon only {SUBFORMS} is known, as in {name}:{SUBFORMS}."
            )
        _check(name)
        if twin := next((other for other in found if other != name and other.lower() == name.lower()), None):
            raise InvalidSetting(f"--module {name} differs from the chosen module {twin} only in upper and lower case.")
        found[name] = SUBFORMS if colon else FLAT
        added.append(name)
    for text in without:
        name = text.strip()
        if name in added:
            raise InvalidSetting(f"module {name} is named by --module and by --without-module.")
        if name not in found:
            known = f"The chosen modules are {', '.join(sorted(found))}" if found else "No module is chosen"
            raise InvalidSetting(f"--without-module {name!r}: this module is not chosen. {known}.")
        del found[name]
    if len(found) > MOST_MODULES:
        raise InvalidSetting(f"at most {MOST_MODULES} modules can be chosen, and these are {len(found)}.")
    return dict(sorted(found.items()))


def _check(name: str) -> None:
    if "," in name:
        raise InvalidSetting(f"--module {name[:60]!r} names several modules. Repeat the option for each of them.")
    if not MODULE_NAME.fullmatch(name):
        raise InvalidSetting(
            f"{name[:60]!r} is no API name of a module: it has letters, digits and _. Zoho shows the names under "
            "Setup > Developer Hub > APIs > API names."
        )
    lower = name.lower()
    if always := next((module for module in BY_MODULE if module and module.lower() == lower), None):
        raise InvalidSetting(f"module {always} is always read, into zoho_raw.{BY_MODULE[always].name}. Do not name it.")
    if lower in _NO_MODULES:
        raise InvalidSetting(f"{name} cannot be chosen: {_NO_MODULES[lower]}.")
    if lower in {table.name for table in RAW_TABLES}:
        raise InvalidSetting(f"{name} cannot be chosen: each sync fills zoho_raw.{lower} already.")
