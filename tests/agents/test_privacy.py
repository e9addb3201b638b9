"""No agent learns who a lead is. Each personal cell of the world holds a mark, and no answer may hold one."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import zoho_pipeline
from tests.agents.calls import CALLS
from tests.agents.conftest import AGENT, Lab
from tests.agents.world import MARK
from zoho_pipeline.agents.caller import Caller
from zoho_pipeline.agents.refusals import Refused

CHANNELS = st.sampled_from(["acme", "foreign", "never", "nobody", "", f"{MARK}1000", "ACME", "acme/../foreign"])
ARGUMENTS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "recent_leads_by_content": st.fixed_dictionaries(
        {"last": st.integers(-10, 120), "content_type": st.sampled_from([None, "blog_post", "BLOG_POST ", "none", "%"])}
    ),
    "topics": st.fixed_dictionaries({"limit": st.integers(-1, 101)}),
    "content_performance": st.fixed_dictionaries(
        {"limit": st.integers(-1, 101), "order": st.sampled_from(["leads", "deals", "revenue"])}
    ),
    "lead_sources": st.fixed_dictionaries({"months": st.integers(-1, 13)}),
    "explain_metric": st.fixed_dictionaries({"name": st.sampled_from(["lift", "email", "full_name", "zoho_lead_id"])}),
}
ASKED = st.sampled_from(sorted(CALLS)).flatmap(lambda n: st.tuples(st.just(n), ARGUMENTS.get(n, st.just({}))))
CALLERS = st.builds(
    Caller,
    st.just("key:test"),
    st.sampled_from(["acme-inc", "foreign-inc", "nobody", None]),
    st.sampled_from([None, frozenset({"acme"}), frozenset({"foreign", "acme"}), frozenset()]),
    st.booleans(),
)


def said(lab: Lab, name: str, arguments: dict[str, Any], caller: Caller, channel: str) -> str:
    """What an agent reads: the answer or the refusal."""
    try:
        return CALLS[name](lab.desk, caller, channel, **arguments)
    except Refused as refused:
        return str(refused)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=ASKED, caller=CALLERS, channel=CHANNELS)
def test_no_answer_holds_a_mark(lab: Lab, asked: tuple[str, dict[str, Any]], caller: Caller, channel: str) -> None:
    text = said(lab, asked[0], asked[1], caller, channel)
    assert MARK.casefold() not in text.casefold()
    assert MARK.casefold() not in json.dumps(lab.audit()[-1], default=str).casefold()


def test_the_world_is_full_of_marks(lab: Lab) -> None:
    """Else the test above could not fail: the marts that the desk reads hold hundreds of them."""
    import duckdb

    with duckdb.connect(str(lab.settings.home / "warehouse.published.duckdb"), read_only=True) as file:
        for mart in ("recent_lead", "lead", "lead_contact", "lead_source_attribution"):
            rows = file.execute(f"select * from marts.{mart}").fetchall()
            assert sum(MARK in str(row) for row in rows) > 100, mart
        for mart, column in (("deal", "name"), ("deal", "account_name"), ("activity", "owner_name"), ("owner", "name")):
            values = file.execute(f"select {column} from marts.{mart}").fetchall()
            assert sum(MARK in str(value) for value in values) > 2, (mart, column)
    assert len(lab.marks.made) > 2_000


@pytest.mark.parametrize("package", ["agents", "web", "push", "writeback"])
def test_no_door_reads_the_names_of_deals_and_owners(package: str) -> None:
    """These tables are for analysts with access to the warehouse."""
    for path in (Path(zoho_pipeline.__file__).parent / package).rglob("*.py"):
        assert not re.search(r"\b(from|join) (deal|activity|owner)\b", path.read_text(), re.IGNORECASE), path


@pytest.mark.parametrize("name", sorted(CALLS))
def test_every_call_says_something(lab: Lab, name: str) -> None:
    assert len(CALLS[name](lab.desk, AGENT, "acme")) > 100


def test_initials_need_the_setting_and_the_scope(lab: Lab) -> None:
    masked = Caller("key:test", "acme-inc", None, sees_initials=True)
    items = json.loads(CALLS["recent_leads_by_content"](lab.desk, masked, "acme", last=100))["data"]["items"]
    large = [item for item in items if not item["suppressed"]]
    assert [len(item["initials"]) for item in large] == [item["n_described"] for item in large]
    assert all(len(letters) <= 9 for item in large for letters in item["initials"])
    assert [item["initials"] for item in items if item["suppressed"]] == [None, None]
    plain = json.loads(CALLS["recent_leads_by_content"](lab.desk, AGENT, "acme", last=100))["data"]["items"]
    assert [item["initials"] for item in plain] == [None] * 4


def test_a_channel_of_another_tenant_is_one_that_does_not_exist(lab: Lab) -> None:
    for name in sorted(CALLS.keys() - {"list_channels", "explain_metric"}):
        answers = {said(lab, name, {}, AGENT, channel) for channel in ("foreign", "nobody", "", "a\0b", "x" * 500)}
        assert answers == {"There is no such channel. The tool list_channels names those that you may read."}
    listed = json.loads(CALLS["list_channels"](lab.desk, AGENT, ""))["data"]["channels"]
    assert [channel["id"] for channel in listed] == ["acme", "never"]
    only = Caller("session:x", "acme-inc", frozenset({"never", "foreign"}))
    listed = json.loads(CALLS["list_channels"](lab.desk, only, ""))["data"]["channels"]
    assert [channel["id"] for channel in listed] == ["never"]
