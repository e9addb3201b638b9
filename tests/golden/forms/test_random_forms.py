"""Random people who send forms and become leads: SQL and plain Python agree on every link, match and credit."""

import json
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tests.golden.facts.facts_oracle import Item, Touch, match
from tests.golden.facts.text_tables import Marts
from tests.golden.forms.forms_oracle import EMAILS, PHONES, Lead, Link, Story, Submission, links

SYNCED = datetime(2026, 6, 30, 12, tzinfo=UTC)
WINDOWS = {"c0": 90, "c1": 90, "c2": 12}
LEADS = 150
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
PAGES = ["https://a.com", "https://www.a.com/x/", "a.com/y?utm_content=c1", "b.org/x?utm_campaign=camp%202", "b.org/y"]
VALUES = {
    "utm_source": ["s1", "S1 ", "s 2", "%20"],
    "utm_medium": ["m1", "M1"],
    "utm_campaign": ["camp 1", "Camp+2", "camp 3"],
    "utm_content": ["c0", "c1", "C2", "act1", " "],
    "utm_id": ["act2", "p1"],
    "activity_id": ["act3", "P4", "nobody"],
}
EDGES = [timedelta(0), timedelta(hours=-24), timedelta(hours=1), timedelta(days=-90), timedelta(days=-12)]


def _maybe(rng: random.Random, values: list[str], share: float) -> str | None:
    return rng.choice(values) if rng.random() < share else None


def _touch(rng: random.Random, kind: str, at: datetime) -> Touch:
    drawn = {name: _maybe(rng, texts, 0.25) for name, texts in VALUES.items()}
    given = {name: text for name, text in drawn.items() if text}
    return Touch(kind, at, given, _maybe(rng, PAGES, 0.3), _maybe(rng, PAGES, 0.2))


def _items(rng: random.Random) -> list[Item]:
    return [
        Item(
            content_id=f"p{n}",
            published_at=SYNCED - timedelta(hours=rng.randrange(3000)),
            source_activity_id=f"act{n}",
            canonical_url=_maybe(rng, PAGES, 0.5),
            utm_source=_maybe(rng, ["s1", "s 2"], 0.8),
            utm_medium=_maybe(rng, ["m1"], 0.8),
            utm_campaign=_maybe(rng, ["camp 1", "camp 2", "camp 3"], 0.8),
            utm_content=_maybe(rng, ["c0", "c1", "c2"], 0.5),
        )
        for n in range(8)
    ]


class World:
    """Channels whose people share a few addresses and numbers."""

    def __init__(self, seed: int) -> None:
        rng = random.Random(seed)
        self.items = {channel: _items(rng) for channel in WINDOWS}
        self.leads: dict[str, list[Lead]] = {}
        self.submissions: dict[str, list[Submission]] = {}
        for channel in WINDOWS:
            self.leads[channel] = [self._lead(rng, n) for n in range(LEADS)]
            self.submissions[channel] = [self._submission(rng, channel, n) for n in range(2 * LEADS)]

    @staticmethod
    def _lead(rng: random.Random, number: int) -> Lead:
        created = SYNCED - timedelta(minutes=10 * rng.randrange(0, 12_000))
        creation = Touch("lead_creation", created, {})
        if rng.random() < 0.6:
            creation = _touch(rng, "lead_creation", created)
        first = None
        if rng.random() < 0.4:
            first = Touch("first_visit", created - timedelta(hours=rng.randrange(2400)), {}, rng.choice(PAGES))
        keys = {kind: f"e{rng.randrange(LEADS)}" for kind in EMAILS if rng.random() < 0.6}
        keys |= {kind: f"t{rng.randrange(LEADS)}" for kind in PHONES if rng.random() < 0.5}
        return Lead(str(rng.choice((100, 9))) + f"{number:03d}", creation, keys, first)

    def _submission(self, rng: random.Random, channel: str, number: int) -> Submission:
        lead = rng.choice(self.leads[channel][: rng.choice((20, LEADS))])  # some people send many forms
        emails = [lead.keys[kind] for kind in EMAILS if kind in lead.keys]
        phones = [lead.keys[kind] for kind in PHONES if kind in lead.keys]
        shift = rng.choice((rng.choice(EDGES), -timedelta(minutes=10 * rng.randrange(3000)), timedelta(hours=-3)))
        at = lead.created + shift + timedelta(seconds=rng.choice((-1, 0, 0, 1)))
        return Submission(
            f"u{number:04d}",
            _touch(rng, "form_submit", at),
            _maybe(rng, [*emails, f"e{rng.randrange(LEADS)}"], 0.7),
            _maybe(rng, [*phones, f"t{rng.randrange(LEADS)}"], 0.5),
            rng.random() < 0.1,
        )

    def seen(self, channel: str) -> list[Submission]:
        """Return the submissions up to as_of."""
        return [one for one in self.submissions[channel] if one.touch.at <= SYNCED]

    def links(self, channel: str) -> dict[str, Link]:
        return links(self.leads[channel], self.seen(channel), timedelta(days=WINDOWS[channel]))

    def stories(self, channel: str) -> dict[str, Story]:
        """Return lead id → its touches."""
        own, found = self.links(channel), self.seen(channel)
        return {lead.id: Story(lead, found, own, self.items[channel]) for lead in self.leads[channel]}

    def raw(self) -> dict[str, str]:
        items = ["content_id", "source_activity_id", "canonical_url", "utm_source", "utm_medium", "utm_campaign"]
        items += ["utm_content", "published_at"]
        texts = [name for name in VALUES if name != "activity_id"]
        tables: dict[str, list[list[object]]] = {
            "channels": [["channel_id", "timezone", "last_complete_sync_at"]],
            "channel_parameters": [["channel_id", "name", "value"]],
            "channel_field_map": [["channel_id", "field_key", "api_name", "basis"]],
            "content_items": [["channel_id", *items]],
            "leads": [["channel_id", "id", "created_time", "custom_fields"]],
            "person_keys": [["channel_id", "module", "id", "kind", "key"]],
            "form_submissions": [["channel_id", "submission_id", "submitted_at", "received_at", "email_key",
                                  "phone_key", "is_suspect", "landing_url", "referrer", "activity_id", *texts]],
        }  # fmt: skip
        for channel, days in WINDOWS.items():
            tables["channels"].append([channel, "UTC", SYNCED])
            tables["channel_parameters"].append([channel, "forms_window_days", days])
            tables["channel_field_map"] += [[channel, key, name, "set"] for key, name in FIELDS.items()]
            tables["content_items"] += [[channel, *(getattr(i, name) for name in items)] for i in self.items[channel]]
            for lead in self.leads[channel]:
                tables["leads"].append([channel, lead.id, lead.created, _fields(lead)])
                tables["person_keys"] += [[channel, "Leads", lead.id, kind, key] for kind, key in lead.keys.items()]
            for one in self.submissions[channel]:
                given = [_quoted(one.touch.values.get(name)) for name in texts]
                named = _quoted(one.touch.values.get("activity_id"))
                row = [channel, one.id, one.touch.at, one.touch.at, one.email, one.phone, str(one.is_suspect).lower()]
                tables["form_submissions"].append([*row, one.touch.landing_url, one.touch.referrer, named, *given])
        return {
            name: "\n".join(" | ".join(_cell(value) for value in row) for row in rows) for name, rows in tables.items()
        }


