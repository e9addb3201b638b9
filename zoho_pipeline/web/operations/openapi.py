"""`/openapi.json`: FastAPI's description, with what FastAPI does not know.

It adds the proof of who asks to each operation that can answer 401, the answers that every operation can give, and one
shared schema of a problem.
"""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from zoho_pipeline.web.http.problems import MEDIA_TYPE, ProblemBody

BEARER = {
    "type": "http",
    "scheme": "bearer",
    "description": "An API key (`zpk_…`) of the platform's backend, or a session token of a browser. A key of several "
    "tenants also needs the header `Zoho-Pipeline-Tenant`.",
}
ANYWHERE = {
    "400": "Code `bad_request`: the request cannot be read.",
    "408": "Code `request_timeout`: the body took too long.",
    "429": "Code `rate_limited`: wait for the seconds in Retry-After.",
    "431": "Code `headers_too_large`: the URL and the headers are too long.",
    "500": "Code `internal`: a defect of the server.",
    "503": "Code `unavailable`: the server cannot reach its data now.",
}
WITH_BODY = {
    "413": "Code `too_large`: the body is too long.",
    "415": "Code `unsupported_media`: send application/json.",
    "422": "Code `invalid`: a value is wrong; `errors` names it.",
}
PAGES = ("/zohoCrm/start", "/zohoCrm/callback")
"""What a person's browser opens: errors are pages, and problems for those who ask for JSON."""

PROBLEM = {"$ref": "#/components/schemas/Problem"}


def describe(app: FastAPI) -> None:
    """Let the app describe itself completely. The description is made at its first use."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _described(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _described(app: FastAPI) -> dict[str, Any]:
    found = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    components = found.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):  # FastAPI's form of a 422, which is not ours
        schemas.pop(name, None)
    schemas["Problem"] = ProblemBody.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= schemas["Problem"].pop("$defs", {})
    components["securitySchemes"] = {"bearer": BEARER}
    for path, methods in found["paths"].items():
        for operation in methods.values():
            _complete(operation, {"text/html": {"schema": {"type": "string"}}} if path in PAGES else {})
    return found


def _complete(operation: dict[str, Any], also: dict[str, Any]) -> None:
    responses: dict[str, Any] = operation["responses"]
    possible = {**ANYWHERE, **(WITH_BODY if "requestBody" in operation else {})}
    if operation.get("parameters"):
        possible["422"] = WITH_BODY["422"]
    for status, description in possible.items():
        if status not in responses or ("application/json" in responses[status].get("content", {}) and status == "422"):
            responses[status] = {"description": description, "content": {MEDIA_TYPE: {}}}
    for status, response in responses.items():
        if MEDIA_TYPE in response.get("content", {}):
            response["content"] = {MEDIA_TYPE: {"schema": PROBLEM}, **also}
            response.setdefault("headers", {})["X-Request-Id"] = {"schema": {"type": "string"}}
        if status == "401":
            operation["security"] = [{"bearer": []}]
    operation["responses"] = dict(sorted(responses.items()))
