"""Write-back on the channel page: what waits, and the operator's forms that decide."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import insert, update

from tests.web.api.test_writebacks import consent, switch
from tests.web.pages.conftest import HTML
from tests.web.world import HOSTILE
from zoho_pipeline.channels.registry.platform_tables import writebacks
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.writeback import wishes

pytestmark = pytest.mark.usefixtures("channels")
OWN = {"Origin": "http://localhost:8480", **HTML}
PAGE = "/ui/channels/acme"


def hold(registry: Registry, writeback_id: str = "wb_1", channel_id: str = "acme", **values: Any) -> str:
    """A conflict that waits."""
    now = registry.database.now()
    row: dict[str, Any] = {"id": writeback_id, "channel_id": channel_id, "lead_id": "5000000003", "status": "contacted"}
    row |= {"desired": "Contacted", "expected_zoho": ["Not Contacted"], "state": "conflict", "tries": 0}
    row |= {"zoho_status": HOSTILE, "created_at": now, "queued_at": now}
    with registry.database.write() as transaction:
        transaction.execute(insert(writebacks).values({**row, **values}))
    return writeback_id


@pytest.fixture(autouse=True)
def _on(registry: Registry, channels: None) -> None:
    consent(registry, "ZohoCRM.modules.READ", "ZohoCRM.modules.leads.UPDATE")
    switch(registry)


def decide(client: TestClient, path: str, choice: str, page: str | None = None) -> Any:
    page = page or client.get(PAGE, headers=HTML).text
    token = re.search(r'name="form_token" value="([0-9a-f]+)"', page)
    assert token
    question = re.search(r'name="question" value="([0-9a-f]+)"', page)
    data = {"form_token": token[1], "choice": choice, **({"question": question[1]} if question else {})}
    return client.post(path, data=data, headers=OWN, follow_redirects=False)


@pytest.mark.parametrize(("choice", "state"), [("keep", "kept"), ("force", "queued")])
def test_the_operator_decides_with_a_form(operator: TestClient, registry: Registry, choice: str, state: str) -> None:
    hold(registry)
    page = operator.get(PAGE, headers=HTML).text
    assert "Write-back to Zoho" in page
    assert "Waits for a decision" in page
    assert HOSTILE not in page
    assert f'action="{PAGE}/writebacks/wb_1"' in page
    answer = decide(operator, f"{PAGE}/writebacks/wb_1", choice)
    assert (answer.status_code, answer.headers["Location"].rpartition("note=")[2]) == (
        303,
        "kept" if choice == "keep" else "forced",
    )
    assert wishes.get(registry, "wb_1").state == state
    again = decide(operator, f"{PAGE}/writebacks/wb_1", choice)
    assert again.headers["Location"].endswith("note=undecided")


@pytest.mark.parametrize("choice", ["keep", "force"])
def test_a_page_that_shows_an_older_status_decides_nothing(
    operator: TestClient, registry: Registry, choice: str
) -> None:
    """Another operator forced the wish meanwhile, somebody changed the lead again, and a new conflict waits."""
    hold(registry)
    page = operator.get(PAGE, headers=HTML).text
    with registry.database.write() as transaction:
        transaction.execute(update(writebacks).values(zoho_status="Lost Lead"))
    assert decide(operator, f"{PAGE}/writebacks/wb_1", choice, page).headers["Location"].endswith("note=undecided")
    assert wishes.get(registry, "wb_1").waits_for_a_person
    assert (
        decide(operator, f"{PAGE}/writebacks/wb_1", choice)
        .headers["Location"]
        .endswith("kept" if choice == "keep" else "forced")
    )


def test_forms_of_others_and_of_other_channels_decide_nothing(operator: TestClient, registry: Registry) -> None:
    hold(registry)
    hold(registry, "wb_2", "small")
    assert operator.post(f"{PAGE}/writebacks/wb_1", data={"choice": "force"}, headers=OWN).status_code == 403
    for path in (f"{PAGE}/writebacks/wb_2", f"{PAGE}/writebacks/wb_none"):
        assert decide(operator, path, "force").status_code == 404
    assert decide(operator, f"{PAGE}/writebacks/wb_1", "perhaps").status_code == 422
    assert {wishes.get(registry, name).state for name in ("wb_1", "wb_2")} == {"conflict"}


def test_the_page_in_a_frame_shows_and_decides_nothing(
    client: TestClient, embed: Callable[..., str], registry: Registry
) -> None:
    hold(registry)
    page = client.get(embed("acme", "read", "write"), headers=HTML).text
    assert "Waits for a decision" in page
    assert "Write over it" not in page


@pytest.mark.parametrize(("state", "words"), [("degraded", "The other statuses"), ("broken", "Nothing is written to")])
def test_a_switch_that_does_not_work_says_so(operator: TestClient, registry: Registry, state: str, words: str) -> None:
    switch(registry, state=state, detail="Zoho's list no longer has 'Warm'.")
    page = operator.get(PAGE, headers=HTML).text
    assert words in page
    assert "no longer has" in page


def test_without_write_back_the_page_has_no_section(operator: TestClient, registry: Registry) -> None:
    switch(registry, state="off")
    page = operator.get(PAGE, headers=HTML).text
    assert "Write-back to Zoho" not in page
    assert "Nothing is written to Zoho." in page


def test_wishes_under_way_are_shown(operator: TestClient, registry: Registry) -> None:
    hold(registry, state="queued")
    with registry.database.write() as transaction:
        transaction.execute(update(writebacks).values(zoho_status=None))
    page = operator.get(PAGE, headers=HTML).text
    assert "Waits for its turn" in page
    assert "Not sent yet: 1." in page
