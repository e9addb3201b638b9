"""The page of the insight, which is the same in markdown and in the terminal, and its chart."""

import base64
import struct
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from zoho_pipeline.reading.chart import BAR_COLOUR, BAR_WIDTH, GAP_WIDTH, HEIGHT, PALE_COLOUR, bars
from zoho_pipeline.reading.insight import chart
from zoho_pipeline.reading.insight_page import markdown, render

WEEKS = [
    {"grain": "week", "period_start": f"2026-04-{day:02}", "n_leads": day, "is_partial": day == 27}
    for day in (6, 13, 20, 27)
]
INSIGHT: dict[str, Any] = {
    "channel_id": "tea_co",
    "as_of_date": "2026-05-01",
    "as_of_utc": "2026-05-01T12:00:00",
    "data_status": "ok",
    "timezone": "Asia/Kolkata",
    "change_status": "ok",
    "leads_change_rate": 0.5,
    "leads_this_month": 1200,
    "leads_last_month_same_point": 800,
    "leads_last_month_full": 1500,
    "top_sources_period": "this_month",
    "top_source_1": "Fairs | <b>shows</b>",
    "top_source_1_leads": 600,
    "top_source_2": "Web",
    "top_source_2_leads": 150,
    "top_source_3": None,
    "top_source_3_leads": None,
    "other_sources_leads": 0,
    "unknown_source_leads": 50,
    "trend_direction": "up",
    "trend_dispersion": 3.25,
    "conversion_rate_30d": 0.25,
    "conversion_rate_30d_n": 40,
    "conversion_rate_30d_x": 10,
    "conversion_rate_30d_ci_low": 0.14,
    "conversion_rate_30d_ci_high": 0.4,
    "conversion_rate_30d_km": None,
    "conversion_cohort_from": "2026-03-02",
    "conversion_cohort_to": "2026-04-01",
    "median_hours_to_first_contact": 2.5,
    "avg_hours_to_first_contact": 50.0,
    "contacted_rate": 0.8,
    "km_median_hours_to_first_contact": 3.0,
    "topic_status": "ok",
    "suggested_topic_1": "a*b",
    "suggested_topic_1_reason": "5 of 9 converted.",
    "suggested_topic_2": None,
    "suggested_topic_3": None,
    "lead_volume": WEEKS,
    "lead_channels": [
        {"lead_channel": "Paid Search", "n_leads": 1500, "n_matured": 400, "n_converted": 90},
        {"lead_channel": "Offline", "n_leads": 500, "n_matured": 0, "n_converted": 0},
    ],
    "time_to_first_contact": [
        {"dimension": "all", "n_leads": 13, "n_contacted": 8, "n_uncontacted": 2, "oldest_uncontacted_hours": 30.0}
        | {"n_contact_before_creation": 1, "n_converted_without_contact": 2},
    ],
}


def test_markdown_says_what_the_page_says() -> None:
    page = markdown(INSIGHT)
    lines = page.splitlines()
    assert lines[0] == r"# tea\_co · Friday 1 May 2026"
    assert [line for line in lines if line.startswith("## ")] == [
        *("## Leads", "## Sources", "## Channels", "## Weeks", "## Conversion", "## First contact", "## Topics")
    ]
    assert "**1,200** leads this month, 50 % more than the 800 by the same point last month" in page
    assert r"| Fairs \| \<b\>shows\</b\> | ████████████████████████████ | 600 (75 %) |" in lines
    rate = "**25.0 %** of the leads of 2 March to 1 April 2026 got a deal within 30 days"
    assert f"{rate} (10 of 40; 95 % interval 14.0 % to 40.0 %)." in page
    assert "80 % of the 10 leads of the last 90 days that were contacted or wait were contacted." in page
    assert "1 more was contacted before Zoho knew them." in page
    assert "2 more were converted without a contact that is logged." in page
    assert "compared with the four before; single weeks scatter 3.2 times as much as by chance)." in page
    assert r"| Paid Search | ████████████████████████████ | 1,500 (75 %), 90 of 400 matured with a deal |" in lines
    assert "| Offline | █████████ | 500 (25 %) |" in lines
    assert lines[lines.index("| from | | leads |") + 1] == "|---|---|---|"
    assert r"**a\*b**: 5 of 9 converted." in page
    plain = page.replace("**", "").replace("\\", "")
    terminal = [line.strip() for line in render(INSIGHT, width=400).splitlines() if "█" not in line]
    assert [line for line in terminal if line not in plain] == []


