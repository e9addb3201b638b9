"""Credits of the rolling day, simultaneous calls, and the answers beyond them (docs/zoho-facts.md, section 10)."""

from zoho_pipeline.simulator.hub import Hub
from zoho_pipeline.simulator.state.credits import EDITIONS
from zoho_pipeline.simulator.state.org import Org
from zoho_pipeline.simulator.wire import Answer, Refusal

SUB_LIMIT = 10
"""The limit of simultaneous sorted reads, COQL calls and the like, in every edition."""


def rate_limited(hub: Hub) -> Refusal:
    """429: Zoho gives the same text for both causes, without Retry-After."""
    message = "Too many requests fired in concurrency or the API credits of the day are used up. Try again later."
    return Refusal(429, hub.switches.rate_limit_code, message)


def spend(hub: Hub, org: Org, price: int) -> None:
    """Count the credits of a call; raises Refusal when the credits of the day are used up."""
    now = hub.clock.epoch()
    if hub.switches.enforce_credits and org.credits.used(now) + price > org.credit_limit:
        raise rate_limited(hub)
    org.credits.spend(now, price)


def enter(hub: Hub, org: Org, client_id: str, *, sub_limited: bool) -> None:
    """Count a call that begins; raises Refusal when the org and client have too many simultaneous calls."""
    now, peak = org.in_flight.setdefault(client_id, [0, 0]), org.peak.setdefault(client_id, [0, 0])
    limit = EDITIONS[org.edition].simultaneous
    if hub.switches.enforce_concurrency and (now[0] >= limit or (sub_limited and now[1] >= SUB_LIMIT)):
        raise rate_limited(hub)
    now[0] += 1
    now[1] += sub_limited
    peak[0], peak[1] = max(peak[0], now[0]), max(peak[1], now[1])


def leave(org: Org, client_id: str, *, sub_limited: bool) -> None:
    """Count a call that ends."""
    now = org.in_flight[client_id]
    now[0] -= 1
    now[1] -= sub_limited


def mark_remaining(hub: Hub, org: Org, answer: Answer) -> None:
    """Add `X-API-CREDITS-REMAINING` to the answer when half of the day's credits are used."""
    used, limit = org.credits.used(hub.clock.epoch()), org.credit_limit
    if used * 2 >= limit:
        answer.headers["x-api-credits-remaining"] = str(max(limit - used, 0))
