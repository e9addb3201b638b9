"""Limits and the audit: each call is counted, timed, measured and written down."""

import json
import threading
from collections.abc import Callable

import pytest

from tests.agents.calls import CALLS
from tests.agents.conftest import AGENT, Lab
from zoho_pipeline.agents.caller import Caller
from zoho_pipeline.agents.desk import Desk
from zoho_pipeline.agents.model import InsightAnswer, RecentLeads, RecentLeadsAnswer
from zoho_pipeline.agents.refusals import Refused
from zoho_pipeline.agents.sections.insight import insight
from zoho_pipeline.agents.sections.reading import Reading


def test_the_seed_sentence(lab: Lab) -> None:
    found = json.loads(CALLS["recent_leads_by_content"](lab.desk, AGENT, "acme", last=10))["data"]
    first = found["items"][0]
    assert (first["title"], first["n_leads"]) == ("Local SEO for dentists", 3)
    assert first["topics"] == ["Growth", "SEO"]
    assert first["url"] == "https://blog.example.com/seo"
    assert found["words"].startswith("Of the last 10 leads, 3 by “Local SEO for dentists”")
    assert sum(item["n_leads"] for item in found["items"]) + found["n_without_content"] == 10


def test_topics_cite_size_interval_lift_and_caution(lab: Lab) -> None:
    found = json.loads(CALLS["topics"](lab.desk, AGENT, "acme"))["data"]
    shown = {topic["topic"]: topic for topic in found["topics"]}
    assert shown["SEO"]["n_leads"] > 10
    assert shown["SEO"]["ci_low"] < shown["SEO"]["conversion_rate"] < shown["SEO"]["ci_high"]
    assert 0 <= shown["SEO"]["rest_rate"] <= 1
    assert 0 < shown["SEO"]["p_value"] <= 1
    assert found["n_topics_tested"] == sum(topic["p_value"] is not None for topic in found["topics"]) >= 1
    assert f"({found['n_topics_tested']} topic" in shown["SEO"]["reason"]
    assert "other matured leads (" in shown["SEO"]["reason"]
    # the rate is one of these leads: their product is a number of leads
    assert found["base_n"] * found["base_rate"] == pytest.approx(round(found["base_n"] * found["base_rate"]), abs=1e-9)
    assert found["base_n"] >= shown["SEO"]["n_leads"]
    assert shown["Rare topic"]["suppressed"]
    assert shown["Rare topic"]["n_leads"] is None
    assert any("no proof of a cause" in caveat for caveat in found["caveats"])


def test_sixty_calls_a_minute_per_channel(lab: Lab, desk_with: Callable[..., Desk]) -> None:
    now = [0.0]
    desk = desk_with(lab, clock=lambda: now[0])
    for _ in range(60):
        CALLS["topics"](desk, AGENT, "acme")
    with pytest.raises(Refused, match=r"60 calls per minute. Try again in 60 s"):
        CALLS["get_insight"](desk, AGENT, "acme")
    assert lab.audit()[-1]["detail"] == "refused: too_many_calls"
    CALLS["topics"](desk, AGENT, "never")  # another channel has a count of its own
    CALLS["topics"](desk, Caller("key:other", "acme-inc"), "acme")
    now[0] = 60.0
    CALLS["topics"](desk, AGENT, "acme")


def test_guesses_at_channels_are_counted_together(lab: Lab, desk_with: Callable[..., Desk]) -> None:
    desk = desk_with(lab, clock=lambda: 0.0)
    for number in range(60):
        with pytest.raises(Refused, match="no such channel"):
            CALLS["topics"](desk, AGENT, f"guess{number}")
    with pytest.raises(Refused, match="60 calls per minute"):
        CALLS["topics"](desk, AGENT, "foreign")
    CALLS["topics"](desk, AGENT, "acme")


@pytest.mark.long
def test_a_call_that_takes_too_long_is_broken_off(lab: Lab) -> None:
    """The statement ends too, and the desk goes on."""
    ended = threading.Event()

    def forever(reading: Reading) -> tuple[RecentLeads, int]:
        try:
            reading.rows("select count(*) from range(1000000000) as a(x), range(1000000) as b(y) where x * y = 7")
        finally:
            ended.set()
        raise AssertionError("it ended by itself")

    with pytest.raises(Refused, match="5 seconds per call"):
        lab.desk.answer(AGENT, "slow", "acme", forever, RecentLeadsAnswer)
    assert ended.wait(30)
    assert lab.audit()[-1]["detail"] == "refused: too_slow"
    assert CALLS["topics"](lab.desk, AGENT, "acme")


