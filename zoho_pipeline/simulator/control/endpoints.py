"""The control plane: everything that a test or a demo does to the simulator, over HTTP under `/_control/`.

`POST /_control/{operation}` takes a JSON object of arguments and answers `{"result": …}`. A mistake answers 400
with `{"error": …}`. An operation without its argument `org` works on the first org, without `user` on its admin.
"""

import inspect
from collections.abc import Callable
from typing import Any

import orjson

from zoho_pipeline.simulator.control import snapshot_file
from zoho_pipeline.simulator.hub import Hub
from zoho_pipeline.simulator.org_handle import OrgHandle
from zoho_pipeline.simulator.state.users import User
from zoho_pipeline.simulator.wire import Answer, Request, SimulatorError, as_json


def handle(hub: Hub, request: Request) -> Answer:
    """Answer a call of the control plane. GET takes the arguments from the query string."""
    name = request.path.removeprefix("/_control/").strip("/")
    try:
        arguments = orjson.loads(request.body) if request.body else dict(request.query)
        return as_json({"result": run(hub, name, arguments)})
    except (SimulatorError, KeyError, TypeError, ValueError) as error:
        return as_json({"error": f"{name}: {error}"}, 400)


def run(hub: Hub, name: str, arguments: dict[str, Any]) -> Any:
    """Run an operation by name; raises SimulatorError for an unknown operation and for wrong arguments."""
    operation = OPERATIONS.get(name)
    if operation is None:
        raise SimulatorError(f"unknown operation; the operations are: {', '.join(sorted(OPERATIONS))}")
    try:
        inspect.signature(operation).bind(hub, **arguments)
    except TypeError as error:
        raise SimulatorError(str(error)) from None
    return operation(hub, **arguments)


def _org(hub: Hub, org: str | None) -> OrgHandle:
    if org is not None:
        return hub.orgs[org]
    if not hub.orgs:
        raise SimulatorError("there is no org yet; add one with add_org")
    return next(iter(hub.orgs.values()))


def _user(hub: Hub, org: str | None, user: str | None) -> User:
    found = _org(hub, org)
    return found.admin if user is None else found.users[user]


def orgs(hub: Hub) -> list[dict[str, Any]]:
    """List the orgs with their users and the number of rows per module."""
    return [
        {"id": o.id, "name": o.name, "time_zone": o.time_zone, "currency": o.currency, "edition": o.edition,
         "location": o.location, "users": [u.brief() for u in o.users.values()],
         "rows": {name: len(m.rows) for name, m in o.modules.items()}}
        for o in (handle.state for handle in hub.orgs.values())
    ]  # fmt: skip


def add_org(hub: Hub, **options: Any) -> dict[str, str]:
    """Add an org (options of `Hub.add_org`); returns its id and the id of its admin."""
    org = hub.add_org(**options)
    return {"id": org.id, "admin": org.admin.id}


def add_user(hub: Hub, org: str | None = None, **options: Any) -> str:
    """Add a user (options of `setup.add_user`); returns its id."""
    return _org(hub, org).add_user(**options).id


def update_user(hub: Hub, user: str, org: str | None = None, **values: Any) -> None:
    _org(hub, org).update_user(user, **values)


def delete_user(hub: Hub, user: str, org: str | None = None) -> None:
    _org(hub, org).delete_user(user)


def deactivate_user(hub: Hub, user: str, org: str | None = None) -> None:
    _org(hub, org).deactivate_user(user)


def see(hub: Hub, module: str, org: str | None = None, user: str | None = None, rows: Any = None,
        hide: list[str] | None = None, show: list[str] | None = None) -> None:  # fmt: skip
    """Set which rows of a module a user sees: `rows` all | own | none | [ids], ids to `hide`, ids to `show` again."""
    found = _user(hub, org, user)
    if rows is not None:
        found.limit_rows(module, rows if isinstance(rows, str) else set(rows))
    found.hide_rows(module, set(hide or ()))
    found.show_rows(module, set(show or ()))


