"""Faults that a test orders: the next n matching calls fail in a chosen way."""

import zlib
from dataclasses import dataclass

from zoho_pipeline.simulator.clock import Clock
from zoho_pipeline.simulator.wire import Answer, Refusal, Request, SimulatorError, no_permission, scope_mismatch

KINDS = {
    "concurrency": "429, as for too many simultaneous calls",
    "credits": "429 with X-API-CREDITS-REMAINING: 0, as when the credits of the day are used up",
    "server_error": "500 INTERNAL_ERROR",
    "bad_gateway": "502 with an HTML page",
    "reset": "the connection is reset before the call is handled",
    "reset_after": "the call is handled, then the connection is reset instead of an answer",
    "slow": "the answer comes `seconds` later (default: 1)",
    "truncated": "the body ends after half of its length",
    "bad_json": "200 with a body that is not JSON",
    "wrong_content_type": "200 with an HTML page",
    "empty_body": "200 with an empty body",
    "expired_token": "401 INVALID_TOKEN, and the access token stays revoked",
    "scope": "401 OAUTH_SCOPE_MISMATCH",
    "no_permission": "403 NO_PERMISSION",
    "throttle": "the answer `Access Denied` of the token endpoint",
    "wrong_date": "the Date header of the answer is `seconds` ahead of the clock (negative: behind)",
    "no_date": "the answer has no Date header",
    "bad_date": "the Date header of the answer is not a date",
    "header": "the answer has the header that `text` gives, such as `date: yesterday`",
    "body": "200 with `text` as its JSON body, valid or not",
    "endless": "the body begins as it should, and never ends",
    "gzip_bomb": "a gzip body of 3 MB that unpacks to 3 GB",
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
    text: str


class Faults:
    """The ordered faults, oldest first. A call takes the first fault that matches its path."""

    def __init__(self) -> None:
        self._ordered: list[Fault] = []
        self.fired: list[tuple[str, str]] = []

    def next(
        self, n: int, kind: str, path: str = "/crm/", *, after: int = 0, seconds: float = 1.0, text: str = ""
    ) -> None:
        """Let `n` calls whose path contains `path` fail as `kind`; the first `after` of them still succeed."""
        if kind not in KINDS:
            raise SimulatorError(f"unknown fault {kind}; the faults are: {', '.join(KINDS)}")
        self._ordered.append(Fault(kind, path, n, after, seconds, text))

    def clear(self) -> None:
        """Drop the ordered faults."""
        self._ordered.clear()

    @property
    def pending(self) -> int:
        """The number of calls that ordered faults still wait for."""
        return sum(fault.left for fault in self._ordered)

    def take(self, request: Request) -> Fault | None:
        """The fault that this call meets; None when it meets none."""
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
    """The answer that a fault gives instead of the handler; None for a fault that changes the handler's answer."""
    if kind == "server_error":
        return Refusal(500, "INTERNAL_ERROR", "Internal Server Error").answer()
    if kind == "bad_gateway":
        return Answer(502, _HTML, "text/html")
    if kind == "scope":
        return scope_mismatch().answer()
    if kind == "no_permission":
        return no_permission("Crm_Implied_Api_Access").answer()
    if kind == "expired_token":
        return Refusal(401, "INVALID_TOKEN", "invalid oauth token").answer()
    return None


def header_of(fault: Fault) -> dict[str, str]:
    """The header that a fault adds to an answer."""
    name, _, value = fault.text.partition(":")
    return {name.strip().lower(): value.strip()} if fault.kind == "header" else {}


def gzip_bomb() -> bytes:
    """A gzip body: a flushed block of 1 MB of blanks, 3,000 times. Its end, which has the checksum, is missing."""
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    start = packer.compress(b" ") + packer.flush(zlib.Z_FULL_FLUSH)
    return start + 3_000 * (packer.compress(b" " * (1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH))


def misdate(fault: Fault, clock: Clock) -> str:
    """The Date header that a proxy with a clock of its own puts on an answer; empty means no header."""
    if fault.kind == "wrong_date":
        return clock.http_date(fault.seconds)
    return "" if fault.kind == "no_date" else "yesterday"


def _with_body(status: int) -> int:
    """The status, or 200 instead of one that has no body."""
    return 200 if status in (204, 304) else status


def spoil(fault: Fault, answer: Answer) -> Answer:
    """Change a good answer as the fault says."""
    kind = fault.kind
    if kind == "body":
        return Answer(200, fault.text.encode("utf-8", "surrogateescape"), headers=answer.headers)
    if kind == "gzip_bomb":
        headers = answer.headers | {"content-encoding": "gzip"}
        return Answer(_with_body(answer.status), gzip_bomb(), answer.content_type, headers)
    if kind == "endless":
        answer.status, answer.is_endless = _with_body(answer.status), True
    if kind == "bad_json":
        return Answer(200, answer.body[: max(len(answer.body) // 2, 1)] + b'"}]', answer.content_type, answer.headers)
    if kind == "wrong_content_type":
        return Answer(200, _HTML, "text/html", answer.headers)
    if kind == "empty_body":
        return Answer(200, b"", answer.content_type, answer.headers)
    return answer