def test_a_call_between_two_statements_is_broken_off_too(lab: Lab) -> None:
    """The end of its time comes while it computes; the statement that it begins afterwards must not run on."""
    ended = threading.Event()

    def late(reading: Reading) -> tuple[RecentLeads, int]:
        try:
            told.wait(60)
            reading.rows("select count(*) from range(1000000000) as a(x), range(1000000) as b(y) where x * y = 7")
        finally:
            ended.set()
        raise AssertionError("it ended by itself")

    told = threading.Event()
    with pytest.raises(Refused, match="5 seconds per call"):
        lab.desk.answer(AGENT, "slow", "acme", late, RecentLeadsAnswer)
    told.set()
    assert ended.wait(30)


def test_slow_calls_of_one_tenant_do_not_hold_up_another(lab: Lab) -> None:
    go, begun = threading.Event(), threading.Semaphore(0)

    def wait(reading: Reading) -> tuple[object, int]:
        begun.release()
        go.wait(30)
        return insight(reading)

    def slow() -> None:
        lab.desk.answer(AGENT, "slow", "acme", wait, InsightAnswer)

    threads = [threading.Thread(target=slow) for _ in range(12)]
    try:
        for thread in threads:
            thread.start()
        for _ in range(4):
            assert begun.acquire(timeout=4)
        other = Caller("key:other", "foreign-inc")
        assert json.loads(CALLS["topics"](lab.desk, other, "foreign"))["channel"] == "foreign"
        assert not begun.acquire(blocking=False), "a fifth call of the tenant waits for its turn"
    finally:
        go.set()
        for thread in threads:
            thread.join()
    assert CALLS["topics"](lab.desk, AGENT, "acme")


def test_a_long_answer_is_refused_with_the_cure(lab: Lab) -> None:
    def long(reading: Reading) -> tuple[object, int]:
        found, rows = insight(reading)
        return found.model_copy(update={"caveats": ["x" * 33_000]}), rows

    with pytest.raises(Refused, match=r"32,000 characters per answer\. Use a smaller `limit`\."):
        lab.desk.answer(AGENT, "long", "acme", long, InsightAnswer, "Use a smaller `limit`.")
    assert lab.audit()[-1]["detail"] == "refused: too_large"


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("recent_leads_by_content", {"last": 11}, "up to 100"),
        ("recent_leads_by_content", {"last": 110}, "up to 100"),
        ("topics", {"limit": 101}, "1 to 100"),
        ("content_performance", {"limit": 0}, "1 to 100"),
        ("lead_sources", {"months": 13}, "1 to 12"),
        ("explain_metric", {"name": "lifts"}, "Similar names: lift"),
    ],
)
def test_a_wrong_value_names_the_right_ones(lab: Lab, name: str, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(Refused, match=message):
        CALLS[name](lab.desk, AGENT, "acme", **arguments)


def test_every_call_has_a_row_in_the_audit(lab: Lab) -> None:
    for name, call in CALLS.items():
        before = len(lab.audit())
        call(lab.desk, AGENT, "acme")
        rows = lab.audit()[before:]
        channel = None if name in ("list_channels", "explain_metric") else "acme"
        assert [(row["principal"], row["tenant"], row["channel_id"], row["action"]) for row in rows] == [
            ("key:test", "acme-inc", channel, f"agent.{name}")
        ]
        assert str(rows[0]["detail"]).startswith("rows: ")
    with pytest.raises(Refused):
        CALLS["topics"](lab.desk, AGENT, "foreign")
    last = lab.audit()[-1]
    assert (last["channel_id"], last["detail"]) == (None, "refused: no_such_channel")


def test_a_channel_without_a_sync_has_no_numbers_and_says_so(lab: Lab) -> None:
    for name in sorted(CALLS.keys() - {"list_channels", "explain_metric", "brief", "next_blog_posts"}):
        answer = json.loads(CALLS[name](lab.desk, AGENT, "never"))
        assert (answer["data_status"], answer["as_of"]) == ("never_synced", None)
        assert "No complete sync of this channel was published yet" in answer["data"]["caveats"][0]
    assert "data status: never_synced" in CALLS["brief"](lab.desk, AGENT, "never")
