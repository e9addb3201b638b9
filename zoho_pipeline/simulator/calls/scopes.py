"""Which scopes a call needs (docs/zoho-facts.md, section 2.6)."""

from collections.abc import Iterable

from zoho_pipeline.simulator.calls.call import Call
from zoho_pipeline.simulator.state.store import ModuleStore
from zoho_pipeline.simulator.wire import scope_mismatch

READS = ("READ", "ALL")


def granted(scopes: Iterable[str], needed: list[tuple[str, ...]]) -> bool:
    """True when the token has one scope of every tuple; case does not matter."""
    held = {scope.lower() for scope in scopes}
    return all(any(name.lower() in held for name in group) for group in needed)


def require_module(call: Call, store: ModuleStore) -> None:
    """Raises Refusal when no scope of the token lets this module be read."""
    if not granted(call.grant.scopes, [module_read(scope_name(call, store.api_name))]):
        raise scope_mismatch()


def module_read(api_name: str) -> tuple[str, ...]:
    """The scopes that let a client read a module: those of all modules and those of this one."""
    name = PARENTS.get(api_name, api_name).lower()
    return tuple(f"ZohoCRM.modules.{part}{kind}" for part in ("", f"{name}.") for kind in READS)


def scope_name(call: Call, api_name: str) -> str:
    """The name of a module in scopes: all custom modules have the scope `custom`."""
    store = call.org.modules.get(api_name)
    return "custom" if store is not None and store.generated_type == "custom" else api_name


PARENTS = {"DealHistory": "deals", "Lead_Status_History": "leads"}


def any_module_read(call: Call) -> tuple[str, ...]:
    """The scopes that let a client read at least one module. The handler checks the module that the body names."""
    names = {scope_name(call, name): None for name in call.org.modules}
    return tuple(dict.fromkeys(scope for name in names for scope in module_read(name)))


def of_module(call: Call) -> list[tuple[str, ...]]:
    """One scope that reads the module of the path."""
    return [module_read(scope_name(call, call.parts["module"]))]


def of_watch(call: Call) -> list[tuple[str, ...]]:
    """A scope of notifications for the method, and one that reads a module."""
    kinds = {"GET": ("READ",), "POST": ("CREATE", "WRITE"), "DELETE": ("DELETE",)}
    allowed = (*kinds.get(call.request.method, ("UPDATE", "WRITE")), "ALL")
    return [tuple(f"ZohoCRM.notifications.{kind}" for kind in allowed), any_module_read(call)]


def of_update(call: Call) -> list[tuple[str, ...]]:
    """A scope that changes the records of the module of the path."""
    name = call.parts["module"].lower()
    kinds = ("UPDATE", "WRITE", "ALL")
    return [tuple(f"ZohoCRM.modules.{part}{kind}" for part in ("", f"{name}.") for kind in kinds)]


def of_settings(*areas: str) -> "Settings":
    """The scopes of calls below /settings that concern these areas."""
    return Settings(areas)


class Settings:
    """`ZohoCRM.settings.ALL` or `.READ`, or the scopes of one area."""

    def __init__(self, areas: tuple[str, ...]) -> None:
        self._group = tuple(
            f"ZohoCRM.settings.{part}{kind}" for part in ("", *(f"{a}." for a in areas)) for kind in READS
        )

    def __call__(self, _: Call) -> list[tuple[str, ...]]:
        return [self._group]


def of_users(_: Call) -> list[tuple[str, ...]]:
    """A scope that reads users."""
    return [tuple(f"ZohoCRM.users.{kind}" for kind in READS)]


def of_org(_: Call) -> list[tuple[str, ...]]:
    """A scope that reads the org."""
    return [tuple(f"ZohoCRM.org.{kind}" for kind in READS)]


def of_coql(call: Call) -> list[tuple[str, ...]]:
    """A scope for COQL, and one that reads a module."""
    return [tuple(f"ZohoCRM.coql.{kind}" for kind in READS), any_module_read(call)]


def of_bulk(call: Call) -> list[tuple[str, ...]]:
    """A scope for Bulk Read, and one that reads a module."""
    return [tuple(f"ZohoCRM.bulk.{kind}" for kind in READS), any_module_read(call)]


def of_count(call: Call) -> list[tuple[str, ...]]:
    """The scope for searches, and one that reads the module of the path."""
    return [("ZohoSearch.securesearch.READ",), *of_module(call)]


def of_related(call: Call) -> list[tuple[str, ...]]:
    """A scope of the parent module, and for notes, activities and mails a scope of their own too."""
    needed = of_module(call)
    related = call.parts["related"]
    if related == "Emails":
        needed.append(tuple(f"ZohoCRM.modules.emails.{kind}" for kind in READS))
    elif related in call.org.modules:
        needed.append(module_read(scope_name(call, related)))
    return needed