def see_field(
    hub: Hub, module: str, field: str, visible: bool, org: str | None = None, user: str | None = None
) -> None:
    """Show a field to a user, or hide it."""
    found = _user(hub, org, user)
    (found.show_field if visible else found.hide_field)(module, field)


def see_module(hub: Hub, module: str, access: str, org: str | None = None, user: str | None = None) -> None:
    """`access`: open | hidden (INVALID_MODULE) | denied (403 NO_PERMISSION)."""
    found = _user(hub, org, user)
    found.show_module(module)
    if access == "hidden":
        found.hide_module(module)
    elif access == "denied":
        found.deny_module(module)


def add_custom_field(hub: Hub, module: str, api_name: str, label: str, data_type: str = "text",
                     org: str | None = None, picks: list[str] | None = None) -> str:  # fmt: skip
    return _org(hub, org).add_custom_field(module, api_name, label, data_type, picks=picks or ()).id


def remove_field(hub: Hub, module: str, api_name: str, org: str | None = None) -> None:
    _org(hub, org).remove_field(module, api_name)


def add_module(hub: Hub, module: str, fields: str, org: str | None = None) -> None:
    """Add a custom module; `fields` are words such as `Name:text! Seats:integer` (see `setup.add_module`)."""
    _org(hub, org).add_module(module, fields)


def remove_module(hub: Hub, module: str, org: str | None = None) -> None:
    _org(hub, org).remove_module(module)


def enable_status_history(hub: Hub, org: str | None = None, **options: str) -> None:
    _org(hub, org).enable_status_history(**options)


def enable_multi_currency(hub: Hub, org: str | None = None) -> None:
    _org(hub, org).enable_multi_currency()


def set_business_hours(hub: Hub, hours: dict[str, Any] | None, org: str | None = None) -> None:
    _org(hub, org).set_business_hours(hours)


def add_holiday(hub: Hub, name: str, date: str, org: str | None = None) -> None:
    _org(hub, org).add_holiday(name, date)


def add_client(hub: Hub, client_id: str, client_secret: str, redirect_uris: list[str] | None = None) -> None:
    hub.tokens.add_client(client_id, client_secret, set(redirect_uris or ()))


def grant(
    hub: Hub, client_id: str, client_secret: str, scopes: Any, org: str | None = None, user: str | None = None
) -> str:
    """Register a client and return a refresh token, as a consent would give."""
    return _org(hub, org).grant(client_id, client_secret, scopes, user)


def insert(hub: Hub, module: str, values: dict[str, Any], org: str | None = None) -> str:
    """Add a row in Zoho's shape; returns its id."""
    return _org(hub, org).insert(module, values)


def insert_many(hub: Hub, module: str, rows: list[dict[str, Any]], org: str | None = None) -> list[str]:
    """Add rows in Zoho's shape; returns their ids in order."""
    return _org(hub, org).insert_many(module, rows)


def update(hub: Hub, module: str, id: str, values: dict[str, Any], touch: bool = True, org: str | None = None) -> None:
    _org(hub, org).update(module, id, values, touch=touch)


def delete(hub: Hub, module: str, id: str, permanent: bool = False, org: str | None = None) -> None:
    _org(hub, org).delete(module, id, permanent=permanent)


def restore(hub: Hub, module: str, id: str, org: str | None = None) -> None:
    _org(hub, org).restore(module, id)


def convert(hub: Hub, id: str, org: str | None = None, **choices: Any) -> dict[str, str | None]:
    """Convert a lead; see `changes.convert` for the choices."""
    return _org(hub, org).convert(id, **choices)


def refuse_writes(hub: Hub, id: str, code: str | None = None, org: str | None = None) -> None:
    """Refuse changes of a record by the API with this code; without a code they are taken again."""
    _org(hub, org).refuse_writes(id, code)


