"""The web application as it is when it has been made."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from fastapi import FastAPI

from zoho_pipeline.service_settings import ServiceSettings
from zoho_pipeline.settings import Settings
from zoho_pipeline.web.app import ROUTERS, create_app

MAKES_MODELS = "create_model_field"
"""The function of FastAPI that makes the models of a route."""


def names_called_by(call: Callable[[], object]) -> set[str]:
    """The names of the Python functions that run during a call, in this thread."""
    names: set[str] = set()

    def note(frame: FrameType, event: str, argument: Any) -> None:
        names.add(frame.f_code.co_name)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(before)
    return names


def look_for_the_route(app: FastAPI) -> None:
    scope = {"type": "http", "method": "GET", "path": "/v1/channels/c1/leads", "root_path": "", "headers": []}
    for route in app.routes:
        route.matches(scope)


def test_the_first_request_does_not_make_the_models_of_the_routes(settings: Settings) -> None:
    lazy = FastAPI()
    for router in ROUTERS:
        lazy.include_router(router)
    assert MAKES_MODELS in names_called_by(lambda: look_for_the_route(lazy)), "FastAPI makes them elsewhere now"

    app = create_app(settings, ServiceSettings())
    assert MAKES_MODELS not in names_called_by(lambda: look_for_the_route(app))
