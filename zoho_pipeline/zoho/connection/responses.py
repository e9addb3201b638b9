"""Turns an HTTP answer into data or the right error. The `code` in the body counts more than the status."""

import logging
import re
from collections.abc import Mapping
from typing import Any

import httpx
import orjson

from zoho_pipeline.zoho import errors, parsing
from zoho_pipeline.zoho.accounts.auth import BAD_TOKEN_CODES
from zoho_pipeline.zoho.accounts.scopes import required_by_path

log = logging.getLogger(__name__)

NO_BODY = (204, 304)
LIMIT_CODES = ("TOO_MANY_REQUESTS", "RATE_LIMIT_EXCEEDED")
MOST_VALUES = 5_000_000
"""An answer with more values than this takes more than about 600 MB of memory, whatever its size is."""
_FAULT_CODES = ("INTERNAL_ERROR", "INTERNAL_SERVER_ERROR")
_TOKEN_CODES = (*BAD_TOKEN_CODES, "AUTHENTICATION_FAILURE")
_MODULE_CODES = ("INVALID_MODULE", "MODULE_NOT_AVAILABLE")
_SUPPORT_CODES = ("NOT_SUPPORTED", "API_NOT_SUPPORTED", "MODULE_NOT_SUPPORTED")
_PAGE_TOKEN_CODES = ("EXPIRED_VALUE", "TOKEN_BOUND_DATA_MISMATCH")

_OPTIONAL = re.compile(r"/settings/|/coql$|/crm/bulk/v\d+/read$|/deleted$")
"""Families of calls that a version or an environment of Zoho may lack. A 404 for a record or a job is different."""


def dump(document: Mapping[str, Any]) -> bytes:
    """A JSON document as bytes."""
    return orjson.dumps(document)


def is_limit(status: int, body: bytes) -> bool:
    """Whether an error with another status than 429 also means a limit."""
    return status >= 400 and any(code.encode() in body for code in LIMIT_CODES)


def read(
    response: httpx.Response, body: bytes, path: str, *, lenient: bool = False, rows: str | None = None
) -> dict[str, Any] | None:
    """The JSON object of a good answer; None if it has no body (204, 304).

    Args:
        lenient: leave out the values that are no valid text (see `parsing`), instead of raising OddText.
        rows: the key of a list in which each part of the request has its own result. An answer with that list is good
            also with status 400: its results say what was refused.

    Raises:
        BadAnswer: the body is no JSON object.
        OddText: it is one, apart from single values.
        AnswerTooLarge: it has more values than an answer may have.
        ServerFault, Permanent, ReconnectNeeded: the error that Zoho names.
    """
    status = response.status_code
    if status in NO_BODY:
        return None
    what = f"{response.request.method} {path}"
    parsed = _parse(response, body, what, lenient=lenient)
    if 200 <= status < 300:
        if not isinstance(parsed, dict):
            raise errors.BadAnswer(f"{what}: Zoho answered {status} with a body that is no JSON object.")
        if parsed.get("status") != "error" or "code" not in parsed:
            return parsed
    if rows is not None and 400 <= status < 500 and isinstance(parsed, dict) and isinstance(parsed.get(rows), list):
        return parsed
    raise _error(response, parsed if isinstance(parsed, dict) else {}, what, path)


def _parse(response: httpx.Response, body: bytes, what: str, *, lenient: bool) -> Any:
    """The JSON value; None if the text or the content type is not JSON. A refusal may have any content type."""
    if response.status_code < 400 and "json" not in response.headers.get("Content-Type", "").lower():
        return None
    if len(body) > MOST_VALUES and sum(map(body.count, (b",", b"[", b"{"))) > MOST_VALUES:
        raise errors.AnswerTooLarge(f"{what}: the answer has more than {MOST_VALUES:,} values, so it was not read.")
    try:
        return parsing.parse(body)
    except ValueError:
        pass
    try:
        document = parsing.parse_leniently(body)
    except ValueError:
        return None
    if not lenient and response.status_code < 400:
        raise errors.OddText(f"{what}: a value of the answer is no valid text, or is nested too deeply.")
    log.warning("%s: the answer has values that are no valid text, or are nested too deeply. They are left out.", what)
    return document


def _error(response: httpx.Response, body: Mapping[str, Any], what: str, path: str) -> errors.ZohoError:
    status = response.status_code
    code = str(body.get("code") or "")
    details = body.get("details")
    details = details if isinstance(details, dict) else {}
    sent = response.request.headers.get("Authorization", "").rpartition(" ")[2]
    message = errors.scrub(str(body.get("message") or ""), sent)
    refusal = f"{what}: Zoho answered {status} {errors.scrub(code, sent)}".rstrip()
    refusal += f" ({message})" if message else ""
    if status >= 500 or code in _FAULT_CODES:
        return errors.ServerFault(refusal + ".")
    if code in _TOKEN_CODES:
        return errors.TokenRefused(
            f"{refusal}. It refuses a new access token too: the user may be deactivated, or the token belongs to "
            "another data center or environment.",
            "Connect the channel again.",
        )
    if code == "INVALID_HOST":
        return errors.WrongDataCenter(f"{refusal}. The connection belongs to another data center.", "Connect it again.")
    return _permanent(refusal, code, details, path, what, status, sent)


def _permanent(
    refusal: str, code: str, details: Mapping[str, Any], path: str, what: str, status: int, sent: str
) -> errors.ZohoError:
    if code == "OAUTH_SCOPE_MISMATCH":
        return errors.ScopeMissing(what, required_by_path(path))
    if code == "NO_PERMISSION":
        named = details.get("permissions")
        return errors.NoPermission(what, tuple(map(str, named)) if isinstance(named, list) else ())
    if code in _MODULE_CODES:
        return errors.ModuleMissing(_module_of(path, details), code)
    if code in _SUPPORT_CODES:
        return errors.NotSupported(f"{refusal}. The API does not offer this, or only to administrators.")
    if code in _PAGE_TOKEN_CODES and "page_token" in str(details):
        return errors.PageTokenExpired(f"{refusal}. The page token is no longer valid; the window starts again.")
    if status == 404 and code in ("", "INVALID_URL_PATTERN") and _OPTIONAL.search(path):
        return errors.NotSupported(f"{refusal}. This API does not offer the call.")
    if code == "RESOURCE_NOT_FOUND" or (status == 404 and not code):
        return errors.NotFound(f"{refusal}. The record or job does not exist, or no longer exists.")
    if not code:
        return errors.BadAnswer(f"{what}: the answer {status} has no error body of Zoho.")
    shown = errors.scrub(orjson.dumps(details, default=str).decode(), sent) if details else ""
    return errors.InvalidRequest(f"{refusal} {shown}".rstrip() + ".", code, details)


def _module_of(path: str, details: Mapping[str, Any]) -> str:
    """The module that the answer or the path names; the path if neither does."""
    named = details.get("module") or details.get("module_name")
    if isinstance(named, str):
        return errors.scrub(named)
    parts = path.strip("/").split("/")
    return parts[2] if len(parts) > 2 and parts[0] == "crm" and parts[1] != "bulk" else path
