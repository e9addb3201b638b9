"""The HTTP messages: a request as handlers see it, an answer, and the errors of Zoho."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import orjson

JSON_TYPE = "application/json;charset=UTF-8"

T = TypeVar("T")


@dataclass
class Request:
    """One HTTP request. Header names are in lower case; of a repeated parameter the last value counts."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes = b""

    def form(self) -> dict[str, str]:
        """Parameters of the query string and of the form body; the body wins. Zoho's token endpoint takes both."""
        return self.query | dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))

    def json(self) -> Any:
        """The body as JSON; raises Refusal when it is not JSON."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            raise Refusal(400, "INVALID_DATA", "body is not valid json", {}) from None


@dataclass
class Answer:
    """One HTTP answer with its encoded body."""

    status: int = 200
    body: bytes = b""
    content_type: str = JSON_TYPE
    headers: dict[str, str] = field(default_factory=dict)
    is_endless: bool = False  # blanks follow the body until the client closes the connection
    body_later: Callable[[], bytes] | None = None  # makes a large body after the lock is released


class Refusal(Exception):
    """An error of the API: `{"code", "details", "message", "status": "error"}` with its HTTP status."""

    def __init__(self, status: int, code: str, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status, self.code, self.message, self.details = status, code, message, details or {}

    def answer(self) -> Answer:
        body = {"code": self.code, "details": self.details, "message": self.message, "status": "error"}
        return Answer(self.status, orjson.dumps(body))


class SimulatorError(Exception):
    """A caller asked for something impossible: an unknown module, field, user, fault, or the like."""


def as_json(body: Any, status: int = 200) -> Answer:
    """An answer with a JSON body."""
    return Answer(status, orjson.dumps(body))


def no_content() -> Answer:
    """204: Zoho's answer when there are no rows."""
    return Answer(204)


def not_modified() -> Answer:
    """304: nothing is newer than `If-Modified-Since`."""
    return Answer(304)


def bad_value(param: str, **details: Any) -> Refusal:
    """A parameter has a value that Zoho does not take."""
    return Refusal(400, "INVALID_DATA", f"the value of {param} is invalid", {"param_name": param, **details})


def missing_param(param: str) -> Refusal:
    """A required parameter is missing."""
    message = "One of the expected parameter is missing"
    return Refusal(400, "REQUIRED_PARAM_MISSING", message, {"param_name": param})


def over_limit(param: str, limit: int) -> Refusal:
    """A parameter goes beyond its limit."""
    return Refusal(400, "LIMIT_EXCEEDED", f"{param} goes over its limit", {"param_name": param, "limit": limit})


def scope_mismatch() -> Refusal:
    """The token lacks a scope that the call needs."""
    return Refusal(401, "OAUTH_SCOPE_MISMATCH", "invalid oauth scope to access this URL")


def no_permission(permission: str) -> Refusal:
    """The user's profile lacks a permission."""
    return Refusal(403, "NO_PERMISSION", "permission denied", {"permissions": [permission]})


def unknown_url() -> Refusal:
    """No call has this path."""
    return Refusal(404, "INVALID_URL_PATTERN", "Please check if the URL trying to access is a correct one")


def ambiguous(*params: str) -> Refusal:
    """Parameters that exclude each other."""
    details = {"ambiguity_due_to": [{"param_name": param} for param in params]}
    return Refusal(400, "AMBIGUITY_DURING_PROCESSING", "Ambiguity while processing the request", details)


def whole_number(query: dict[str, str], param: str, default: int) -> int:
    """Read a positive whole number from the query string; raises Refusal PATTERN_NOT_MATCHED for other text."""
    text = query.get(param)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise Refusal(
            400,
            "PATTERN_NOT_MATCHED",
            f"Please check whether the input value of {param} is correct",
            {"param_name": param},
        )
    return int(text)


def page_size(query: dict[str, str]) -> int:
    """`per_page`: 200 is the default and the highest value."""
    size = whole_number(query, "per_page", 200)
    if size > 200:
        raise over_limit("per_page", 200)
    return size


def cut_page(found: Sequence[T], size: int, page: int) -> tuple[Sequence[T], dict[str, Any]]:
    """The items of a page (1: the first) and its `info`."""
    part = found[(page - 1) * size : page * size]
    return part, page_info(size, len(part), page, more=len(found) > page * size)


def page_info(size: int, count: int, page: int, *, more: bool) -> dict[str, Any]:
    """`info` of a page: rows per page, rows on it, its number, and whether more follow."""
    return {"per_page": size, "count": count, "page": page, "more_records": more}
