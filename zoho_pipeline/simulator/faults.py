"""Faults to order: the next n answers that fit go wrong in a chosen way."""

from dataclasses import dataclass
from typing import Any

from zoho_pipeline.simulator.clock import Clock
from zoho_pipeline.simulator.wire import Answer, Refusal, Request, SimulatorError

KINDS = {
    "concurrency": "429 as for too many simultaneous calls",
    "credits": "429 as for a day's credits used up, X-API-CREDITS-REMAINING: 0",
    "server_error": "500 INTERNAL_ERROR",
    "bad_gateway": "502 with an HTML page",
    "reset": "the connection is reset before any answer",
    "reset_after": "the call is done, then the connection is reset before its answer",
    "slow": "the answer comes `seconds` later (default 1)",
    "truncated": "the body ends halfway",
    "bad_json": "200 with a body that is no JSON",
    "wrong_content_type": "200 with an HTML page",
    "empty_body": "200 with nothing in it",
    "expired_token": "the access token is dead from now on: 401 INVALID_TOKEN",
    "scope": "401 OAUTH_SCOPE_MISMATCH",
    "no_permission": "403 NO_PERMISSION",
    "throttle": "the token endpoint's Access Denied",
    "wrong_date": "the answer's Date header stands `seconds` ahead of the clock (negative: behind)",
    "no_date": "the answer has no Date header",
    "bad_date": "the answer's Date header is no date",
}
_HTML = b"<html><body><h1>We are sorry</h1></body></html>"


@dataclass
class Fault:
    """One ordered fault."""

    kind: str
    path: str
    left: int
    skip: int
    seconds: float


class Faults:
    """Faults in the order they were ordered; each call takes the first that fits its path."""

    def __init__(self) -> None:
        self._ordered: list[Fault] = []
        self.fired: list[tuple[str, str]] = []

    def next(self, n: int, kind: str, path: str = "/crm/", *, after: int = 0, seconds: float = 1.0) -> None:
        """The next `n` calls whose path contains `path` fail as `kind`, after `after` that go well."""
        if kind not in KINDS:
            raise SimulatorError(f"no fault {kind}; there are: {', '.join(KINDS)}")
        self._ordered.append(Fault(kind, path, n, after, seconds))

    def clear(self) -> None:
        self._ordered.clear()

    @property
    def pending(self) -> int:
        return sum(fault.left for fault in self._ordered)

    def take(self, request: Request) -> Fault | None:
        """The fault this call meets, if any."""
        for fault in self._ordered:
            if fault.path not in request.path:
                continue
            if fault.skip:
                fault.skip -= 1
                continue
            fault.left -= 1
            if fault.left <= 0:
                self._ordered.remove(fault)
            self.fired.append((fault.kind, request.path))
            return fault
        return None


def refusal_of(kind: str) -> Answer | None:
    """The answer of a fault that takes the place of the handler's; None for those that spoil it."""
    if kind == "server_error":
        return Refusal(500, "INTERNAL_ERROR", "Internal Server Error").answer()
    if kind == "bad_gateway":
        return Answer(502, _HTML, "text/html")
    if kind == "scope":
        return Refusal(401, "OAUTH_SCOPE_MISMATCH", "invalid oauth scope to access this URL").answer()
    if kind == "no_permission":
        details: dict[str, Any] = {"permissions": ["Crm_Implied_Api_Access"]}
        return Refusal(403, "NO_PERMISSION", "permission denied", details).answer()
    if kind == "expired_token":
        return Refusal(401, "INVALID_TOKEN", "invalid oauth token").answer()
    return None


def misdate(fault: Fault, clock: Clock) -> str:
    """The Date header of an answer that a proxy with a clock of its own has passed on; empty: none."""
    if fault.kind == "wrong_date":
        return clock.http_date(fault.seconds)
    return "" if fault.kind == "no_date" else "yesterday"


def spoil(kind: str, answer: Answer) -> Answer:
    """A good answer gone bad on its way."""
    if kind == "bad_json":
        return Answer(200, answer.body[: max(len(answer.body) // 2, 1)] + b'"}]', answer.content_type, answer.headers)
    if kind == "wrong_content_type":
        return Answer(200, _HTML, "text/html", answer.headers)
    if kind == "empty_body":
        return Answer(200, b"", answer.content_type, answer.headers)
    return answer
