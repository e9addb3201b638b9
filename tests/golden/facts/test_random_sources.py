"""Random forms, thousands of leads: SQL and plain Python agree on every source, channel and column of the origin."""

import json
import random
from datetime import UTC, datetime, timedelta

from tests.golden.facts.source_oracle import CLICKS, SITES, UTM, Visit, sources
from tests.golden.facts.text_tables import Marts

SYNCED = datetime(2026, 6, 30, tzinfo=UTC)
KEYS = (*UTM, *CLICKS, "landing_url", "referrer", "first_visited_url")
WORDS = ["LinkedIn", "linked in", "Google", "Trade Show", "trade  show", "TRADE SHOW", "-None-", "UNKNOWN", "(none)",
         "Amazon", "SMS", "E-mail", "Expo", "Newsletter", "Partner X", " partner x "]  # fmt: skip
SOURCES = ["google", "LINKEDIN", "fb", "youtube", "tiktok", "email", "sms", "amazon", "partner x", "Partner%20X",
           "(direct)", "(not set)", "unknown", "%20", "Expo", "news.google.co.in", "weibo.com"]  # fmt: skip
MEDIA = ["cpc", "CPM", "ppc", "paid-social", "retargeting", "organic", "social", "Social+Media", "promo video", "email",
         "display", "affiliate", "audio", "sms", "app", "unpaid", "(none)", "(not set)", "web"]  # fmt: skip
MAPS = [{}, {"Expo": "Trade Fair", "linkedin": "Linked In (ours)"}, {"google": "Search", "trade show": "Unknown"},
        {"partner x": "LinkedIn", "t.co": "Expo", "amazon": "AMAZON"}]  # fmt: skip
OWN = [set[str](), {"https://shop.acme.co.uk/a"}, {"https://www.linkedin.com/posts/1", "https://acme.github.io"},
       {"http://10.0.0.1/x", "http://intranet/y", "https://bücher.example/"}]  # fmt: skip
LEADS = 500


def _maybe(rng: random.Random, values: list[str], share: float) -> str | None:
    return rng.choice(values) if rng.random() < share else None


def _visit(rng: random.Random) -> Visit:
    shares = {"utm_source": 0.35, "utm_medium": 0.35}
    choices = {"utm_source": SOURCES, "utm_medium": MEDIA}
    fields = {name: _maybe(rng, choices.get(name, ["A b", "c%2Bd", "é"]), shares.get(name, 0.1)) for name in UTM}
    fields |= {name: _maybe(rng, ["x1", "%20"], 0.05) for name in CLICKS}
    hosts = [host.replace("xn--bcher-kva", "bücher") for host in SITES]
    landing, referrer = _maybe(rng, hosts, 0.5), _maybe(rng, hosts, 0.5)
    query = "&".join(
        f"{name}={value}"
        for name, value in (
            ("utm_source", _maybe(rng, SOURCES, 0.2)),
            ("utm_medium", _maybe(rng, MEDIA, 0.2)),
            ("utm_term", _maybe(rng, ["t+u"], 0.1)),
            (rng.choice(list(CLICKS)), _maybe(rng, ["7", "+"], 0.2)),
        )
        if value
    )
    start = rng.choice(["https://", "http://www.", "//"])
    path = rng.choice(["", "/", "/a", "/a/B%20c/", "/%C3%A9"])
    return Visit(
        picklist=_maybe(rng, WORDS, 0.5),
        fields={name: value for name, value in fields.items() if value},
        landing_url=f"{start}{landing}{path}{rng.choice('?#')}{query}" if landing else None,
        referrer=f"{start}{referrer}/from" if referrer else None,
        has_first_visit=rng.random() < 0.2,
    )


def _cells(visit: Visit) -> str:
    texts = {**visit.fields, "landing_url": visit.landing_url, "referrer": visit.referrer}
    texts |= {"first_visited_url": "https://x.org/"} if visit.has_first_visit else {}
    return f"{visit.picklist or ''} | {json.dumps({name.upper(): text for name, text in texts.items() if text})}"


RNG = random.Random(20260701)
VISITS = {f"c{n}": [_visit(RNG) for _ in range(LEADS)] for n in range(len(MAPS))}


def _raw() -> dict[str, str]:
    at = (SYNCED - timedelta(days=9)).strftime("%Y-%m-%d %H:%M:%S")
    tables = {
        "channels": ["channel_id | timezone | last_complete_sync_at", *(f"{c} | UTC | {at}" for c in VISITS)],
        "channel_field_map": ["channel_id | field_key | api_name | basis"],
        "channel_lead_source_map": ["channel_id | raw_value | lead_source"],
        "content_items": ["channel_id | content_id | published_at | canonical_url"],
        "leads": ["channel_id | id | created_time | lead_source | custom_fields"],
    }
    for (channel, visits), names, urls in zip(VISITS.items(), MAPS, OWN, strict=True):
        tables["channel_field_map"] += [f"{channel} | {key} | {key.upper()} | set" for key in KEYS]
        tables["channel_lead_source_map"] += [f"{channel} | {raw} | {name}" for raw, name in names.items()]
        tables["content_items"] += [f"{channel} | {n} | {at} | {url}" for n, url in enumerate(sorted(urls))]
        tables["leads"] += [f"{channel} | {n} | {at} | {_cells(visit)}" for n, visit in enumerate(visits)]
    return {name: "\n".join(lines) for name, lines in tables.items()}


RAW = _raw()
OWN_SITES = [
    set[str](),
    {"acme.co.uk"},
    {"linkedin.com", "acme.github.io"},
    {"10.0.0.1", "intranet", "xn--bcher-kva.example"},
]


def test_every_origin_agrees(fact_marts: Marts) -> None:
    rows = {(row["channel_id"], row["zoho_lead_id"]): row for row in fact_marts.all_rows("lead_source_attribution")}
    assert len(rows) == LEADS * len(MAPS)
    seen: dict[str, set[object]] = {}
    for (channel, visits), names, sites in zip(VISITS.items(), MAPS, OWN_SITES, strict=True):
        # a blank picklist value is trimmed by the text tables of the test, as Zoho trims it
        for number, expected in enumerate(sources(visits, names, sites)):
            row = rows[channel, str(number)]
            wrong = {name: (row[name], value) for name, value in expected.items() if row[name] != value}
            assert not wrong, (channel, visits[number], wrong)
            for name, value in expected.items():
                seen.setdefault(name, set()).add(value)
    assert len(seen["lead_channel"]) == 16
    assert seen["lead_source_basis"] == {"picklist", "utm_source", "click_id", "referrer", "unknown"}
    assert seen["click_id_kind"] == {*CLICKS, None}
    assert seen["lead_source_conflict"] == {True, False}
