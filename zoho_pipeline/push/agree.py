"""Agree with Zoho on the events of a subscription: one refused event refuses the whole entry.

The name of meetings in events is not settled (`Events` or `Meetings`), and an org may hide a module. So a refused event
gets its other name, or is left out, and the entry is sent again.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from zoho_pipeline.zoho.errors import InvalidRequest
from zoho_pipeline.zoho.watch.subscriptions import Entry, Result

OTHER_NAME = {"Events": "Meetings"}
SUBSCRIBED = "subscribed"
UNCONFIRMED = "Zoho does not confirm it"
"""Zoho accepted the entry, and does not name the module of this event. It is asked for again."""

Send = Callable[[Entry], Result]


@dataclass(frozen=True)
class Agreement:
    """What came of one entry. `outcomes`: event → `SUBSCRIBED`, `UNCONFIRMED`, or why not, in Zoho's words."""

    result: Result
    outcomes: dict[str, str]

    @property
    def accepted(self) -> bool:
        return self.result.accepted and SUBSCRIBED in self.outcomes.values()


def agree(send: Send, entry: Entry) -> Agreement:
    """Send an entry until Zoho accepts it with the events that it takes, or refuses it for another reason."""
    outcomes: dict[str, str] = {}
    events = list(entry.events)
    result = Result("no event was left")
    for _ in range(2 * len(entry.events) + 2):
        if not events:
            return Agreement(result, outcomes)
        result = _sent(send, replace(entry, events=tuple(events)))
        if result.accepted:
            return Agreement(result, outcomes | {event: _outcome(event, result) for event in events})
        if not _is_about_events(result):
            break
        named = str(result.details.get("value", ""))
        refused = [named] if named in events else _refused_alone(send, entry, events)
        if not refused:  # each is accepted alone, and not all together
            break
        for event in refused:
            outcomes[event] = _why(result)
            events = _without(events, event)
    return Agreement(result, outcomes | {event: _why(result) for event in events})


def _refused_alone(send: Send, entry: Entry, events: Sequence[str]) -> list[str]:
    """The events that Zoho refuses when it does not say which one it means."""
    return [event for event in events if not _sent(send, replace(entry, events=(event,))).accepted]


def _without(events: Sequence[str], refused: str) -> list[str]:
    module, _, kind = refused.partition(".")
    other = f"{OTHER_NAME[module]}.{kind}" if module in OTHER_NAME else None
    return [name for event in events if (name := other if event == refused else event) is not None]


def _sent(send: Send, entry: Entry) -> Result:
    try:
        return send(entry)
    except InvalidRequest as error:  # a refusal of the call, and not of its entry
        return Result(error.code, str(error), error.details)


def _is_about_events(result: Result) -> bool:
    return result.details.get("api_name") == "events" or result.code in ("INVALID_MODULE", "EXPECTED_FIELD_MISSING")


def compare(outcomes: Mapping[str, str], there: Collection[str]) -> dict[str, str]:
    """The outcomes by what Zoho shows of the subscription when it is read. A reading without a module says nothing.

    Args:
        there: the modules whose events live.
    """
    if not there:
        return dict(outcomes)
    seen = {event: SUBSCRIBED if _names(event, there) else UNCONFIRMED for event in outcomes}
    return {event: seen[event] if was in (SUBSCRIBED, UNCONFIRMED) else was for event, was in outcomes.items()}


def _outcome(event: str, result: Result) -> str:
    return SUBSCRIBED if not result.expiries or _names(event, result.expiries) else UNCONFIRMED


def _names(event: str, modules: Collection[str]) -> bool:
    module = event.partition(".")[0]
    return not {module, *(key for key, other in OTHER_NAME.items() if other == module)}.isdisjoint(modules)


def _why(result: Result) -> str:
    return f"refused: {result.code}" + (f" ({result.message})" if result.message else "")
