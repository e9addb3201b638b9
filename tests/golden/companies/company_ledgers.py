"""Companies of the simulator's generator as raw rows, straight from their ledgers, and as frames for the oracle."""

import random
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pandas as pd
import pyarrow as pa

from zoho_pipeline.ingest.catalog.tables import BY_NAME
from zoho_pipeline.ingest.convert.json_to_arrow import to_arrow
from zoho_pipeline.simulator import Simulator
from zoho_pipeline.simulator.demo.company import Company, build_company

MODULES = {
    "leads": "Leads",
    "deals": "Deals",
    "contacts": "Contacts",
    "calls": "Calls",
    "events": "Events",
    "tasks": "Tasks",
}
FIELDS = {
    "utm_source": "UTM_Source1",
    "utm_medium": "UTM_Medium1",
    "utm_campaign": "UTM_Campaign1",
    "utm_content": "UTM_Content1",
    "activity_id": "Campaign_Activity",
    "landing_url": "Landing_Page",
    "referrer": "Referrer",
    "first_visited_url": "First_Visited_URL",
    "first_visited_time": "First_Visited_Time",
}
FIRST = datetime(2026, 6, 30, 12, tzinfo=UTC)
Row = dict[str, Any]


@dataclass(frozen=True)
class Ledgers:
    """Many companies: Zoho's records by raw table. Each record has its channel under `channel`."""

    as_of: dict[str, datetime]
    records: dict[str, dict[str, list[Row]]]
    content: dict[str, list[Row]]
    submissions: dict[str, list[Row]]
    keys: dict[str, list[Row]]

    def frame(self, table: str) -> pd.DataFrame:
        """Return all records of a table."""
        rows = [{"channel": channel, **row} for channel, tables in self.records.items() for row in tables[table]]
        return pd.DataFrame(rows)

    def items(self) -> pd.DataFrame:
        """Return the items of all catalogues."""
        return pd.DataFrame([{"channel": channel, **row} for channel, rows in self.content.items() for row in rows])

    def raw(self) -> dict[str, list[Row] | pa.Table]:
        """Return the raw tables that a sync of these companies would leave, without stage history."""
        tables: dict[str, list[Row] | pa.Table] = {
            name: pa.concat_tables(
                to_arrow(BY_NAME[name], tables[name], channel_id=channel, synced_at=self.as_of[channel]).table
                for channel, tables in self.records.items()
            )
            for name in MODULES
        }
        tables["channels"] = [
            {"channel_id": channel, "timezone": "Asia/Kolkata", "currency": "INR", "last_complete_sync_at": as_of}
            for channel, as_of in self.as_of.items()
        ]
        tables["channel_field_map"] = [
            {"channel_id": channel, "field_key": key, "api_name": name, "basis": "set"}
            for channel in self.as_of
            for key, name in FIELDS.items()
        ]
        tables["deal_stages"] = [
            {"channel_id": channel, "pipeline": "Standard (Standard)", "stage": stage, "forecast_type": meaning}
            for channel in self.as_of
            for stage, meaning in STAGES.items()
        ]
        tables["content_items"] = [
            {"channel_id": channel, **row} for channel, rows in self.content.items() for row in rows
        ]
        for name, found in (("form_submissions", self.submissions), ("person_keys", self.keys)):
            tables[name] = [{"channel_id": channel, **row} for channel, rows in found.items() for row in rows]
        return tables


STAGES = {
    "Qualification": "Open",
    "Needs Analysis": "Open",
    "Proposal/Price Quote": "Open",
    "Negotiation/Review": "Open",
    "Closed Won": "Closed Won",
    "Closed Lost": "Closed Lost",
}


