"""`GET /docs`: the API as a page. The server renders it from /openapi.json, so it needs no script and no other host.

FastAPI's own page loads its viewer from a CDN, which a strict Content-Security-Policy forbids.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from markupsafe import Markup, escape

from zoho_pipeline.web.templates import templates

router = APIRouter(include_in_schema=False)
_FOLDER = Path(__file__).parent / "templates"
_PAGES = templates(_FOLDER)
_PAGES.filters["words"] = lambda text: words(str(text))


@router.get("/docs")
def docs(request: Request) -> HTMLResponse:
    described: dict[str, Any] = request.app.openapi()
    page = _PAGES.get_template("docs.html")
    groups: dict[str, list[dict[str, Any]]] = {}
    for operation in operations(described):
        groups.setdefault(operation["tag"], []).append(operation)
    public_url = request.app.state.services.service.public_url
    return HTMLResponse(page.render(info=described["info"], groups=groups, public_url=public_url))


@router.get("/docs/style.css")
def style() -> Response:
    return Response(
        (_FOLDER / "docs.css").read_bytes(), media_type="text/css", headers={"Cache-Control": "max-age=300"}
    )


def words(text: str) -> Markup:
    """A description as HTML: what stands between backticks is code, as it is in Markdown. Nothing else is marked up."""
    parts = text.split("`")
    if len(parts) % 2 == 0:  # one backtick too many: nobody knows which one
        return escape(text)
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else escape(part) for number, part in enumerate(parts)
    )


def operations(described: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Each operation of an OpenAPI document, as the page shows it."""
    schemas = described.get("components", {}).get("schemas", {})
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            body = operation.get("requestBody", {})
            yield {
                "tag": (operation.get("tags") or ["other"])[0],
                "id": operation["operationId"],
                "method": method.upper(),
                "path": path,
                "summary": operation.get("summary", ""),
                "description": operation.get("description", ""),
                "is_open": not operation.get("security"),
                "parameters": [_parameter(found) for found in operation.get("parameters", ())],
                "body": list(_fields(_schema_of(body), schemas)),
                "answers": [_answer(code, found, schemas) for code, found in operation["responses"].items()],
            }


def _parameter(found: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": found["name"],
        "place": found["in"],
        "is_required": found.get("required", False),
        "type": _type(found.get("schema", {})),
        "description": found.get("description", ""),
    }


def _answer(code: str, found: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    return {
        "code": code,
        "description": found.get("description", ""),
        "fields": list(_fields(_schema_of(found), schemas)),
    }


def _schema_of(found: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = found.get("content", {})
    first: dict[str, Any] = next(iter(content.values()), {})
    schema: dict[str, Any] = first.get("schema", {})
    return schema


def _fields(schema: dict[str, Any], schemas: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The fields of an object, or of the objects in a list, one level deep."""
    name = schema.get("$ref", schema.get("items", {}).get("$ref", "")).rpartition("/")[2]
    found = schemas.get(name, schema)
    for field, described in found.get("properties", {}).items():
        is_required = field in found.get("required", ())
        yield {
            "name": field,
            "type": _type(described),
            "description": described.get("description", ""),
            "is_required": is_required,
        }


def _type(schema: dict[str, Any]) -> str:
    """A short name of a type, such as `string or null`."""
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(dict.fromkeys(_type(choice) for choice in choices))
    if "const" in schema:
        return repr(schema["const"])
    if "enum" in schema:
        return " | ".join(str(value) for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return str(schema.get("format") or schema.get("type") or "any")
