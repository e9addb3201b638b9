"""`topics`: how leads of each topic become deals, against all leads of the channel."""

from typing import Any

from zoho_pipeline.agents.limits import ROWS
from zoho_pipeline.agents.model import Topic, Topics
from zoho_pipeline.agents.refusals import Refused
from zoho_pipeline.agents.sections.reading import CORRELATION, SMALL_GROUPS, Reading, percent
from zoho_pipeline.agents.suppression import also_hidden, is_small
from zoho_pipeline.agents.untrusted import clean, quoted

# all columns: those that a newer version adds are missing until the first transform after the upgrade
_QUERY = "select * from topic_performance where channel_id = ? and as_of_date = ?"
_BASE = """
select n_leads as n from conversion_rate
where channel_id = ? and as_of_date = ? and stage = 'deal' and definition = 'matured_30d_wide' and dimension = 'all'
"""
_TESTED = "Evidence is strong where chance alone rarely makes such a difference, however many topics were compared."
_LONGEST_REASON = 600
_DETAILS = ("n_leads", "n_converted", "conversion_rate", "ci_low", "ci_high", "rest_rate", "lift", "p_value",
            "evidence", "single_item")  # fmt: skip


def topics(reading: Reading, limit: int = 20) -> tuple[Topics, int]:
    """Topics, those that are suggested first, and the number of rows.

    Raises:
        Refused: `wrong_value`.
    """
    check_limit(limit)
    found = read_topics(reading)
    base_n, base_rate = base(reading, found)
    shown = [_shown(row) for row in found[:limit]]
    answer = Topics(
        words=_words(shown),
        base_rate=base_rate,
        base_n=base_n,
        n_topics_tested=next((row.get("n_topics_tested") for row in found), None),
        topics=shown,
        n_not_shown=len(found) - len(shown),
        caveats=[
            *reading.caveats(),
            CORRELATION + " People who read about a topic may be closer to a deal for other reasons.",
            "A rate of few leads is uncertain: cite n_leads and the interval (ci_low, ci_high) with it.",
            _TESTED,
            SMALL_GROUPS,
        ],
    )
    return answer, len(answer.topics)


def check_limit(limit: int) -> None:
    """Refused `wrong_value`: the limit is not 1 to 100."""
    if not 1 <= limit <= ROWS:
        raise Refused("wrong_value", f"`limit` is a number from 1 to {ROWS} (the most rows of an answer).")


def read_topics(reading: Reading) -> list[dict[str, Any]]:
    """Rows of `topic_performance` in their order, with `is_hidden` where the numbers must not be shown."""
    key = (reading.channel_id, reading.as_of_date)
    rows = reading.rows(_QUERY, key)
    total = _total(reading)
    # the rest of a topic has a rate too, so that it is a group like another
    small = {row["topic"] for row in rows if is_small(row["n_leads"]) or is_small(_rest(row, total))}
    if small or is_small(total):
        shown = [(row["topic"], row["n_leads"]) for row in rows if row["n_leads"] and row["topic"] not in small]
        small |= also_hidden(shown, total or 0)
    for row in rows:
        row["is_hidden"] = row["topic"] in small
    # a hidden topic has no place between others: it would bound its numbers
    rows.sort(key=lambda row: (row["is_hidden"], *_place(row), row["topic"]))
    return rows


def _rest(row: dict[str, Any], total: int | None) -> int | None:
    return None if total is None or not row["n_leads"] else total - int(row["n_leads"])


def _place(row: dict[str, Any]) -> tuple[int, int]:
    if row["is_hidden"]:
        return 0, 0
    return row["suggestion_rank"] or 1_000, -(row["n_leads"] or 0)


def base(reading: Reading, rows: list[dict[str, Any]]) -> tuple[int | None, float | None]:
    """The matured leads of the channel and their rate, which each topic is compared with."""
    total = _total(reading)
    rate = next((row["base_rate"] for row in rows), None)
    return total, None if is_small(total) else rate


def _total(reading: Reading) -> int | None:
    found = reading.rows(_BASE, (reading.channel_id, reading.as_of_date))
    return int(found[0]["n"]) if found and found[0]["n"] is not None else None


def topic_name(row: dict[str, Any]) -> str:
    """The name of a topic, cleaned."""
    return clean(row["topic"]) or "(no name)"


def reason(row: dict[str, Any]) -> str | None:
    """The sentence behind a row, with the topic as it is shown."""
    if row["is_hidden"] or row["reason"] is None:
        return None
    text = str(row["reason"]).replace(str(row["topic"]), topic_name(row))
    return clean(text, _LONGEST_REASON)


def _shown(row: dict[str, Any]) -> Topic:
    details = {name: None if row["is_hidden"] else row.get(name) for name in _DETAILS}
    return Topic(
        topic=topic_name(row),
        **details,
        suggested=bool(row["is_suggested"]) and not row["is_hidden"],
        reason=reason(row),
        suppressed=row["is_hidden"],
    )


def _against(found: Topic) -> str:
    return "" if found.rest_rate is None else f"; of the other leads {percent(found.rest_rate)}"


def _words(shown: list[Topic]) -> str:
    suggested = [topic for topic in shown if topic.suggested]
    if not suggested:
        return "No topic has enough leads and deals for a suggestion."
    parts = [
        f"{quoted(found.topic, 'no name')} ({found.n_converted} of {found.n_leads} leads got a deal, "
        f"{percent(found.conversion_rate)}, 95 % interval {percent(found.ci_low)} to {percent(found.ci_high)}, "
        f"lift {found.lift:.2f}, {found.evidence} evidence{_against(found)})"
        for found in suggested
        if found.conversion_rate is not None
        and found.ci_low is not None
        and found.ci_high is not None
        and found.lift is not None
    ]
    return f"Topics whose leads got deals more often: {'; '.join(parts)}. {CORRELATION}"
