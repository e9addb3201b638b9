"""A call to the CRM API whose token is known, and the form of an entry in the table of routes."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from zoho_pipeline.simulator.clock import ZoneFormat
from zoho_pipeline.simulator.hub import Hub
from zoho_pipeline.simulator.query.bulk_jobs import BulkDesk
from zoho_pipeline.simulator.query.render import render_page
from zoho_pipeline.simulator.state.org import Org
from zoho_pipeline.simulator.state.store import ModuleStore, Row
from zoho_pipeline.simulator.state.tokens import Grant
from zoho_pipeline.simulator.state.users import User
from zoho_pipeline.simulator.wire import Answer, Refusal, Request, no_permission


@dataclass
class Call:
    """A request, and the org, the user and the grant of its token."""

    hub: Hub
    request: Request
    org: Org
    bulk: BulkDesk
    user: User
    grant: Grant
    parts: dict[str, str]

    @property
    def query(self) -> dict[str, str]:
        """The parameters of the query string."""
        return self.request.query

    @property
    def zone(self) -> ZoneFormat:
        """Writes instants in the time zone of the token's user."""
        return ZoneFormat.of(self.user.time_zone)

    def module(self, api_name: str | None = None) -> ModuleStore:
        """The module of the path, or the given one; raises Refusal when this user has no such module."""
        name = self.parts["module"] if api_name is None else api_name
        store = self.org.modules.get(name)
        if store is None or not store.api_supported or name in self.user.hidden_modules:
            raise Refusal(
                400, "INVALID_MODULE", "the module name given seems to be invalid", {"resource_path_index": 0}
            )
        if name in self.user.denied_modules:
            raise no_permission(f"Crm_Implied_View_{name}")
        return store

    def readable(self, store: ModuleStore, name: str) -> bool:
        """True when the field exists for this user."""
        return name in store.fields and name not in self.user.hidden_fields.get(store.api_name, ())

    def rendered(
        self, store: ModuleStore, rows: Iterable[Row], fields: Sequence[str], *, bare_lookups: bool = False
    ) -> list[bytes]:
        """Rows as JSON in the user's time zone; see `render_page`."""
        zone = self.user.time_zone
        return render_page(self.org, self.hub.switches, store, rows, fields, zone, bare_lookups=bare_lookups)


Scopes = Callable[[Call], list[tuple[str, ...]]]
"""Gives the scopes of a call: it needs one scope of each tuple."""


def ordinary_price(_: Call) -> int:
    """1 credit, the price of most calls."""
    return 1


def never(_: Call) -> bool:
    """For routes that the sub-limit of simultaneous calls does not count."""
    return False


@dataclass(frozen=True)
class Route:
    """A family of calls: path, methods, handler, scopes, price in credits, and whether the sub-limit counts it."""

    pattern: re.Pattern[str]
    methods: tuple[str, ...]
    handler: Callable[[Call], Answer]
    scopes: Scopes
    price: Callable[[Call], int] = ordinary_price
    sub_limited: Callable[[Call], bool] = never
    params: frozenset[str] = field(default_factory=frozenset)


def route(
    path: str,
    handler: Callable[[Call], Answer],
    scopes: Scopes,
    *,
    methods: tuple[str, ...] = ("GET",),
    price: Callable[[Call], int] = ordinary_price,
    sub_limited: Callable[[Call], bool] = never,
    params: str = "",
    bulk: bool = False,
) -> Route:
    """Make a route below `/crm/v7` (any version from 2 to 8); `{name}` matches one segment of the path."""
    base = r"/crm/bulk/v[2-8]" if bulk else r"/crm/v[2-8]"
    pattern = re.compile(base + re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path) + r"/?$")
    return Route(pattern, methods, handler, scopes, price, sub_limited, frozenset(params.split()))
