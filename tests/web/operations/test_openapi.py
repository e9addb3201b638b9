"""/openapi.json is complete: it names every route, and a generated client finds no answer that it lacks."""

import os
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import cycle

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from schemathesis import Case, openapi
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.channels.sync_requests.workers import heartbeat
from zoho_pipeline.service_settings import ServiceSettings
from zoho_pipeline.settings import Settings
from zoho_pipeline.web.app import ROUTERS, create_app

EXAMPLES = int(os.environ.get("OPENAPI_EXAMPLES", "6"))
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
STREAMS = "/v1/channels/{id}/events"
IDS = ("acme", "small", "hidden", "never", "foreign", "late", "nobody")
AT_ZOHO = ("POST /v1/channels/{id}/verify", "DELETE /v1/channels/{id}")
"""They call Zoho, and there is none in this test."""

KEYS = 40
"""Each key has its own limit of requests; without many keys, most answers would be 429."""


@pytest.fixture
def app(settings: Settings) -> FastAPI:
    return create_app(settings, ServiceSettings(metrics="key"))


def routes_of(router: APIRouter) -> Iterator[APIRoute]:
    for route in router.routes:
        if isinstance(route, APIRoute) and route.include_in_schema:
            yield route
        elif hasattr(route, "original_router"):
            yield from routes_of(route.original_router)


def test_each_route_is_described(app: FastAPI) -> None:
    described = app.openapi()
    routes = [route for router in ROUTERS for route in routes_of(router)]
    assert len(routes) > 15
    for route in routes:
        for method in route.methods - {"HEAD"}:
            operation = described["paths"][route.path_format][method.lower()]
            assert operation["summary"]
            assert operation["responses"]
    assert sum(len(methods) for methods in described["paths"].values()) == sum(
        len(route.methods - {"HEAD"}) for route in routes
    )


def test_no_two_paths_are_one(app: FastAPI) -> None:
    """/a/{id} and /a/{name} are one path; a document with both is not valid."""
    bare = [re.sub(r"\{\w+\}", "{}", path) for path in app.openapi()["paths"]]
    assert len(set(bare)) == len(bare)


def test_every_operation_says_who_may_call_it_and_how_it_fails(app: FastAPI) -> None:
    described = app.openapi()
    assert set(described["components"]["securitySchemes"]) == {"bearer"}
    is_open = {
        path for path, methods in described["paths"].items() if not any("security" in o for o in methods.values())
    }
    assert is_open == {"/zohoCrm/start", "/zohoCrm/callback", "/v1/catalogue", "/healthz", "/readyz"}
    for methods in described["paths"].values():
        for operation in methods.values():
            for status, answer in operation["responses"].items():
                content = answer.get("content", {})
                if status in ("401", "404", "422", "429"):
                    assert set(content) <= {"application/problem+json", "text/html"}, (operation["summary"], status)
    assert "HTTPValidationError" not in described["components"]["schemas"]


@pytest.mark.long
@pytest.mark.usefixtures("channels")
@pytest.mark.parametrize("examples", [EXAMPLES, 4 * EXAMPLES])
def test_a_generated_client_finds_no_answer_that_is_not_described(
    app: FastAPI, key: Callable[..., dict[str, str]], registry: Registry, examples: int
) -> None:
    """Wrong types, wrong bodies and ids of others, for each operation. OPENAPI_EXAMPLES=n tries more."""
    # else /readyz is 503 after a minute in which nobody takes the syncs that this test asks for
    heartbeat(registry, "worker", lease=timedelta(days=1))
    headers = cycle([key() for _ in range(KEYS)])
    ids = cycle(IDS)
    schema = openapi.from_asgi("/openapi.json", app)
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) > 15
    for operation in operations:
        if operation.path == STREAMS:  # it answers without an end; tests/web/api/test_events.py has it
            continue

        @hypothesis_settings(
            max_examples=examples,
            deadline=None,
            database=None,
            derandomize=examples < 100,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.explicit, Phase.generate],
        )
        @given(case=operation.as_strategy())
        def call(case: Case) -> None:
            if "id" in case.path_parameters:
                case.path_parameters["id"] = "nobody" if case.operation.label in AT_ZOHO else next(ids)
            case.call_and_validate(headers=next(headers), checks=CHECKS)

        call()