def subscriptions(hub: Hub, org: str | None = None) -> list[dict[str, Any]]:
    """List the channels of `/actions/watch`, without their tokens, and the number of deliveries that wait."""
    found = _org(hub, org).state
    hidden = {"token": "***"}
    waiting = {"waiting": len(found.board.waiting)}
    return [vars(channel) | hidden | waiting for channel in found.board.subscriptions.values()]


def merge(hub: Hub, module: str, winner: str, loser: str, org: str | None = None) -> None:
    """Merge the row `loser` into the row `winner`."""
    _org(hub, org).merge(module, winner, loser)


def add_email(hub: Hub, id: str, org: str | None = None, **mail: Any) -> str:
    """Add a mail to a record; returns its message id."""
    return _org(hub, org).add_email(id, **mail)


def rows(hub: Hub, module: str, org: str | None = None, user: str | None = None, zone: str | None = None) -> Any:
    """Every live row that a user sees, with all fields; see `OrgHandle.rows`."""
    return _org(hub, org).rows(module, user, zone=zone)


def clock(hub: Hub, set: str | None = None, advance: float | None = None, freeze: bool | None = None) -> str:
    """Set, move, freeze (true) or resume (false) the clock, then return its time (ISO, UTC)."""
    if set is not None:
        hub.clock.set(set)
    if advance is not None:
        hub.clock.advance(float(advance))
    if freeze is not None:
        hub.clock.freeze() if freeze else hub.clock.resume()
    return hub.clock.now().isoformat(timespec="seconds")


def fault(hub: Hub, n: int, kind: str, **options: Any) -> None:
    """Let the next `n` calls fail; see `Faults.next` for the options."""
    hub.faults.next(n, kind, **options)


def clear_faults(hub: Hub) -> None:
    hub.faults.clear()


def switches(hub: Hub, **values: Any) -> dict[str, Any]:
    """Set the given switches, then return all."""
    hub.switches.update(**values)
    return hub.switches.as_dict()


def on_call(hub: Hub, k: int, do: list[dict[str, Any]], path: str = "/crm/", after: bool = False) -> None:
    """Run operations (`[{"op": "update", …}]`) at the k-th call from now whose path contains `path`."""
    for step in do:
        if step.get("op") not in OPERATIONS:
            raise SimulatorError(f"unknown operation {step.get('op')}")
    hub.on_call(
        k, lambda: [run(hub, s["op"], {n: v for n, v in s.items() if n != "op"}) for s in do], path, after=after
    )


def requests(hub: Hub, since: int = 0) -> list[dict[str, Any]]:
    """The answered calls, from number `since` on (0: the first)."""
    return [call.as_dict() for call in hub.requests[int(since) :]]


def clear_requests(hub: Hub) -> None:
    hub.requests.clear()


def credits(hub: Hub, org: str | None = None, limit: int | None = None) -> dict[str, int]:
    """Set the limit of the day when it is given, then return it with the credits of the last 24 hours."""
    found = _org(hub, org)
    if limit is not None:
        found.credit_limit_override = limit
    return {"used": found.credits_used, "limit": found.credit_limit}


def reset(hub: Hub) -> None:
    """Forget everything but the address."""
    hub.reset()


def save(hub: Hub, path: str) -> None:
    """Write a snapshot file on the machine of the simulator."""
    snapshot_file.save(hub, path)


OPERATIONS: dict[str, Callable[..., Any]] = {
    operation.__name__: operation
    for operation in (
        orgs, add_org, add_user, update_user, delete_user, deactivate_user, see, see_field, see_module,
        add_custom_field, remove_field, add_module, remove_module, enable_status_history, enable_multi_currency,
        set_business_hours, add_holiday, add_client, grant, insert, insert_many, update, delete, restore, convert,
        merge, refuse_writes, subscriptions, add_email, rows, clock, fault, clear_faults, switches, on_call, requests,
        clear_requests, credits,
        reset, save,
    )
}  # fmt: skip
