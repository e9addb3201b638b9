"""Random catalogues and visits, thousands of leads: SQL and plain Python agree on every match and credit."""

import json
import random
import unicodedata
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from urllib.parse import quote, quote_plus

import pytest

from tests.golden.conftest import Builder
from tests.golden.facts.facts_oracle import Item, Touch, credited, credits_of, match
from tests.golden.facts.text_tables import Marts

SYNCED = datetime(2026, 6, 30, tzinfo=UTC)
FIELDS = {
    "utm_source": "Src",
    "utm_medium": "Med",
    "utm_campaign": "Camp",
    "utm_content": "Cont",
    "utm_id": "Uid",
    "activity_id": "Act",
    "landing_url": "Land",
    "referrer": "Ref",
    "first_visited_url": "First",
    "first_visited_time": "At",
}
PAGES = ["a.com", "a.com/x", "a.com/X", "a.com/x/y", "b.org/x", "bücher.example/été", "a.com:8080/x"]
TEXTS = ["zürich 日本", "a+b & c=d", "100% 🎉", "x%2", "%c3%28", "ß/ÿ", "плюс", "q?r#s", "%%41", "%e2%82"]
CHANNELS, LEADS, ITEMS = 4, 300, 16


def _maybe(rng: random.Random, values: list[str], share: float = 0.6) -> str | None:
    return rng.choice(values) if rng.random() < share else None


def _spelt(rng: random.Random, value: str) -> str:
    """One of the spellings that mean the same."""
    escaped = quote(value, safe="")
    return rng.choice([
        value, value.upper(), f" {value} ", escaped, quote_plus(value), quote(escaped), json.dumps([value]),
        json.dumps({"name": value, "id": "7"}), f"\t{value}\r\n", f"\u200b\xa0{value}\ufeff",
        value.replace(" ", " \u2003"), unicodedata.normalize("NFD", value),
    ])  # fmt: skip


def _url(rng: random.Random, page: str) -> str:
    place, slash, path = page.partition("/")
    host, colon, port = place.partition(":")
    host = rng.choice([host, host.upper(), host + ".", host.encode("idna").decode()])
    start, default = rng.choice([("", 80), ("http://", 80), ("HTTPS://", 443), ("https://www.", 443), ("//", 443)])
    port = colon + port if colon else rng.choice(["", "", f":{default}"])
    path = rng.choice([path, quote(path), quote(path).lower(), unicodedata.normalize("NFD", path)])
    query = rng.choice([
        "", "?x=1", "?utm_campaign=camp+1&utm_campaign=camp%202", "?a&xutm_id=act0&utm_id=act1",
        "?utm_source=S1&amp;utm_medium=m1&#38;utm_campaign=camp%25201", "?utm_campaign=+&utm_campaign=camp+3",
    ])  # fmt: skip
    fragment = rng.choice(["", "#f", "#utm_campaign=camp+2", "#/route?utm_id=act4&utm_source=s1"])
    return start + host + port + slash + path + rng.choice(["", "/"]) + query + fragment


def _items(rng: random.Random) -> list[Item]:
    return [
        Item(
            content_id=f"p{n}",
            published_at=SYNCED - timedelta(hours=12 * rng.randrange(240)),
            source_activity_id=_maybe(rng, [f"act{k}" for k in range(12)]),
            canonical_url=_maybe(rng, PAGES),
            utm_source=_maybe(rng, ["s1", "s 2"], 0.9),
            utm_medium=_maybe(rng, ["m1"], 0.9),
            utm_campaign=_maybe(rng, ["camp 1", "camp 2", "camp 3", "für uns"]),
            utm_content=_maybe(rng, [f"c{k}" for k in range(8)], 0.4),
        )
        for n in range(ITEMS)
    ]


def _creation(rng: random.Random) -> Touch:
    choices = {
        "utm_source": ["s1", "s 2"],
        "utm_medium": ["m1", "m1", "m2"],
        "utm_campaign": ["camp 1", "camp 2", "camp 3", "für uns", "camp 4"],
        "utm_content": [*(f"c{k}" for k in range(8)), "act3"],
        "utm_id": [f"act{k}" for k in range(12)],
        "activity_id": ["act1", "p3"],
    }
    shares = {"utm_id": 0.1, "activity_id": 0.1, "utm_content": 0.3}
    values = {name: _maybe(rng, texts, shares.get(name, 0.7)) for name, texts in choices.items()}
    spelt = {name: _spelt(rng, value) for name, value in values.items() if value}
    landing, referrer = _maybe(rng, PAGES, 0.4), _maybe(rng, PAGES, 0.3)
    return Touch(
        "lead_creation",
        SYNCED - timedelta(hours=6 * rng.randrange(400)),
        spelt,
        _url(rng, landing) if landing else None,
        _url(rng, referrer) if referrer else None,
    )


def _first_visit(rng: random.Random, created: datetime) -> Touch | None:
    if rng.random() < 0.4:
        return None
    return Touch(
        "first_visit", created - timedelta(seconds=rng.randrange(100 * 86400)), {}, _url(rng, rng.choice(PAGES))
    )


