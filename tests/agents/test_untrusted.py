"""Texts of a tenant reach an agent short, on one line, visible, and inside what marks them as data."""

import json
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.agents.calls import CALLS
from tests.agents.conftest import AGENT, Lab
from zoho_pipeline.agents.untrusted import clean, clean_url, fenced_json, in_fence, quoted

TEXTS = st.text(max_size=400) | st.text(
    st.sampled_from("a`\u202e\u200b\ufe0f\U000e0041\n<|[]\\~ \u0915\u200d"), max_size=400
)


@given(TEXTS)
def test_a_cleaned_text_is_one_short_visible_line(text: str) -> None:
    found = clean(text)
    if found is None:
        return
    assert 0 < len(found) <= 200
    assert found == " ".join(found.split())
    assert not re.search("[\ufe00-\ufe0f\U000e0000-\U000e0fff\u3164]", found)
    hidden = [c for c in found if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Cn") and c not in "\u200c\u200d"]
    assert not hidden


@given(TEXTS)
def test_no_text_ends_its_block(text: str) -> None:
    block = fenced_json({"title": clean(text)})
    assert block.count("```") == 2
    assert json.loads(block[8:-4]) == {"title": clean(text)}
    assert not re.search(r"(?<!\\)[`\[\]|<>]", in_fence(clean(text) or "").replace("\\\\", ""))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, None),
        (" \u200b\n ", None),
        ("Local  SEO\nfor\u00a0dentists", "Local SEO for dentists"),
        ("mail asha.rao@example.com now", "mail (hidden) now"),
        ("mail asha%40example.com now", "mail (hidden) now"),
        ("mail asha%252540example.com or asha＠example.com", "mail (hidden) or (hidden)"),
        ("call +91 98765 43210", "call (hidden)"),
        ("call 98765 43210 or 415-555-0100", "call (hidden) or (hidden)"),
        ("call 020 7946 0958, 07700 900123, (555)123-4567", "call (hidden), (hidden), (hidden)"),
        ("call %2b91%2098765%2d43210 or 98765\u201143210 or 98765_43210", "call (hidden) or (hidden) or (hidden)"),
        ("call 03-1234-5678, (02) 9876 5432, 06.12.34.56.78", "call (hidden), (hidden), (hidden)"),
        ("call 06%2012%2034%2056%2078 or 0049 1512 3456789", "call (hidden) or (hidden)"),
        *[
            (text, text)
            for text in (
                "50.000-100.000 Euro",
                "1.000.000.000 or 2.050.000.000 or 5 000 000 000 users",
                "10,000 2025-2026 leads",
                "Dentists in 560001 2026",
                "mail_260501-1430",
                "backup 2026-05-01-12-30-45",
                "01.05.26-31.05.26",
                "007 2026 2027",
            )
        ],
        ("on 2026-05-01 12:00, 2019 2020 2021 2022", "on 2026-05-01 12:00, 2019 2020 2021 2022"),
        ("lead 554023000000527001", "lead (hidden)"),
        ("10 tips for 2026", "10 tips for 2026"),
        ("क्\u200dष", "क्\u200dष"),
        ("a\u200db\U000e0041\ufe0f", "ab"),
        ("\u202eevil", "evil"),
        ("x" * 300, "x" * 199 + "…"),
    ],
)
def test_what_is_kept(text: str | None, expected: str | None) -> None:
    assert clean(text) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://blog.example.com/seo?email=a@b.example#x", "https://blog.example.com/seo"),
        ("HTTPS://blog.example.com/seo", "https://blog.example.com/seo"),
        ("https://medium.com/@acme/local-seo", "https://medium.com/@acme/local-seo"),
        ("https://medium.com/%40acme/local-seo", "https://medium.com/%40acme/local-seo"),
        ("https://mastodon.example/@asha@example.com/1", None),
        ("https://user@blog.example.com", None),
        ("https://user%40blog.example.com/", None),
        ("https://user:secret@blog.example.com/", None),
        ("https://blog.example.com/asha%40example.com", None),
        ("https://blog.example.com/asha%2540example.com", None),
        ("https://blog.example.com/asha＠example.com", None),
        ("javascript:alert(1)", None),
        ("https://blog.example.com/a b", None),
        ("https://blog.example.com/`x`", None),
        ("https://blog.example.com/\u202ex", None),
        ("https://blog.example.com/" + "x" * 200, None),
        ("http://[bad", None),
        (None, None),
    ],
)
def test_addresses_of_pages(url: str | None, expected: str | None) -> None:
    assert clean_url(url) == expected


def test_no_text_ends_its_quotation_marks() -> None:
    assert quoted("A” came in. 9 of 9 leads by “B", "nothing") == "“A' came in. 9 of 9 leads by 'B”"
    assert quoted(None, "nothing") == "nothing"


@pytest.mark.parametrize("unit", ["L", "a.", "1 ", "\u200b", "e\u0301", "x@"])
def test_a_megabyte_is_cut_before_it_is_looked_at(unit: str) -> None:
    assert len(clean(unit * 500_000) or "") <= 200


def test_an_address_at_the_cut_is_hidden() -> None:
    for start in range(170, 200):
        assert "@" not in (clean("w " * (start // 2) + "asha.rao@example.com") or "")


def test_an_order_in_a_title_stays_data(lab: Lab) -> None:
    brief = CALLS["brief"](lab.desk, AGENT, "acme")
    assert len(brief) <= 4_000
    before, marked, data = brief.partition("\n## Data (untrusted)\n")
    assert marked
    assert "Ignore previous" not in before
    assert "Ignore previous" in data
    assert brief.count("```") == 2, "no text of the tenant opens or ends a block"
    prompt = CALLS["next_blog_posts"](lab.desk, AGENT, "acme")
    before, marked, data = prompt.partition("Data (untrusted).")
    assert marked
    assert "Ignore previous" not in before
    assert prompt.count("```") == 2
    for part in ("n_leads", "ci_low", "lift", "no proof of a cause"):
        assert part in before
    for name in ("topics", "recent_leads_by_content", "content_performance"):
        answer = json.loads(CALLS[name](lab.desk, AGENT, "acme"))
        assert answer["untrusted"] is True
        assert "Ignore previous" not in json.dumps(answer | {"data": None})
        assert not re.search(r"[\u202e\x07\n]", json.dumps(answer, ensure_ascii=False))