def _quoted(value: str | None) -> str | None:
    """The text tables strip their cells: a value with blanks at its ends is written as a list of one."""
    return json.dumps([value]) if value is not None and value != value.strip() else value


def _cell(value: object) -> str:
    return value.strftime("%Y-%m-%d %H:%M:%S") if isinstance(value, datetime) else str(value or "")


def _fields(lead: Lead) -> str:
    fields = {FIELDS[name]: value for name, value in lead.creation.values.items()}
    fields |= {"Land": lead.creation.landing_url or "", "Ref": lead.creation.referrer or ""}
    if lead.first:
        fields |= {"First": lead.first.landing_url or "", "At": lead.first.at.isoformat()}
    return json.dumps(fields)


WORLD = World(seed=20260701)
RAW = WORLD.raw()


@pytest.mark.long
def test_every_submission_finds_its_lead(fact_marts: Marts) -> None:
    rows = {(row["channel_id"], row["submission_id"]): row for row in fact_marts.all_rows("form_submission")}
    seen: Counter[tuple[str, str | None, bool]] = Counter()
    for channel in WINDOWS:
        own = WORLD.links(channel)
        for one in WORLD.seen(channel):
            row, link = rows.pop((channel, one.id)), own[one.id]
            got = Link(row["zoho_lead_id"], row["matched_by"], row["relation"], row["is_ambiguous"])
            assert got == link, row
            rule, content, _ = ("none", None, 0) if one.is_suspect else match(one.touch, WORLD.items[channel])
            assert (row["match_rule"], row["content_id"]) == (rule, content), row
            seen[link.relation, link.by, link.is_ambiguous] += 1
    assert rows == {}
    assert {key for key, n in seen.items() if n > 3} >= {
        (relation, by, two)
        for relation in ("creating", "earlier", "later")
        for by, two in (("email", True), ("email", False), ("phone", False))
    }


def test_every_lead_has_its_content(fact_marts: Marts) -> None:
    captured = {(row["channel_id"], row["zoho_lead_id"]): row["captured_by"] for row in fact_marts.all_rows("lead")}
    rows = {(r["channel_id"], r["zoho_lead_id"]): r for r in fact_marts.all_rows("lead_source_attribution")}
    bases: Counter[str] = Counter()
    for channel in WINDOWS:
        for lead_id, story in WORLD.stories(channel).items():
            row, last = rows.pop((channel, lead_id)), story.credited[-1][1]
            got = (row["match_rule"], row["content_id"], row["match_confidence"], row["touch_input_basis"])
            assert got == (last.rule, last.content, last.confidence, story.basis), row
            assert captured[channel, lead_id] == ("landing_page" if story.is_captured else "zoho_crm")
            bases[story.basis] += 1
    assert rows == {}
    assert min(bases.values()) > 5
    assert len(bases) == 3


def test_every_credit_is_as_large_as_the_model_says(fact_marts: Marts) -> None:
    found: dict[tuple[str, str, str], list[dict[str, object]]] = {}
    for row in sorted(fact_marts.all_rows("lead_touch_credit"), key=lambda row: row["touch_seq"]):
        found.setdefault((row["channel_id"], row["zoho_lead_id"], row["model"]), []).append(row)
    longest = 0
    for channel in WINDOWS:
        for lead_id, story in WORLD.stories(channel).items():
            longest = max(longest, len(story.credited))
            for model, shares in story.shares().items():
                rows = found.pop((channel, lead_id, model))
                got = [(r["touch_seq"], r["touch_type"], r["content_id"]) for r in rows]
                assert got == [(number, touch.kind, touch.content) for number, touch in story.credited], rows
                credits = [Decimal(str(row["credit"])) for row in rows]
                assert sum(credits) == 1, rows
                for credit, share in zip(credits, shares, strict=True):
                    assert abs(float(credit) - float(share)) < 1e-9, (model, credits, shares)
    assert found == {}
    assert longest >= 4
