"""Errors as `application/problem+json` (RFC 9457): {type, title, status, detail, code, request_id}.

The list of codes is part of the API. A detail is a sentence for a developer. It never holds the text of an exception:
that could name another tenant's channel or repeat a secret.
"""

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.types import Scope

from zoho_pipeline.settings import PipelineError

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"

STATUS = {
    "tenant_required": 400,
    "state_invalid": 400,
    "state_expired": 400,
    "state_used": 400,
    "consent_denied": 400,
    "code_rejected": 400,
    "accounts_server_refused": 400,
    "bad_request": 400,
    "unauthenticated": 401,
    "forbidden": 403,
    "browser_mismatch": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "request_timeout": 408,
    "conflict": 409,
    "not_yours": 409,
    "paused": 409,
    "reconnect_needed": 409,
    "not_published": 409,
    "idempotency_expired": 409,
    "writeback_off": 409,
    "scope_missing": 409,
    "converted": 409,
    "gone": 410,
    "too_large": 413,
    "unsupported_media": 415,
    "invalid": 422,
    "idempotency_mismatch": 422,
    "rate_limited": 429,
    "headers_too_large": 431,
    "internal": 500,
    "unavailable": 503,
    "throttled": 503,
}
"""Every code of the API → its HTTP status."""

_BY_STATUS = {400: "bad_request", 401: "unauthenticated", 403: "forbidden", 404: "not_found"}
_BY_STATUS |= {405: "method_not_allowed", 413: "too_large", 415: "unsupported_media", 422: "invalid"}
_BY_STATUS |= {429: "rate_limited", 500: "internal", 503: "unavailable"}
_MOST_ERRORS = 20


class Problem(Exception):
    """An error that the caller gets.

    Args:
        code: one of `STATUS`; it gives the HTTP status.
        detail: a sentence that says what to do.
        headers: added to the answer, such as Retry-After.
        errors: for `invalid`: {field, message} of each wrong value.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        errors: Sequence[Mapping[str, str]] = (),
    ) -> None:
        super().__init__(detail)
        self.code, self.status, self.detail = code, STATUS[code], detail
        self.headers, self.errors = dict(headers or {}), [dict(error) for error in errors]
        if code == "unauthenticated":
            self.headers.setdefault("WWW-Authenticate", "Bearer")


NOT_FOUND = "There is nothing here, or it is not yours."


def not_found() -> Problem:
    """The one answer for what does not exist and for what belongs to another tenant."""
    return Problem("not_found", NOT_FOUND)


class ProblemBody(BaseModel):
    """The body of an error (RFC 9457), as /openapi.json shows it."""

    type: str = Field(description="Always `about:blank`; `code` says what is wrong.")
    title: str = Field(description="The phrase of the HTTP status.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="A sentence for a developer.")
    code: str = Field(description="What is wrong, in one word; programs read this.")
    request_id: str = Field(description="The value of `X-Request-Id`, for a report.")
    errors: list[dict[str, str]] = Field(default=[], description="For `invalid`: {field, message} of each wrong value.")


def problem_responses(*codes: str) -> dict[int | str, dict[str, Any]]:
    """The errors of a route, for `responses=`. Codes of one status share one entry, which names them all.

    >>> sorted(problem_responses("not_found", "paused", "reconnect_needed"))
    [404, 409]
    """
    schema = ProblemBody.model_json_schema()
    found: dict[int | str, list[str]] = {}
    for code in codes:
        found.setdefault(STATUS[code], []).append(code)
    return {
        status: {
            "description": "Code " + " or ".join(f"`{code}`" for code in named),
            "content": {MEDIA_TYPE: {"schema": schema}},
        }
        for status, named in found.items()
    }


def answer(request: Request, problem: Problem) -> JSONResponse:
    """The problem as a response."""
    return problem_answer(request.scope, problem)


def problem_answer(scope: Scope, problem: Problem) -> JSONResponse:
    """`answer` for code that is below FastAPI. The code stays in the scope, for the metrics."""
    scope.setdefault("state", {})["problem"] = problem.code
    body: dict[str, Any] = {"type": "about:blank", "title": HTTPStatus(problem.status).phrase}
    body |= {"status": problem.status, "detail": problem.detail, "code": problem.code}
    body |= {"request_id": scope.get("state", {}).get("request_id", "")}
    body |= {"errors": problem.errors} if problem.errors else {}
    return JSONResponse(body, problem.status, {"Cache-Control": "no-store", **problem.headers}, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Let the app answer each error as a problem."""

    @app.exception_handler(Problem)
    async def _problem(request: Request, error: Problem) -> JSONResponse:
        return answer(request, error)

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        errors = [_field_error(found) for found in error.errors()[:_MOST_ERRORS]]
        return answer(request, Problem("invalid", "A value of the request is wrong; see errors.", errors=errors))

    @app.exception_handler(PipelineError)
    async def _unavailable(request: Request, error: PipelineError) -> JSONResponse:
        """What no route expects: the registry or the warehouse cannot be used, or a key is missing."""
        log.error("a request could not be answered: %s", error)
        detail = "A database of this service does not answer. Try again."
        return answer(request, Problem("unavailable", detail, headers={"Retry-After": "10"}))

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        code = _BY_STATUS.get(error.status_code, "bad_request")
        details = {"not_found": NOT_FOUND, "method_not_allowed": "This path does not take this method."}
        return answer(request, Problem(code, details.get(code, "The request is wrong."), headers=error.headers))


def _field_error(found: Mapping[str, Any]) -> dict[str, str]:
    """One error of pydantic, without the value that was sent: it may be personal."""
    place = [str(part) for part in found.get("loc", ())]
    return {"field": ".".join(place[1:]) or ".".join(place), "message": str(found.get("msg", "wrong"))[:200]}
