"""A form of the channel `acme`, and posts to it."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from zoho_pipeline.channels.forms.form_keys import FormKey, FormKeys
from zoho_pipeline.channels.registry import tables as form_tables
from zoho_pipeline.channels.registry.model import Channel
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.settings import Secret

PAGE = "https://www.acme.in"


@pytest.fixture
def made(add: Callable[..., Channel], registry: Registry) -> tuple[FormKey, Secret]:
    """A form key with its secret."""
    add()
    return FormKeys(registry).add("acme", [PAGE])


@pytest.fixture
def form(made: tuple[FormKey, Secret]) -> FormKey:
    return made[0]


@pytest.fixture
def post(client: TestClient, form: FormKey) -> Callable[..., httpx.Response]:
    """`post(origin=…, headers=…, **fields)` posts a good submission with other fields; `...` leaves one out."""

    def send(origin: str | None = PAGE, headers: dict[str, str] | None = None, **fields: Any) -> httpx.Response:
        sent = {**({"Origin": origin} if origin else {}), **(headers or {})}
        return client.post(f"/v1/forms/{form.form_key}", json=good(**fields), headers=sent)

    return send


def good(**fields: Any) -> dict[str, Any]:
    body: dict[str, Any] = {"submission_id": str(uuid4()), "consent": {"analytics": True, "text_version": "v1"}}
    body |= {"email": "Asha@Acme.in", "phone": "+91 98765 43210", "utm_source": "blog", "elapsed_ms": 9000} | fields
    return {name: value for name, value in body.items() if value is not ...}


def stored(registry: Registry) -> list[dict[str, Any]]:
    """The rows of the queue."""
    with registry.database.read() as transaction:
        return [dict(row) for row in transaction.execute(select(form_tables.form_submissions)).mappings()]
