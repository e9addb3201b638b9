"""The page that ends a consent, or the same as JSON for `Accept: application/json`."""

from pathlib import Path
from typing import Any

from fastapi import Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

from zoho_pipeline.web.connect.outcomes import WAIT, Outcome
from zoho_pipeline.web.http.problems import STATUS, Problem, answer
from zoho_pipeline.web.templates import templates

FAILED_TITLE = "Zoho CRM is not connected"
UNTIED = {"Cross-Origin-Opener-Policy": "unsafe-none"}
"""With any other policy, the browser would cut the tie to the page that opened the window."""

_PAGES = templates(Path(__file__).parent / "templates")


def result_page(request: Request, outcome: Outcome, headers: dict[str, str] | None = None) -> Response:
    """The answer for a browser or a program. A page of a success closes itself; a page of a failure stays."""
    more = {**UNTIED, **(headers or {})}
    if outcome.code in WAIT:
        more["Retry-After"] = WAIT[outcome.code]
    if "application/json" in request.headers.get("Accept", ""):
        return _as_json(request, outcome, more)
    page = _PAGES.get_template("result.html").render(outcome=outcome, closes=outcome.code is None)
    return HTMLResponse(page, STATUS[outcome.code] if outcome.code else 200, more)


def problem_page(request: Request, problem: Problem) -> Response:
    """A refusal for whoever looks at it: in a popup, JSON helps nobody."""
    return result_page(request, Outcome(problem.code, FAILED_TITLE, problem.detail), problem.headers)


def _as_json(request: Request, outcome: Outcome, headers: dict[str, str]) -> Response:
    if outcome.code:
        return answer(request, Problem(outcome.code, outcome.text, headers=headers))
    body: dict[str, Any] = {"session_id": outcome.session_id, "channel_id": outcome.channel_id}
    return JSONResponse(body, headers=headers)