def companies(seeds: Iterable[int], leads: int = 60) -> Ledgers:
    """Return one company per seed. Each is a channel with its own as_of."""
    as_of: dict[str, datetime] = {}
    records: dict[str, dict[str, list[Row]]] = {}
    content: dict[str, list[Row]] = {}
    submissions: dict[str, list[Row]] = {}
    keys: dict[str, list[Row]] = {}
    with Simulator.start(port=0) as simulator:
        for seed in seeds:
            now = FIRST - timedelta(seconds=random.Random(seed).randrange(300 * 86_400))
            company: Company = build_company(simulator, seed=seed, now=now, leads=leads)
            channel = f"s{seed:05d}"
            as_of[channel] = now
            records[channel] = {name: company.org.rows(module) for name, module in MODULES.items()}
            content[channel] = [dict(row) for row in company.content]
            disturb(random.Random(seed), now, records[channel], content[channel])
            make_odd(random.Random(-seed - 1), records[channel])
            people = records[channel]["leads"]
            keys[channel], submissions[channel] = send_forms(random.Random(-seed - 7), now, people, content[channel])
    return Ledgers(as_of, records, content, submissions, keys)


def disturb(rng: random.Random, now: datetime, tables: dict[str, list[Row]], items: list[Row]) -> None:
    """Add what the generator never makes: items published late or without ids, incomplete visits, early calls."""
    for item in items:
        if rng.random() < 0.3:
            published = now - timedelta(days=rng.randrange(200), hours=rng.randrange(24))
            item["published_at"] = published.strftime("%Y-%m-%dT%H:%M:%SZ")
        if rng.random() < 0.3:
            item["source_activity_id"] = None
        if rng.random() < 0.3:
            item["utm_content"] = f"Part {rng.randrange(6)}"
    created = {}
    for lead in tables["leads"]:
        created[lead["id"]] = datetime.fromisoformat(lead["Created_Time"])
        if rng.random() < 0.4:
            lead |= _half_known(rng, rng.choice(items))
    for call in tables["calls"]:
        about = (call["What_Id"] or {}).get("id")
        if rng.random() < 0.1:
            call["Call_Type"] = rng.choice(("Inbound", "Missed", "Outbound"))
            call["Call_Duration_in_seconds"] = rng.choice((0, 30))
        if about in created and rng.random() < 0.1:
            started = created[about] - timedelta(seconds=rng.choice((0, 299, 300, 301, 4000)))
            call["Call_Start_Time"] = started.isoformat()


def _half_known(rng: random.Random, item: Row) -> Row:
    """Return the fields of a visit that came through an item, as incomplete as a form may store them."""
    known: Row = dict.fromkeys((*list(FIELDS.values())[:5], "Landing_Page", "Referrer"))
    campaign = rng.choice((item["utm_campaign"], "another"))
    match rng.randrange(5):
        case 0:
            host, _, path = str(item["canonical_url"]).removeprefix("https://").partition("/")
            known["Referrer"] = f"http://{host.upper()}/{path}"
        case 1:
            known["UTM_Campaign1"] = campaign and f" {campaign.upper()} "
        case 2:
            known |= {"UTM_Content1": item["utm_content"], "UTM_Campaign1": campaign}
        case 3:
            known["UTM_Source1"], known["UTM_Medium1"] = item["utm_source"], item["utm_medium"]
            known["UTM_Campaign1"] = item["utm_campaign"]
        case _:
            known["Landing_Page"] = f"{item['canonical_url']}/?a&utm_content=Part%20{rng.randrange(6)}#top"
    return known