class World:
    """Channels with catalogues and leads, as raw text tables and as the oracle sees them."""

    def __init__(self, seed: int) -> None:
        rng = random.Random(seed)
        self.catalogues = {f"c{n}": _items(rng) for n in range(CHANNELS)}
        self.leads: dict[tuple[str, str], tuple[Touch, Touch | None]] = {}
        for channel_id in self.catalogues:
            for n in range(LEADS):
                creation = _creation(rng)
                self.leads[channel_id, str(n)] = creation, _first_visit(rng, creation.at)

    def raw(self) -> dict[str, str]:
        names = ["content_id", "source_activity_id", "canonical_url", "utm_source", "utm_medium", "utm_campaign"]
        names += ["utm_content", "published_at"]
        items = [
            " | ".join([channel_id, *(_cell(getattr(item, name)) for name in names)])
            for channel_id, catalogue in self.catalogues.items()
            for item in catalogue
        ]
        leads = [f"{c} | {n} | {_cell(creation.at)} | {_fields(creation, first)}"
                 for (c, n), (creation, first) in self.leads.items()]  # fmt: skip
        maps = [f"{c} | {key} | {name} | set" for c in self.catalogues for key, name in FIELDS.items()]
        channels = [f"{c} | UTC | {_cell(SYNCED)}" for c in self.catalogues]
        return {
            "channels": "\n".join(["channel_id | timezone | last_complete_sync_at", *channels]),
            "channel_field_map": "\n".join(["channel_id | field_key | api_name | basis", *maps]),
            "content_items": "\n".join([" | ".join(["channel_id", *names]), *items]),
            "leads": "\n".join(["channel_id | id | created_time | custom_fields", *leads]),
        }

    def touches(self, channel_id: str, lead_id: str) -> list[Touch]:
        """Return all touches of a lead, oldest first."""
        creation, first = self.leads[channel_id, lead_id]
        is_touch = first and first.at < creation.at and creation.at - first.at <= timedelta(days=90)
        return [first, creation] if first and is_touch else [creation]

    def matches(self, channel_id: str, lead_id: str) -> list[tuple[str, str | None, Decimal]]:
        """Return (rule, content, confidence) of each touch."""
        return [match(touch, self.catalogues[channel_id]) for touch in self.touches(channel_id, lead_id)]


def _cell(value: str | datetime | None) -> str:
    return value.strftime("%Y-%m-%d %H:%M:%S") if isinstance(value, datetime) else value or ""


def _fields(creation: Touch, first: Touch | None) -> str:
    fields = {FIELDS[name]: value for name, value in creation.values.items()}
    fields |= {"Land": creation.landing_url or "", "Ref": creation.referrer or ""}
    if first:
        fields |= {"First": first.landing_url or "", "At": first.at.isoformat()}
    return json.dumps(fields)


WORLD = World(seed=20260630)
RAW = WORLD.raw()


@pytest.mark.long
def test_every_match_agrees(fact_marts: Marts) -> None:
    rows = fact_marts.all_rows("lead_source_attribution")
    assert len(rows) == CHANNELS * LEADS
    rules = set()
    for row in rows:
        matches = WORLD.matches(row["channel_id"], row["zoho_lead_id"])
        expected = matches[credited([content for _, content, _ in matches])[-1]]
        rules.add(expected[0])
        assert (row["match_rule"], row["content_id"], row["match_confidence"]) == expected, row
    assert len(rules) == 8


def test_every_credit_agrees(fact_marts: Marts) -> None:
    found: dict[tuple[str, str, str], list[tuple[object, ...]]] = {}
    for row in sorted(fact_marts.all_rows("lead_touch_credit"), key=lambda row: row["touch_seq"]):
        key = (row["channel_id"], row["zoho_lead_id"], row["model"])
        at = row["touch_at"].replace(tzinfo=UTC)
        found.setdefault(key, []).append((row["touch_seq"], at, row["content_id"], row["credit"]))
        assert row["is_default"] is (row["model"] == "last_touch")
    expected = {}
    for channel_id, lead_id in WORLD.leads:
        touches = WORLD.touches(channel_id, lead_id)
        contents = [content for _, content, _ in WORLD.matches(channel_id, lead_id)]
        places = credited(contents)
        for model, credits in credits_of([(touches[place].at, contents[place]) for place in places]).items():
            expected[channel_id, lead_id, model] = [
                (place + 1, touches[place].at, contents[place], credit)
                for place, credit in zip(places, credits, strict=True)
            ]
    assert found == expected
    assert sum(len(touches) == 2 for touches in found.values()) > 500
    assert {touches[0][0] for touches in found.values() if len(touches) == 1} == {1, 2}


@pytest.mark.parametrize("engine", ["duckdb", "postgres"])
def test_url_decoding_is_utf8(build_marts: Builder, engine: str) -> None:
    """An unmapped utm_source becomes the text, decoded twice at most. Bytes that are not UTF-8 stay escaped."""
    values = [quote_plus(text) for text in TEXTS] + ["%", "%c3%28", "%ed%a0%80", "%f0%9f", "%00x", "a%2Bb", "%C3%9F"]
    fields = "\n".join(f'c | {n} | 2026-06-01 00:00:00 | {{"S": "{value}"}}' for n, value in enumerate(values))
    raw = {
        "channels": "channel_id | timezone | last_complete_sync_at\nc | UTC | 2026-06-30 00:00:00",
        "channel_field_map": "channel_id | field_key | api_name | basis\nc | utm_source | S | set",
        "leads": f"channel_id | id | created_time | custom_fields\n{fields}",
    }
    rows = {row["zoho_lead_id"]: row["lead_source"] for row in build_marts(engine, raw, None).all_rows("lead")}
    # the texts are escaped once more; those that look escaped themselves are decoded a second time
    decoded = {"%c3%28": "%C3(", "%%41": "%A", "%e2%82": "%E2%82"}
    kept = ["%", "%C3(", "%ED%A0%80", "%F0%9F", "%00x", "a+b", "ß"]
    assert [rows[str(n)] for n in range(len(values))] == [*(decoded.get(text, text) for text in TEXTS), *kept]
