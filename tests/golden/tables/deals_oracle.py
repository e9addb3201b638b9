"""The records of one channel and its deals in plain Python, written from the specification."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from tests.golden.facts.facts_oracle import folded

Row = dict[str, Any]
Tables = Mapping[str, list[Row]]
DAY = timedelta(days=1)
DECIMALS = {"jpy": 0, "kwd": 3}


def utc(instant: datetime | None) -> datetime | None:
    """Return an instant as the marts have it: UTC without zone."""
    return None if instant is None else instant.astimezone(UTC).replace(tzinfo=None)


def possible(value: Any) -> Any:
    """Return a value, or None for a time before the year 1900."""
    return None if isinstance(value, date) and value.year < 1900 else value


def numeric(record_id: str) -> tuple[int, str]:
    return len(record_id), record_id


def rounded(amount: Decimal, decimals: int) -> Decimal:
    return amount.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)


class ChannelRecords:
    """The records of one channel, and the expected rows of `channel` and `deal`, without channel_id."""

    def __init__(self, channel: Row, raw: Tables, facts: Tables, build_at: datetime) -> None:
        key = channel["channel_id"]
        self.channel = channel
        self.raw = {
            name: [{n: possible(v) for n, v in row.items()} for row in rows if row["channel_id"] == key]
            for name, rows in raw.items()
        }
        self.facts = {name: [row for row in rows if row["channel_id"] == key] for name, rows in facts.items()}
        skipped = {row["module"] for row in self.rows("sync_runs") if row["outcome"] == "skipped"}
        self.deals_readable = "Deals" not in skipped
        self.acts_readable = not {"Calls", "Events", "Tasks"} <= skipped
        synced = channel.get("last_complete_sync_at")
        self.as_of: datetime = synced or build_at
        if channel.get("leads_readable") is False:
            self.status = "module_missing"
        elif synced is None:
            self.status = "never_synced"
        else:
            self.status = "stale" if synced < build_at - timedelta(hours=36) else "ok"
        self.has_data = self.status in ("ok", "stale")
        self.zone = ZoneInfo(channel["timezone"])
        self.users = {row["id"]: row for row in self.rows("users")}
        self.leads = {row["id"]: row for row in self.live("leads", "Leads")} if self.has_data else {}
        self.known = {row["zoho_lead_id"]: row for row in self.facts["lead_source_attribution"]}
        self.contacts = {row["zoho_lead_id"]: row for row in self.facts["lead_first_contact"]}
        self.deals = self._deals()

    def rows(self, table: str) -> list[Row]:
        return self.raw.get(table, [])

    def live(self, table: str, module: str) -> list[Row]:
        gone = {
            row["id"]
            for row in self.rows("deleted_records")
            if row["module"] == module and row.get("restored_at") is None
        }
        kept = []
        for row in self.rows(table):
            binned = folded(row.get("record_status") or "") in ("trash", "draft")
            created = row.get("created_time")
            late = table in ("leads", "deals") and created is not None and created > self.as_of
            if row["id"] not in gone and not binned and not late:
                kept.append(row)
        return kept

    def name_of(self, row: Row) -> str | None:
        known = self.users.get(row.get("owner_id") or "", {}).get("full_name")
        return known if known is not None else row.get("owner_name")

    def channel_row(self) -> Row:
        names = ("tenant", "org_name", "data_center", "timezone", "currency", "status")
        return {name: self.channel.get(name) for name in names} | {
            "connected_at": utc(self.channel.get("connected_at")),
            "last_complete_sync_at": utc(self.channel.get("last_complete_sync_at")),
            "data_status": self.status,
            "as_of_utc": utc(self.as_of),
        }

    # deals

    def _state(self, pipeline: str | None, stage: str | None) -> str:
        words = {"open": "open", "closed won": "won", "closed lost": "lost"}
        found = {
            row["pipeline"]: words[folded(row["forecast_type"])]
            for row in self.rows("deal_stages")
            if row["stage"] == stage
        }
        if (pipeline or "") in found:
            return found[pipeline or ""]
        return next(iter(found.values())) if len(set(found.values())) == 1 else "unknown"

    def _home(self, deal: Row) -> Decimal | None:
        amount, rate, home = deal.get("amount"), deal.get("exchange_rate"), self.channel.get("currency")
        if amount is None:
            return None
        decimals = DECIMALS.get(folded(home or ""), 2)
        if rate is not None and rate > 0:
            exact = Fraction(amount) / Fraction(rate)
        elif not folded(deal.get("currency") or "") or folded(deal["currency"]) == folded(home or ""):
            exact = Fraction(amount)
        else:
            return None
        units = abs(exact) * 10**decimals
        whole = int(units + Fraction(1, 2))
        home = (-1 if amount < 0 else 1) * Decimal(whole).scaleb(-decimals)
        return home if units < 10**17 and abs(home) < 10**15 else None

    def _stays(self, deal_id: str) -> list[Row]:
        rows = [
            r for r in self.rows("deal_stage_history") if r["deal_id"] == deal_id and r["modified_time"] is not None
        ]
        return sorted(rows, key=lambda r: (r["modified_time"], numeric(r["id"])))

    def _won_at(self, deal: Row) -> tuple[datetime | None, str | None]:
        states = [(r["modified_time"], self._state(deal.get("pipeline"), r["stage"])) for r in self._stays(deal["id"])]
        others = [at for at, state in states if state != "won"]
        wins = [at for at, state in states if state == "won" and (not others or at >= max(others))]
        if wins:
            return min(wins), "instant"
        closing: date | None = deal.get("closing_date")
        if closing is None:
            return None, None
        return datetime.combine(closing, time(23, 59, 59), self.zone), "date"

    def _days_in_stage(self, deal: Row) -> int | None:
        since, before = deal.get("created_time"), None
        for place, stay in enumerate(s for s in self._stays(deal["id"]) if s["modified_time"] <= self.as_of):
            if place == 0 or stay["stage"] != before:
                since = stay["modified_time"]
            before = stay["stage"]
        return None if since is None else (self.as_of - since) // DAY

    def _link(self, deal: Row) -> tuple[str | None, str | None]:
        """Return the lead of a deal and the rule: its conversion, else the latest conversion of the contact."""
        own = [
            (lead["converted_date_time"], i)
            for i, lead in self.leads.items()
            if lead["converted_deal_id"] == deal["id"]
        ]
        made = deal.get("created_time")
        if own:
            return min(own, key=lambda pair: self._nearness(pair[0], made, pair[1]))[1], "converted_deal"
        fitting = [
            (lead["converted_date_time"], i)
            for i, lead in self.leads.items()
            if deal.get("contact_name_id") is not None
            and lead["converted_contact_id"] == deal["contact_name_id"]
            and made is not None
            and lead["converted_date_time"] is not None
            and made >= lead["converted_date_time"] - timedelta(hours=1)
        ]
        if not fitting:
            return None, None
        return min(fitting, key=lambda pair: self._nearness(pair[0], made, pair[1]))[1], "contact_match"

    @staticmethod
    def _nearness(converted: datetime | None, made: datetime | None, lead_id: str) -> tuple[Any, ...]:
        if converted is None or made is None:
            return True, timedelta.max, numeric(lead_id)
        gap = converted - made
        return gap > timedelta(0), abs(gap), numeric(lead_id)

    def _deals(self) -> dict[str, Row]:
        if not (self.has_data and self.deals_readable):
            return {}
        found = {}
        for deal in self.live("deals", "Deals"):
            state = self._state(deal.get("pipeline"), deal.get("stage"))
            won_at, precision = self._won_at(deal) if state == "won" else (None, None)
            lead_id, rule = self._link(deal)
            lead, amount = self.known.get(lead_id or "", {}), deal.get("amount")
            spelt = (deal.get("currency") or "").strip()
            found[deal["id"]] = {
                "name": deal.get("deal_name"),
                "pipeline": deal.get("pipeline"),
                "stage": deal.get("stage"),
                "deal_state": state,
                "amount": rounded(Decimal(amount), 4) if amount is not None and abs(amount) < 10**16 else None,
                "currency": spelt or self.channel.get("currency"),
                "amount_home": self._home(deal),
                "probability": deal.get("probability"),
                "created_at": utc(deal.get("created_time")),
                "closing_date": deal.get("closing_date"),
                "won_at": utc(won_at),
                "won_at_precision": precision,
                "owner_id": deal.get("owner_id"),
                "owner_name": self.name_of(deal),
                "account_name": deal.get("account_name_name"),
                "zoho_lead_id": lead_id,
                "link_rule": rule,
                "content_id": lead.get("content_id"),
                "lead_source": lead.get("lead_source"),
                "lead_channel": lead.get("lead_channel"),
                "days_in_stage": self._days_in_stage(deal),
            }
        return found