def make_odd(rng: random.Random, tables: dict[str, list[Row]]) -> None:
    """Write what people and other programs write: odd spellings, times that nobody meant, odd amounts and rates."""
    for lead in tables["leads"]:
        if rng.random() < 0.5:
            lead |= {name: _spelt(rng, lead[name]) for name in _TEXTS if isinstance(lead.get(name), str)}
            lead |= {name: _spelt_url(rng, lead[name]) for name in _URLS if isinstance(lead.get(name), str)}
        if rng.random() < 0.05:
            lead["Created_Time"] = rng.choice(("1970-01-01T00:00:01+00:00", "1998-12-31T23:59:59-11:00"))
        if rng.random() < 0.05:
            lead["First_Visited_Time"] = rng.choice(("0001-01-02T00:00:00+00:00", "9999-12-30T00:00:00+00:00", None))
    for name, field in (("calls", "Call_Start_Time"), ("events", "Start_DateTime"), ("tasks", "Closed_Time")):
        for row in tables[name]:
            if rng.random() < 0.05:
                row[field] = rng.choice(("0001-01-02T00:00:00+00:00", "9999-12-30T00:00:00+00:00", None))
    for task in tables["tasks"]:
        if rng.random() < 0.3:
            task["Subject"] = _spelt(rng, rng.choice(("Call", "follow up", "«e-mail»", "recall", "•meeting", "sms")))
    for deal in tables["deals"]:
        if rng.random() < 0.5:
            deal["Amount"] = rng.choice(
                (
                    Decimal("1234.567"),
                    Decimal("-0.005"),
                    Decimal("0.025"),
                    Decimal("2.005"),
                    0,
                    None,
                    0.015,
                    Decimal("99999999999.995"),
                )
            )
        if rng.random() < 0.3:
            rate = rng.choice((Decimal("0.012030123"), 3, Decimal("83.123456789"), 0, -1, None))
            deal |= {"Exchange_Rate": rate, "Currency": rng.choice(("INR", "USD", None))}


def send_forms(rng: random.Random, now: datetime, leads: list[Row], items: list[Row]) -> tuple[list[Row], list[Row]]:
    """Return the keys of the leads, and what they sent before and after. Some leads share an address."""
    keys: list[Row] = []
    for lead in leads:
        for kind, start in (("email", "e"), ("secondary_email", "e"), ("phone", "p"), ("mobile", "p")):
            if rng.random() < 0.4:
                key = f"{start}{rng.randrange(len(leads))}"
                keys.append({"module": "Leads", "id": lead["id"], "kind": kind, "key": key})
    submissions: list[Row] = []
    for number in range(len(leads)):
        lead = rng.choice(leads)
        known = {row["kind"]: row["key"] for row in keys if row["id"] == lead["id"]}
        days = rng.choice((0, 0, 0, rng.randrange(-100, 20)))
        at = datetime.fromisoformat(lead["Created_Time"]) + timedelta(days=days, minutes=rng.randrange(-1500, 100))
        came = _half_known(rng, rng.choice(items))
        row = {key: came[name] for key, name in FIELDS.items() if name in came}
        row |= {"email_key": known.get(rng.choice(("email", "secondary_email"))), "phone_key": known.get("phone")}
        if at <= now:
            row |= {"submission_id": f"f{number:03d}", "submitted_at": at, "received_at": at}
            submissions.append(row | {"is_suspect": rng.random() < 0.1})
    return keys, submissions


_TEXTS, _URLS = tuple(FIELDS.values())[:5], ("Landing_Page", "Referrer", "First_Visited_URL")


def _spelt(rng: random.Random, text: str) -> str:
    """Another spelling with the same meaning."""
    return rng.choice((
        text, text.upper(), f"\t{text}\r\n", f"\u200b\xa0{text}\ufeff", text.replace(" ", " \u2003"),
        unicodedata.normalize("NFD", text), text[:1] + "\u00ad" + text[1:],
    ))  # fmt: skip


def _spelt_url(rng: random.Random, url: str) -> str:
    """Another spelling of the same page with the same parameters."""
    start, separator, rest = url.partition("://")
    place, slash, path = rest.partition("/")
    if not separator or not slash or ":" in place:
        return url
    port = {"http": ":80", "https": ":443"}.get(start.lower(), "")
    place = rng.choice((place, place.upper(), f"{place}.", f"{place}{port}"))
    return f"{rng.choice((start, start.upper()))}://{place}/{path.replace('&', rng.choice(('&', '&amp;', '&#38;')))}"
