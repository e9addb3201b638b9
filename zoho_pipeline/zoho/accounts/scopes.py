"""Scopes: what a consent requests, what each need requires, and which grant covers which scope.

The scopes of a refresh token never change; one more scope needs a new consent. So the default set has everything that
the cheap routes need, and nothing that writes.
"""

import re
from collections.abc import Iterable

MINIMAL_SCOPES: tuple[str, ...] = ("ZohoCRM.modules.READ", "ZohoCRM.users.READ")
"""Enough for each table that Get Records can fill, for more credits, without the org, pipelines and history names."""

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
"""The scopes that `connect` requests: all reading routes, without e-mails (one call per record) and count (50
credits)."""

NOTIFICATION_SCOPES: tuple[str, ...] = tuple(
    f"ZohoCRM.notifications.{operation}" for operation in ("READ", "CREATE", "UPDATE", "DELETE")
)
"""What a subscription to Zoho's notifications needs beside the default scopes."""

WRITE_BACK_SCOPES: tuple[str, ...] = ("ZohoCRM.modules.leads.UPDATE",)
"""What writing the status of a lead needs beside the default scopes."""

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
    # Zoho lists no scope for holidays: the scope of business hours covers them.
    "holidays": ("ZohoCRM.settings.business_hours.READ",),
    "related_lists": ("ZohoCRM.settings.related_lists.READ",),
    "notifications": NOTIFICATION_SCOPES,
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
# The operations that a granted operation includes.
_IMPLIED = {"ALL": frozenset(("READ", "CREATE", "UPDATE", "DELETE", "WRITE")), "WRITE": frozenset(("CREATE", "UPDATE"))}
_SETTINGS_PATH = re.compile(r"/settings/([a-z_]+)")
_BULK_PATH = re.compile(r"/crm/bulk/")
_RECORD_PATH = re.compile(r"/crm/v\d+/([A-Za-z0-9_]+)(?:/[^/]+/([A-Za-z_]+))?")


def module_scope(module: str) -> str:
    """The narrowest read scope of a module, by its API name. All custom modules share the scope `custom`."""
    name = module.lower()
    return f"ZohoCRM.modules.{name if name in _MODULES_WITH_SCOPE else 'custom'}.READ"


def requires(need: str, module: str | None = None) -> tuple[str, ...]:
    """All scopes that a need requires. A wider scope may cover each of them (see `covers`).

    Args:
        need: one of NEEDS.
        module: API name, for needs about a module; None means all modules.
    """
    scope = module_scope(module) if module else "ZohoCRM.modules.READ"
    return tuple(dict.fromkeys(scope if s == _MODULE else s for s in _NEEDS[need]))


def covers(granted: str, wanted: str) -> bool:
    """Whether one granted scope contains another: `ZohoCRM.modules.ALL` covers `ZohoCRM.modules.leads.READ`."""
    *have, have_op = granted.strip().lower().split(".")
    *want, want_op = wanted.strip().lower().split(".")
    same_operation = have_op == want_op or want_op.upper() in _IMPLIED.get(have_op.upper(), ())
    return same_operation and len(have) >= 2 and want[: len(have)] == have


def all_covered(granted: Iterable[str], wanted: Iterable[str]) -> bool:
    """Whether the granted scopes contain each of the wanted ones."""
    have = tuple(granted)
    return all(any(covers(g, w) for g in have) for w in wanted)


def missing(granted: Iterable[str] | None, need: str, module: str | None = None) -> tuple[str, ...]:
    """The scopes that a need lacks; empty if `granted` is None: Zoho did not name them, so the call will show it."""
    if granted is None:
        return ()
    have = tuple(granted)
    return tuple(s for s in requires(need, module) if not any(covers(g, s) for g in have))


def allows(granted: Iterable[str] | None, need: str, module: str | None = None) -> bool:
    """Whether the granted scopes cover a need."""
    return not missing(granted, need, module)


def parse(text: str | None) -> tuple[str, ...] | None:
    """The scopes of a token answer, separated by spaces or, as in the authorisation URL, by commas; None if absent."""
    names = tuple(dict.fromkeys(re.split(r"[\s,]+", text.strip()))) if text and text.strip() else ()
    return names or None


def decisive(path: str) -> str | None:
    """The scope that is surely missing when Zoho refuses this path.

    None for paths of records, and for those whose scope Zoho's pages do not name clearly (business hours, holidays).
    """
    settings = _SETTINGS_PATH.search(path)
    if settings:
        return _NEEDS[settings[1]][0] if settings[1] in ("modules", "fields", "layouts", "pipeline") else None
    if _BULK_PATH.search(path):
        return _NEEDS["bulk"][0]
    last = path.rstrip("/").rpartition("/")[2]
    return _NEEDS[last][0] if last in ("org", "coql", "count") else None


def required_by_path(path: str) -> tuple[str, ...]:
    """The scopes that a call on this path needs, for the message of a refusal; empty for an unknown path."""
    settings = _SETTINGS_PATH.search(path)
    if settings:
        return _NEEDS.get(settings[1], ())
    if _BULK_PATH.search(path):
        return requires("bulk")
    if path.endswith("/actions/watch"):
        return _NEEDS["notifications"]
    record = _RECORD_PATH.match(path)
    if record is None:
        return ()
    name, part = record[1], (record[2] or "").lower()
    if name in ("users", "org", "coql"):
        return requires(name)
    if path.endswith("/actions/count"):
        return requires("count", name)
    return requires(part if part in ("notes", "emails") else "records", name)
