"""`/actions/watch`: make, read, replace, change and end subscriptions (docs/zoho-facts.md, section 9)."""

from collections.abc import Callable, Iterable
from typing import Any

from zoho_pipeline.simulator.calls.call import Call
from zoho_pipeline.simulator.clock import to_epoch
from zoho_pipeline.simulator.state.subscriptions import EVENTS, Subscription, is_live
from zoho_pipeline.simulator.wire import Answer, Refusal, as_json, no_content, page_info, whole_number

LONGEST = 7 * 86_400
FALLBACK = 3_600
"""An expiry that is missing, past or later than a week becomes one hour, without an error."""

LONGEST_TOKEN = 50
NOT_LISTED = ("Notes", "DealHistory", "Activities")
PAGE = 200
KINDS = (*EVENTS.values(), "all")
PARAMS = "channel_id channel_ids module page per_page"


class _Bad(Exception):
    """One entry is refused; the others are not."""

    def __init__(self, code: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.body = {"code": code, "details": details, "message": message, "status": "error"}


def handle(call: Call) -> Answer:
    """Answer a call by its method."""
    return _HANDLERS[call.request.method](call)


def _create(call: Call) -> Answer:
    def one(entry: dict[str, Any]) -> dict[str, Any]:
        made = _subscription(call, entry)
        call.org.board.subscriptions[made.channel_id] = made
        return _success(call, made, "Successfully subscribed for actions-watch of the given module")

    return _each(call, one, call.hub.switches.watch_status)


def _replace(call: Call) -> Answer:
    def one(entry: dict[str, Any]) -> dict[str, Any]:
        old = _known(call, entry)
        made = _subscription(call, entry | {"token": entry.get("token", old.token)})
        call.org.board.subscriptions[made.channel_id] = made
        return _success(call, made, "Successfully updated the actions-watch")

    return _each(call, one, 200)


def _change(call: Call) -> Answer:
    def one(entry: dict[str, Any]) -> dict[str, Any]:
        old = _known(call, entry)
        events = _events(call, entry) if "events" in entry else old.events
        if entry.get("_delete_events"):
            events = [event for event in old.events if event not in events]
        kept: dict[str, Any] = {"channel_id": old.channel_id, "notify_url": old.notify_url, "token": old.token}
        kept |= {"return_affected_field_values": old.with_values, "notify_on_related_action": old.on_related}
        kept |= {"channel_expiry": call.zone(old.expires)}
        given = {name: value for name, value in entry.items() if not name.startswith("_")}
        made = _subscription(call, kept | given | {"events": events}) if events else None
        if made is None:
            del call.org.board.subscriptions[old.channel_id]
            return _success(call, old, "Successfully unsubscribed")
        call.org.board.subscriptions[made.channel_id] = made
        return _success(call, made, "Successfully updated the actions-watch")

    return _each(call, one, 200)


def _read(call: Call) -> Answer:
    wanted, module = call.query.get("channel_id"), call.query.get("module")
    now = call.hub.clock.seconds()
    found = [
        {
            "notify_on_related_action": subscription.on_related,
            "return_affected_field_values": subscription.with_values,
            "notify_url": subscription.notify_url,
            "token": subscription.token,
            **event,
        }
        for subscription in call.org.board.subscriptions.values()
        if is_live(subscription, call.org.users, now) and wanted in (None, subscription.channel_id)
        for event in _shown(call, subscription)
        if module in (None, event["resource_name"])
    ]
    page = whole_number(call.query, "page", 1)
    part = found[(page - 1) * PAGE : page * PAGE]
    if not part:
        return no_content()
    return as_json({"watch": part, "info": page_info(PAGE, len(part), page, more=len(found) > page * PAGE)})


def _end(call: Call) -> Answer:
    ids = [channel_id for channel_id in call.query.get("channel_ids", "").split(",") if channel_id]
    if not ids:
        raise Refusal(400, "REQUIRED_PARAM_MISSING", "channel_ids is missing", {"param_name": "channel_ids"})

    def one(entry: dict[str, Any]) -> dict[str, Any]:
        old = _known(call, entry)
        del call.org.board.subscriptions[old.channel_id]
        return _success(call, old, "Successfully unsubscribed")

    return _answered(_results(({"channel_id": channel_id} for channel_id in ids), one), 200)


_HANDLERS: dict[str, Callable[[Call], Answer]] = {
    "POST": _create,
    "PUT": _replace,
    "PATCH": _change,
    "GET": _read,
    "DELETE": _end,
}


def _each(call: Call, one: Callable[[dict[str, Any]], dict[str, Any]], status: int) -> Answer:
    body = call.request.json()
    entries = body.get("watch") if isinstance(body, dict) else None
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        raise Refusal(400, "MANDATORY_NOT_FOUND", "required field not found", {"api_name": "watch"})
    return _answered(_results(entries, one), status)


def _results(
    entries: Iterable[dict[str, Any]], one: Callable[[dict[str, Any]], dict[str, Any]]
) -> list[dict[str, Any]]:
    found = []
    for entry in entries:
        try:
            found.append(one(entry))
        except _Bad as refusal:
            found.append(refusal.body)
    return found


def _answered(results: list[dict[str, Any]], status: int) -> Answer:
    failed = sum(result["status"] == "error" for result in results)
    return as_json({"watch": results}, 400 if failed == len(results) else 207 if failed else status)


def _subscription(call: Call, entry: dict[str, Any]) -> Subscription:
    channel_id = _channel_id(entry)
    url, token = entry.get("notify_url"), entry.get("token")
    if not isinstance(url, str) or not url:
        raise _Bad("MANDATORY_NOT_FOUND", "required field not found", api_name="notify_url")
    if not url.startswith(("https://", "http://127.0.0.1", "http://localhost")):
        raise _Bad("INVALID_DATA", "invalid data", api_name="notify_url")
    if token is not None and (not isinstance(token, str) or len(token) > LONGEST_TOKEN):
        raise _Bad("INVALID_DATA", "invalid data", api_name="token", maximum_length=LONGEST_TOKEN)
    return Subscription(
        channel_id=channel_id,
        user_id=call.user.id,
        client_id=call.grant.client_id,
        events=_events(call, entry),
        notify_url=url,
        expires=_expiry(call, entry.get("channel_expiry")),
        token=token,
        with_values=bool(entry.get("return_affected_field_values", False)),
        on_related=bool(entry.get("notify_on_related_action", True)),
    )


def _channel_id(entry: dict[str, Any]) -> str:
    given = entry.get("channel_id")
    text = str(given) if isinstance(given, int | str) and not isinstance(given, bool) else ""
    if not text:
        raise _Bad("MANDATORY_NOT_FOUND", "required field not found", api_name="channel_id")
    if not text.isascii() or not text.isdigit() or int(text) >= 2**63:
        raise _Bad("INVALID_DATA", "invalid data", api_name="channel_id", expected_data_type="long")
    return text


def _events(call: Call, entry: dict[str, Any]) -> list[str]:
    events = entry.get("events")
    if not isinstance(events, list) or not events:
        raise _Bad("MANDATORY_NOT_FOUND", "required field not found", api_name="events")
    for event in events:
        module, _, kind = str(event).partition(".")
        api_name = "Events" if module == call.hub.switches.meetings_event else module
        is_hidden = module == "Events" and call.hub.switches.meetings_event != "Events"
        known = api_name in call.org.modules and api_name not in NOT_LISTED and not is_hidden
        if not known or kind not in KINDS or not call.user.may_open(api_name):
            raise _Bad("INVALID_DATA", "invalid data", api_name="events", value=str(event)[:100])
    return list(dict.fromkeys(str(event) for event in events))


def _expiry(call: Call, given: Any) -> int:
    now = call.hub.clock.epoch()
    try:
        asked = to_epoch(given) if isinstance(given, str) else None
    except ValueError:
        raise _Bad("INVALID_DATA", "invalid data", api_name="channel_expiry", expected_data_type="datetime") from None
    longest = call.hub.switches.watch_longest
    return asked if asked is not None and now < asked <= now + longest else now + FALLBACK


def _known(call: Call, entry: dict[str, Any]) -> Subscription:
    channel_id = _channel_id(entry)
    found = call.org.board.subscriptions.get(channel_id)
    if found is None or not is_live(found, call.org.users, call.hub.clock.seconds()):
        raise _Bad("NOT_SUBSCRIBED", "Resource is not subscribed", channel_id=channel_id)
    return found


def _success(call: Call, subscription: Subscription, message: str) -> dict[str, Any]:
    named = list(_shown(call, subscription))
    details = {"events": named[:1] if call.hub.switches.watch_names == "first" else named}
    return {"code": "SUCCESS", "details": details, "message": message, "status": "success"}


def _shown(call: Call, subscription: Subscription) -> Iterable[dict[str, Any]]:
    """One entry per module of a subscription."""
    modules = dict.fromkeys(event.partition(".")[0] for event in subscription.events)
    for module in modules:
        store = call.org.modules.get("Events" if module == call.hub.switches.meetings_event else module)
        yield {
            "channel_expiry": call.zone(subscription.expires),
            "resource_uri": f"{call.hub.url}/crm/v2/{module}",
            "resource_id": "" if store is None else store.id,
            "resource_name": module,
            "channel_id": subscription.channel_id,
        }
