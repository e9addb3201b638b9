"""Leads over HTTP: pages, filters, cursors, and what the scope `pii` shows."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from tests.web.world import HOSTILE, LONG
from zoho_pipeline.web.api.leads import initials, masked_email, masked_phone

pytestmark = pytest.mark.usefixtures("channels")
Key = Callable[..., dict[str, str]]
PATH = "/v1/channels/acme/leads"


def pages(client: TestClient, headers: dict[str, str], query: str = "") -> list[dict[str, Any]]:
    found, cursor = [], ""
    while True:
        answer = client.get(f"{PATH}?limit=100{query}{cursor}", headers=headers)
        assert answer.status_code == 200, answer.text
        found += answer.json()["data"]
        if answer.json()["next_cursor"] is None:
            return found
        cursor = f"&cursor={answer.json()['next_cursor']}"


def test_all_leads_newest_first(client: TestClient, key: Key) -> None:
    found = pages(client, key("read", "pii"))
    assert len({lead["id"] for lead in found}) == len(found) == 291
    assert [lead["is_newer_than_as_of"] for lead in found] == [True] * 30 + [False] * 261
    created = [lead["created_at"] for lead in found]
    assert created == sorted(created, reverse=True)
    assert set(found[0]) == {
        *("id", "created_at", "created_local", "lead_status", "lead_source", "company", "owner_name", "content_id"),
        *("content_title", "is_converted", "is_newer_than_as_of", "name", "email", "phone", "captured_by"),
    }
    assert [lead["captured_by"] for lead in found] == [None] * 30 + ["zoho_crm"] * 261
    hostile = next(lead for lead in found if lead["id"] == "5000000990")
    assert (hostile["name"], hostile["company"]) == (HOSTILE, LONG)


def test_the_usual_page_has_twenty(client: TestClient, key: Key) -> None:
    assert len(client.get(PATH, headers=key("read")).json()["data"]) == 20


def test_filters(client: TestClient, key: Key) -> None:
    headers = key("read")
    found = pages(client, headers, "&source=Trade Show")
    assert {lead["lead_source"] for lead in found} == {"Trade Show"}
    assert not any(lead["is_newer_than_as_of"] for lead in found)
    credited = pages(client, headers, "&content_id=post")
    assert {lead["content_id"] for lead in credited} == {"post"}
    assert len(credited) == 130
    assert pages(client, headers, "&status=Nothing") == []


def test_without_pii_people_are_masked(client: TestClient, key: Key) -> None:
    lead = client.get(f"{PATH}?limit=1", headers=key("read")).json()["data"][0]
    assert (lead["name"], lead["email"], lead["phone"]) == ("A. R. 9.", "a***@example.com", "***10")
    assert lead["company"] == "Acme"
    for lead in pages(client, key("read")):
        assert "asha" not in (lead["email"] or "")
        assert "98765" not in (lead["phone"] or "")


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "cursor=abc", "cursor=", f"source={'x' * 301}"])
def test_wrong_values_are_refused(client: TestClient, key: Key, query: str) -> None:
    answer = client.get(f"{PATH}?{query}", headers=key("read"))
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


def test_a_cursor_belongs_to_its_list(client: TestClient, key: Key) -> None:
    headers = key("read")
    cursor = client.get(f"{PATH}?limit=2", headers=headers).json()["next_cursor"]
    assert client.get(f"{PATH}?limit=7&cursor={cursor}", headers=headers).status_code == 200
    edited = ("B" if cursor[0] == "A" else "A") + cursor[1:]
    for wrong in (
        f"{PATH}?cursor={edited}",
        f"{PATH}?status=Contacted&cursor={cursor}",
        f"/v1/channels/small/leads?cursor={cursor}",
        f"/v1/channels?cursor={cursor}",
    ):
        answer = client.get(wrong, headers=headers)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "cursor")


@given(st.text(max_size=40))
def test_masks_show_little_of_any_text(text: str) -> None:
    for mask in (initials, masked_email, masked_phone):
        masked = mask(text)
        assert masked is None or masked
        assert (masked is None) == (not text.strip())
    assert len(initials(text) or "") <= 12
    assert len("".join(c for c in masked_phone(text) or "" if c.isdigit())) <= 2


def test_masks() -> None:
    assert [initials(name) for name in ("Asha Rao", "anna-maria von der berg x", "…", None)] == [
        *("A. R.", "A. V. D.", "***", None),
    ]
    assert [masked_email(text) for text in ("asha@example.com", "a@b@c.de", "@x.de", "nothing", None)] == [
        *("a***@example.com", "a***@c.de", "***", "***", None),
    ]
    assert [masked_phone(text) for text in ("+91 98765 43210", "12", "", None)] == ["***10", "***", None, None]
