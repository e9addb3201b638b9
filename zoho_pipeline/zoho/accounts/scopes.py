"""Scopes: what a connection asks for, what each need requires, and which grant covers which scope.

Scopes are frozen into the refresh token; one more means a new consent. So the default set holds all that
the cheap routes need and nothing that writes.
"""

import re
from collections.abc import Iterable

MINIMAL_SCOPES: tuple[str, ...] = ("ZohoCRM.modules.READ", "ZohoCRM.users.READ")
"""Enough for every table that Get Records can fill, at more credits and without org, pipelines and history names."""

DEFAULT_SCOPES: tuple[str, ...] = (
    "ZohoCRM.modules.READ",
    "ZohoCRM.modules.notes.READ",
    "ZohoCRM.users.READ",
    "ZohoCRM.org.READ",
    "ZohoCRM.bulk.READ",
    "ZohoCRM.coql.READ",
    "ZohoCRM.settings.modules.READ",
    "ZohoCRM.settings.fields.READ",
    "ZohoCRM.settings.layouts.READ",
    "ZohoCRM.settings.pipeline.READ",
    "ZohoCRM.settings.business_hours.READ",
)
"""What `connect` asks for: all read routes but e-mails and count, which cost a call a record and 50 credits."""

EMAIL_SCOPES: tuple[str, ...] = ("ZohoCRM.modules.emails.READ",)
"""What the e-mails of leads need beside the default set."""

_MODULE = "{module}"
_NEEDS: dict[str, tuple[str, ...]] = {
    "records": (_MODULE,),
    "deleted": (_MODULE,),
    "related": (_MODULE,),
    "notes": (_MODULE, "ZohoCRM.modules.notes.READ"),
    "emails": (_MODULE, "ZohoCRM.modules.emails.READ"),
    "coql": ("ZohoCRM.coql.READ", _MODULE),
    "bulk": ("ZohoCRM.bulk.READ", _MODULE),
    "count": ("ZohoSearch.securesearch.READ", _MODULE),
    "users": ("ZohoCRM.users.READ",),
    "org": ("ZohoCRM.org.READ",),
    "modules": ("ZohoCRM.settings.modules.READ",),
    "fields": ("ZohoCRM.settings.fields.READ",),
    "layouts": ("ZohoCRM.settings.layouts.READ",),
    "pipeline": ("ZohoCRM.settings.pipeline.READ",),
    "business_hours": ("ZohoCRM.settings.business_hours.READ",),
    # Zoho lists no scope of their own for holidays: they come with the business hours.
    "holidays": ("ZohoCRM.settings.business_hours.READ",),
    "related_lists": ("ZohoCRM.settings.related_lists.READ",),
}
NEEDS: tuple[str, ...] = tuple(_NEEDS)

_MODULES_WITH_SCOPE = frozenset(
    (
        "leads",
        "contacts",
        "accounts",
        "deals",
        "calls",
        "events",
        "tasks",
        "campaigns",
        "notes",
        "cases",
        "solutions",
        "products",
        "vendors",
        "pricebooks",
        "quotes",
        "salesorders",
        "purchaseorders",
        "invoices",
    )
)
# What a granted operation stands for, beside itself.
_IMPLIED = {"ALL": frozenset(("READ", "CREATE", "UPDATE", "DELETE", "WRITE")), "WRITE": frozenset(("CREATE", "UPDATE"))}
_SETTINGS_PATH = re.compile(r"/settings/([a-z_]+)")
_BULK_PATH = re.compile(r"/crm/bulk/")
_RECORD_PATH = re.compile(r"/crm/v\d+/([A-Za-z0-9_]+)(?:/[^/]+/([A-Za-z_]+))?")


def module_scope(module: str) -> str:
    """The narrowest read scope of a module by its API name; modules of the org's own share `custom`."""
    name = module.lower()
    return f"ZohoCRM.modules.{name if name in _MODULES_WITH_SCOPE else 'custom'}.READ"


def requires(need: str, module: str | None = None) -> tuple[str, ...]:
    """The scopes a need requires, all of them, each covered by itself or a wider grant (see `covers`).

    Args:
        need: one of NEEDS.
        module: API name, for needs about a module; None asks for reading all modules.
    """
    scope = module_scope(module) if module else "ZohoCRM.modules.READ"
    return tuple(dict.fromkeys(scope if s == _MODULE else s for s in _NEEDS[need]))


def covers(granted: str, wanted: str) -> bool:
    """Whether one granted scope contains another: `ZohoCRM.modules.ALL` covers `ZohoCRM.modules.leads.READ`."""
    *have, have_op = granted.strip().lower().split(".")
    *want, want_op = wanted.strip().lower().split(".")
    same_operation = have_op == want_op or want_op.upper() in _IMPLIED.get(have_op.upper(), ())
    return same_operation and len(have) >= 2 and want[: len(have)] == have


def missing(granted: Iterable[str] | None, need: str, module: str | None = None) -> tuple[str, ...]:
    """The scopes a need lacks; empty where `granted` is None: Zoho did not say, so the call finds out."""
    if granted is None:
        return ()
    have = tuple(granted)
    return tuple(s for s in requires(need, module) if not any(covers(g, s) for g in have))


def allows(granted: Iterable[str] | None, need: str, module: str | None = None) -> bool:
    """Whether nothing is missing for a need."""
    return not missing(granted, need, module)


def parse(text: str | None) -> tuple[str, ...] | None:
    """Scopes of a token answer: separated by spaces (or commas, as in the authorisation URL); None if absent."""
    names = tuple(dict.fromkeys(re.split(r"[\s,]+", text.strip()))) if text and text.strip() else ()
    return names or None


def decisive(path: str) -> str | None:
    """The one scope whose lack a refusal of this path shows; None where it shows a record's, or where Zoho's own
    list of scopes is unsure (business hours, holidays)."""
    settings = _SETTINGS_PATH.search(path)
    if settings:
        return _NEEDS[settings[1]][0] if settings[1] in ("modules", "fields", "layouts", "pipeline") else None
    if _BULK_PATH.search(path):
        return _NEEDS["bulk"][0]
    last = path.rstrip("/").rpartition("/")[2]
    return _NEEDS[last][0] if last in ("org", "coql", "count") else None


def required_by_path(path: str) -> tuple[str, ...]:
    """The scopes a call on this path needs, for the message of a refusal; empty where the path is unknown."""
    settings = _SETTINGS_PATH.search(path)
    if settings:
        return _NEEDS.get(settings[1], ())
    if _BULK_PATH.search(path):
        return requires("bulk")
    record = _RECORD_PATH.match(path)
    if record is None:
        return ()
    name, part = record[1], (record[2] or "").lower()
    if name in ("users", "org", "coql"):
        return requires(name)
    if path.endswith("/actions/count"):
        return requires("count", name)
    return requires(part if part in ("notes", "emails") else "records", name)
