"""An oracle: it computes the numbers of the insight from the rows of the simulator in plain Python, without the SQL.

It is written from the definitions: live leads, local months, the matured cohort of 30 to 60 days. First contact
counts what happened and not what was planned.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from statistics import mean, median
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from zoho_pipeline.simulator import Org

Row = dict[str, Any]
DAY = timedelta(days=1)
SPELLINGS = {"linkedin": "LinkedIn", "linkedin.com": "LinkedIn", "google": "Google", "google.com": "Google"}
SPELLINGS |= {"newsletter": "Newsletter", "youtube": "YouTube", "instagram": "Instagram"}


def when(text: str | None) -> datetime:
    assert text is not None
    return datetime.fromisoformat(text)


class InsightOracle:
    """The numbers of one org as of an instant."""

    def __init__(self, org: Org, as_of: datetime) -> None:
        self.zone, self.as_of = ZoneInfo(org.time_zone), as_of
        self.leads = [row for row in org.rows("Leads") if when(row["Created_Time"]) <= as_of]
        self.deals, self.calls = org.rows("Deals"), org.rows("Calls")
        self.events, self.tasks = org.rows("Events"), org.rows("Tasks")

    def numbers(self) -> dict[str, Any]:
        """Return name → value, with the names of `channel_insight`."""
        today = self.as_of.astimezone(self.zone)
        start = today.replace(day=1, hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
        before = (start - DAY).replace(day=1)
        this_month = [row for row in self.leads if self._local(row) >= start]
        last_month = [row for row in self.leads if before <= self._local(row) < start]
        same_day = min(today.day, (start - DAY).day)
        point = before.replace(day=same_day, hour=today.hour, minute=today.minute, second=today.second)
        # the counted period is this month, or last month if this month has no lead yet
        sources = Counter(self.source(row) for row in this_month or last_month)
        unknown = sources.pop("Unknown", 0)
        ranked = sorted(sources.items(), key=lambda item: (-item[1], item[0]))
        return {
            "leads_this_month": len(this_month),
            "leads_last_month_full": len(last_month),
            "leads_last_month_same_point": sum(1 for row in last_month if self._local(row) <= point),
            "top_source_1": _nth(ranked, 0)[0],
            "top_source_1_leads": _nth(ranked, 0)[1],
            "top_source_2": _nth(ranked, 1)[0],
            "top_source_3_leads": _nth(ranked, 2)[1],
            "other_sources_leads": sum(count for _, count in ranked[3:]),
            "unknown_source_leads": unknown,
            **self._conversion(),
            **self._contact(),
            "trend_direction": self._trend(),
        }

    def source(self, lead: Row) -> str:
        """Return the picklist value, else the UTM source, else the host of the referrer, else Unknown."""
        declared = (lead["Lead_Source"] or "").strip()
        host = (urlsplit(lead["Referrer"] or "").hostname or "").removeprefix("www.")
        raw = ("" if declared == "-None-" else declared) or (lead["UTM_Source1"] or "").strip() or host or "Unknown"
        return SPELLINGS.get(raw.lower(), raw)

    def _local(self, lead: Row) -> datetime:
        return when(lead["Created_Time"]).astimezone(self.zone).replace(tzinfo=None)

    def _between(self, old: float, young: float) -> list[Row]:
        """Return the leads created in (as_of − old days, as_of − young days]."""
        first, last = self.as_of - old * DAY, self.as_of - young * DAY
        return [lead for lead in self.leads if first < when(lead["Created_Time"]) <= last]

    def _linked(self, lead: Row) -> datetime | None:
        """Return when a lead got its first deal: at its conversion, else when a person made one for its contact."""
        if not lead["Converted__s"]:
            return None
        converted = when(lead["Converted_Date_Time"])
        if lead["Converted_Deal"] and any(deal["id"] == lead["Converted_Deal"]["id"] for deal in self.deals):
            return converted
        mine = [when(deal["Created_Time"]) for deal in self.deals if self._owner(deal) == lead["id"]]
        return min(mine, default=None)

    def _owner(self, deal: Row) -> str | None:
        """Return the id of the lead of a deal: the lead converted into it, else the latest one of its contact."""
        for lead in self.leads:
            if lead["Converted_Deal"] and lead["Converted_Deal"]["id"] == deal["id"]:
                return str(lead["id"])
        made, contact = when(deal["Created_Time"]), deal["Contact_Name"]
        fitting = [
            (when(lead["Converted_Date_Time"]), -int(lead["id"]))
            for lead in self.leads
            if lead["Converted_Contact"] and contact and lead["Converted_Contact"]["id"] == contact["id"]
            and when(lead["Converted_Date_Time"]) - timedelta(hours=1) <= made
        ]  # fmt: skip
        return str(-max(fitting)[1]) if fitting else None

    def _conversion(self) -> dict[str, Any]:
        def in_time(lead: Row) -> bool:
            linked = self._linked(lead)
            return linked is not None and linked - when(lead["Created_Time"]) <= 30 * DAY

        matured, young = self._between(60, 30), self._between(30, 0)
        converted = sum(map(in_time, matured))
        return {
            "conversion_rate_30d_n": len(matured),
            "conversion_rate_30d_x": converted,
            "conversion_rate_30d": converted / len(matured),
            "conversion_rate_30d_rolling": sum(map(in_time, young)) / len(young),
        }

    def _contact(self) -> dict[str, Any]:
        recent = self._between(90, 0)
        hours = [taken for lead in recent if (taken := self._hours_to_contact(lead)) is not None]
        waiting = sum(1 for lead in recent if self._waits(lead))
        return {
            "contacted_rate": len(hours) / (len(hours) + waiting),
            "avg_hours_to_first_contact": round(mean(hours), 2),
            "median_hours_to_first_contact": round(median(hours), 2),
        }

    def _waits(self, lead: Row) -> bool:
        """Return whether a lead has neither a contact, also no early one, nor a conversion."""
        return not lead["Converted__s"] and not any(at <= self.as_of for at in self._contacts(lead))

    def _hours_to_contact(self, lead: Row) -> float | None:
        created = when(lead["Created_Time"])
        early = created - timedelta(minutes=5)
        times = [at for at in self._contacts(lead) if early <= at <= self.as_of]
        return max((min(times) - created).total_seconds(), 0.0) / 3600 if times else None

    def _contacts(self, lead: Row) -> Iterable[datetime]:
        about = {str(part["id"]) for part in (lead, lead["Converted_Contact"], lead["Converted_Deal"]) if part}
        for call in filter(lambda row: _concerns(row, about), self.calls):
            planned = call["Outgoing_Call_Status"] in ("Scheduled", "Cancelled", "Overdue")
            if call["Call_Type"] == "Outbound" and not planned:
                yield when(call["Call_Start_Time"])
        for event in filter(lambda row: _concerns(row, about), self.events):
            if not event["$event_cancelled"]:
                yield when(event["Start_DateTime"])
        for task in filter(lambda row: _concerns(row, about), self.tasks):
            if task["Status"] == "Completed" and "whatsapp" in task["Subject"].lower():
                yield when(task["Closed_Time"])

    def _trend(self) -> str:
        today = self.as_of.astimezone(self.zone).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
        monday = today - today.weekday() * DAY
        weeks = Counter((monday - self._local(lead)) // (7 * DAY) for lead in self.leads if self._local(lead) < monday)
        newer, older = ([weeks[back + n] for n in range(4)] for back in (0, 4))
        a, b = sum(newer), sum(older)
        if a + b < 10:
            return "insufficient_data"
        z = (a - b) / (max(1.0, (_scatter(newer) + _scatter(older)) / 6) * (a + b)) ** 0.5
        return "up" if z >= 1.943 else "down" if z <= -1.943 else "flat"


def _scatter(counts: list[int]) -> float:
    usual = mean(counts)
    return sum((count - usual) ** 2 for count in counts) / usual if usual else 0.0


def _nth(ranked: list[tuple[str, int]], place: int) -> tuple[str | None, int | None]:
    return ranked[place] if place < len(ranked) else (None, None)


def _concerns(activity: Row, about: set[str]) -> bool:
    return any(activity[name] and activity[name]["id"] in about for name in ("What_Id", "Who_Id"))