def test_a_row_of_an_older_build_has_no_new_columns() -> None:
    old = {name: value for name, value in INSIGHT.items() if "cohort" not in name and name != "trend_dispersion"}
    contact = {name: value for name, value in INSIGHT["time_to_first_contact"][0].items() if "creation" not in name}
    page = markdown({**old, "time_to_first_contact": [contact | {"n_converted_without_contact": None}]})
    assert "**25.0 %** of matured leads got a deal within 30 days" in page
    assert "compared with the four before)." in page
    assert " more " not in page.partition("First contact")[2]
    years = markdown({**INSIGHT, "conversion_cohort_from": "2025-12-02", "conversion_cohort_to": "2026-01-01"})
    assert "the leads of 2 December 2025 to 1 January 2026 got" in years


def test_a_page_of_an_older_release_has_no_channels() -> None:
    older = {name: value for name, value in INSIGHT.items() if name != "lead_channels"}
    assert "## Channels" not in markdown(older)
    assert "## Weeks" in markdown(older)


def pixels(uri: str) -> list[bytes]:
    """Return the rows of an 8-bit RGB PNG without filters, after checking its checksums."""
    kind, _, data = uri.partition(",")
    assert kind == "data:image/png;base64"
    png = base64.b64decode(data)
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    at, chunks = 8, {}
    while at < len(png):
        (size,) = struct.unpack(">I", png[at : at + 4])
        name, body = png[at + 4 : at + 8], png[at + 8 : at + 8 + size]
        assert struct.unpack(">I", png[at + 8 + size : at + 12 + size])[0] == zlib.crc32(name + body)
        chunks[name] = body
        at += 12 + size
    width, height = struct.unpack(">II", chunks[b"IHDR"][:8])
    plain = zlib.decompress(chunks[b"IDAT"])
    assert len(plain) == height * (3 * width + 1)
    return [plain[row * (3 * width + 1) + 1 : (row + 1) * (3 * width + 1)] for row in range(height)]


def test_no_data_is_not_shown_as_zero() -> None:
    page = render({**INSIGHT, "data_status": "never_synced", "leads_this_month": None})
    assert "without a complete sync yet; run: zoho-pipeline sync" in page
    assert "there is no data" in page
    assert all(title not in page for title in ("Weeks", "Conversion", "First contact", "Topics"))


@pytest.mark.parametrize("status", ["ok", "stale", "never_synced", "module_missing"])
def test_a_sync_that_the_marts_do_not_contain_needs_a_transform_and_no_sync(status: str) -> None:
    counted = {"data_status": status} | ({"leads_this_month": None} if status in ("never_synced",) else {})
    as_of = datetime.fromisoformat(str(INSIGHT["as_of_utc"])).replace(tzinfo=UTC)
    told = render({**INSIGHT, **counted}, width=400, synced_until=as_of + timedelta(days=2)).splitlines()[1]
    assert "zoho-pipeline transform" in told
    assert "zoho-pipeline sync" not in told
    assert "on 3 May 2026" in told
    for known in (None, as_of):
        told = render({**INSIGHT, **counted}, width=400, synced_until=known).splitlines()[1]
        assert "transform" not in told, "this sync is in the marts, or nobody knows of another"


def test_what_cannot_be_read_is_unknown_not_none() -> None:
    blind = {
        "conversion_rate_30d": None,
        "conversion_rate_30d_x": None,
        "contacted_rate": None,
        "median_hours_to_first_contact": None,
        "topic_status": "insufficient_data",
        "suggested_topic_1": None,
        "time_to_first_contact": [{"dimension": "all", "n_leads": 10, "n_contacted": None, "n_uncontacted": None}],
    }
    page = render({**INSIGHT, **blind})
    assert page.count("deals cannot be read") == 2
    assert "no activity can be read" in page
    assert all(words not in page for words in ("30 days old", "has been contacted", "waiting", "Too few"))
    assert "1,200 leads" in page


@pytest.mark.parametrize("counts", [[6, 13, 20, 27], [0, 1, 1000], [0, 0], [], [5]])
def test_bars_are_as_high_as_their_counts(counts: list[int]) -> None:
    rows = pixels(bars(counts, pale_last=True))
    assert len(rows) == HEIGHT
    for place, count in enumerate(counts):
        middle = 3 * (GAP_WIDTH + place * (BAR_WIDTH + GAP_WIDTH) + BAR_WIDTH // 2)
        colour = PALE_COLOUR if place == len(counts) - 1 else BAR_COLOUR
        height = sum(row[middle : middle + 3] == colour for row in rows)
        wanted = (HEIGHT - 1) * count / max(counts) if any(counts) else 0
        assert abs(height - wanted) <= 1
        assert (height > 0) is (count > 0)


def test_the_chart_is_of_the_weeks_and_the_running_one_is_pale() -> None:
    assert chart(INSIGHT) == bars([6, 13, 20, 27], pale_last=True)
    assert chart({"lead_volume": []}) == bars([])


def test_a_time_zone_that_this_host_does_not_know_is_utc() -> None:
    assert "12:00" in markdown({**INSIGHT, "timezone": "Mars/Base"})
    assert "17:30" in markdown(INSIGHT)
