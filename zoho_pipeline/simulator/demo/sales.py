"""The work of the sales team on a lead: calls, meetings, tasks, notes, conversion, and the stages of deals.

A story is a list of `Step`s, each with its instant. `company.py` plays the steps of all stories in the order of
time, with the simulator's clock set to each instant. Created_Time, Modified_Time and the stage history then are
as if people had made the changes.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from zoho_pipeline.simulator.demo.leads import LeadPlan

OPENS, CLOSES = timedelta(hours=9, minutes=30), timedelta(hours=18, minutes=30)
STAGES = ("Qualification", "Needs Analysis", "Proposal/Price Quote", "Negotiation/Review")
COLD_STATUSES = ("Contacted", "Not Qualified", "Lost Lead", "Junk Lead", "Contact in Future")
REMARKS = ("Asked for references in the same trade.", "Wants GST filing included.", "Decides after Diwali.")
USD_PER_INR = 0.0119


class Crm(Protocol):
    """The part of `OrgHandle` that a story needs."""

    def insert(self, module: str, record: dict[str, Any]) -> str: ...
    def update(self, module: str, record_id: str, changes: dict[str, Any]) -> Any: ...


@dataclass(order=True)
class Step:
    """An action at an instant; `order` sorts the steps of one instant."""

    at: datetime
    order: int
    act: Callable[[Crm], None] = field(compare=False)


def business_after(at: datetime, hours: float, zone: ZoneInfo) -> datetime:
    """The instant `hours` of working time (Mon–Fri 9:30–18:30 local) after `at`."""
    local, left = at.astimezone(zone), timedelta(hours=hours)
    while True:
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
        start, end = max(local, midnight + OPENS), midnight + CLOSES
        if midnight.weekday() < 5 and start < end:
            if start + left <= end:
                return start + left
            left -= end - start
        local = midnight + timedelta(days=1)


class Story:
    """The story of one lead in the CRM. `steps()` lists its steps; the ids are set while the steps are played."""

    def __init__(
        self, plan: LeadPlan, owner: str, zone: ZoneInfo, now: datetime, convert: Callable[["Story"], None]
    ) -> None:
        self.plan, self.owner, self.zone, self.now = plan, owner, zone, now
        self.rng = random.Random(f"{plan.number}:{plan.seed}")
        wanted = plan.converts_at
        at = business_after(wanted, self.rng.uniform(0, 2), zone) if wanted else None
        self.converts_at = at if at and at < now else None
        """The conversion, moved into working hours; None when it does not happen before `now`."""
        self.lead_id = self.contact_id = self.account_id = self.deal_id = ""
        self._convert = convert
        self._steps: list[Step] = []

    def steps(self) -> list[Step]:
        """All steps of this story before `now`, unsorted. A second call returns the same steps."""
        if self._steps:
            return [step for step in self._steps if step.at < self.now]
        self._at(self.plan.created_at, self._arrive)
        contacted_at = self._first_contact()
        if contacted_at:
            self._follow_up(contacted_at)
        if self.converts_at:
            self._at(self.converts_at, lambda _: self._convert(self))
            self._deals(self.converts_at)
        return [step for step in self._steps if step.at < self.now]

    @property
    def with_deal(self) -> bool:
        """True when the conversion makes a deal, as six in seven do."""
        return self.plan.seed < 0.86

    def deal_fields(self) -> dict[str, Any]:
        """The deal of a conversion, in Zoho's shape. Deals of exporters are in US dollars."""
        rng, abroad = self.rng, self.plan.is_exporter
        amount = round(rng.lognormvariate(12.3, 0.55), -3) if not abroad else round(rng.lognormvariate(8.3, 0.4), -1)
        money = {"Currency": "USD", "Exchange_Rate": USD_PER_INR} if abroad else {"Currency": "INR", "Exchange_Rate": 1}
        closing = (self.converts_at or self.now).astimezone(self.zone) + timedelta(days=rng.randint(25, 60))
        return {
            "Deal_Name": f"{self.plan.fields['Company']}: {rng.choice(('Starter', 'Growth', 'Multi-site'))} plan",
            "Stage": STAGES[0],
            "Amount": amount,
            "Closing_Date": closing.date().isoformat(),
            "Type": "New Business",
            "Pipeline": "Standard (Standard)",
            **money,
        }

    def _deals(self, converted_at: datetime) -> None:
        """Plan the stages of the deal.

        A conversion without a deal may get one later, and a won deal may bring a second one.
        """
        rng, since = self.rng, converted_at
        if not self.with_deal:
            since = converted_at + timedelta(days=rng.uniform(2, 12))
            if rng.random() < 0.5:
                return
            self._at(since, lambda crm: self._deal_by_hand(crm, since))
        last = ""
        for at, stage in deal_moves(rng, since, self.now, self.zone):
            self._stage(at, stage)
            since, last = at, stage
        again = since + timedelta(days=rng.uniform(25, 50))
        if last == "Closed Won" and rng.random() < 0.3:
            self._at(again, lambda crm: self._deal_by_hand(crm, again, "Existing Business"))
            self._stage(again + timedelta(days=12), "Closed Won")

    def _deal_by_hand(self, crm: Crm, at: datetime, kind: str = "New Business") -> None:
        """Add a deal that refers to the contact, but not to the lead."""
        links = {"Contact_Name": {"id": self.contact_id}, "Account_Name": {"id": self.account_id}}
        closing = (at.astimezone(self.zone) + timedelta(days=30)).date().isoformat()
        fields = {**self.deal_fields(), "Type": kind, "Closing_Date": closing, "Owner": self.owner}
        self.deal_id = crm.insert("Deals", {**fields, **links})

    def _stage(self, at: datetime, stage: str) -> None:
        changes: dict[str, Any] = {"Stage": stage}
        if stage.startswith("Closed"):
            changes["Closing_Date"] = at.astimezone(self.zone).date().isoformat()
        if stage == "Closed Lost":
            changes["Reason_For_Loss__s"] = self.rng.choice(("Price", "Competitor", "No decision"))
        self._at(at, lambda crm: crm.update("Deals", self.deal_id, changes))

    def _at(self, at: datetime, act: Callable[[Crm], None]) -> None:
        self._steps.append(Step(at, self.plan.number * 1000 + len(self._steps), act))

    def _arrive(self, crm: Crm) -> None:
        self.lead_id = crm.insert("Leads", {**self.plan.fields, "Owner": self.owner})

    def _status(self, at: datetime, status: str) -> None:
        if self.converts_at is None or at < self.converts_at:
            self._at(at, lambda crm: crm.update("Leads", self.lead_id, {"Lead_Status": status}))

    def _first_contact(self) -> datetime | None:
        """Plan the first contact and return its instant; None when the lead never gets one.

        One lead in seven gets none; of the leads that convert, only one in 25.
        """
        rng, plan = self.rng, self.plan
        silent = 0.04 if self.converts_at else 0.15
        if rng.random() < 0.05:
            self._missed_call(plan.created_at + timedelta(minutes=rng.randint(20, 300)))
        if rng.random() < silent:
            self._at(plan.created_at + timedelta(minutes=30), self._planned_call)
            return None
        at = business_after(plan.created_at, min(40.0, rng.lognormvariate(0.75, 1.1)), self.zone)
        if self.converts_at and at >= self.converts_at:
            at = plan.created_at + (self.converts_at - plan.created_at) / 2
        if at >= self.now:
            self._at(plan.created_at + timedelta(minutes=5), self._planned_call)
            return None
        kind = rng.choices(("attempt", "call", "whatsapp", "meeting"), (30, 50, 13, 7))[0]
        {"attempt": self._attempt, "call": self._call, "whatsapp": self._message, "meeting": self._meeting}[kind](at)
        self._status(at + timedelta(minutes=2), "Attempted to Contact" if kind == "attempt" else "Contacted")
        return at

    def _follow_up(self, since: datetime) -> None:
        rng = self.rng
        keen = self.converts_at is not None
        for _ in range(rng.randint(1, 4) if keen else rng.choice((0, 0, 1, 1, 2))):
            since = business_after(since, rng.uniform(4, 30), self.zone)
            self._call(since) if rng.random() < 0.65 else self._attempt(since)
        if rng.random() < (0.7 if keen else 0.12):
            self._meeting(business_after(since, rng.uniform(6, 40), self.zone), cancelled=rng.random() < 0.12)
        if rng.random() < 0.35:
            self._open_task(business_after(since, 1, self.zone))
        if rng.random() < 0.4:
            self._note(since + timedelta(minutes=9))
        end = business_after(since, rng.uniform(9, 60), self.zone)
        self._status(end, "Pre-Qualified" if keen else rng.choice(COLD_STATUSES))

    def _about(self) -> dict[str, Any]:
        """The links of an activity: to the lead, or after its conversion to the contact and the deal."""
        if not self.contact_id:
            return {"What_Id": {"id": self.lead_id}, "$se_module": "Leads"}
        about: dict[str, Any] = {"Who_Id": {"id": self.contact_id}}
        if self.deal_id:
            about |= {"What_Id": {"id": self.deal_id}, "$se_module": "Deals"}
        return about

    def _activity(self, at: datetime, module: str, fields: dict[str, Any]) -> None:
        def act(crm: Crm) -> None:
            crm.insert(module, {**fields, **self._about(), "Owner": self.owner})

        self._at(at, act)

    def _call_fields(self, at: datetime, seconds: int, **more: Any) -> dict[str, Any]:
        return {
            "Subject": f"Call with {self.plan.fields['First_Name']} {self.plan.fields['Last_Name']}",
            "Call_Type": "Outbound",
            "Call_Start_Time": at,
            "Call_Duration": f"{seconds // 60:02d}:{seconds % 60:02d}",
            "Call_Duration_in_seconds": seconds,
            "Outgoing_Call_Status": "Completed",
            "Call_Purpose": "Prospecting",
            **more,
        }

    def _call(self, at: datetime) -> None:
        seconds = self.rng.randint(45, 1500)
        call = self._call_fields(at, seconds, Call_Result="Interested")
        self._activity(at + timedelta(seconds=seconds), "Calls", call)

    def _attempt(self, at: datetime) -> None:
        call = self._call_fields(at, 0, Call_Result="No response/Busy")
        self._activity(at + timedelta(seconds=40), "Calls", call)

    def _missed_call(self, at: datetime) -> None:
        missed = {"Call_Type": "Missed", "Outgoing_Call_Status": None, "Call_Purpose": None}
        self._activity(at, "Calls", self._call_fields(at, 0, **missed))

    def _planned_call(self, crm: Crm) -> None:
        """Add a planned call that has not happened, in the past or in the future; it is not a contact."""
        fresh = self.now - self.plan.created_at < timedelta(days=7)
        start = business_after(self.now if fresh else self.plan.created_at, 12, self.zone)
        fields = self._call_fields(start, 0, Outgoing_Call_Status="Scheduled", Call_Duration=None)
        crm.insert("Calls", {**fields, "Call_Duration_in_seconds": None, **self._about(), "Owner": self.owner})

    def _message(self, at: datetime) -> None:
        """Add a task for a message to the lead, completed when the message was sent."""
        task = {"Subject": "WhatsApp the price list", "Status": "Completed", "Closed_Time": at, "Priority": "High"}
        self._activity(at, "Tasks", task)

    def _open_task(self, at: datetime) -> None:
        due = (at + timedelta(days=3)).astimezone(self.zone).date().isoformat()
        task = {"Subject": "Prepare the demo data", "Status": "Not Started", "Due_Date": due, "Priority": "Normal"}
        self._activity(at, "Tasks", task)

    def _meeting(self, at: datetime, cancelled: bool = False) -> None:
        meeting = {
            "Event_Title": f"Demo for {self.plan.fields['Company']}",
            "Start_DateTime": at,
            "End_DateTime": at + timedelta(minutes=45),
            "Venue": "Online",
            "$event_cancelled": cancelled,
        }
        booked = max(self.plan.created_at + timedelta(minutes=1), at - timedelta(days=2))
        self._activity(booked, "Events", meeting)

    def _note(self, at: datetime) -> None:
        def act(crm: Crm) -> None:
            module, parent = ("Contacts", self.contact_id) if self.contact_id else ("Leads", self.lead_id)
            note = {
                "Note_Title": "From the call",
                "Note_Content": self.rng.choice(REMARKS),
                "Parent_Id": {"module": {"api_name": module}, "id": parent},
                "Owner": self.owner,
            }
            crm.insert("Notes", note)

        self._at(at, act)


def deal_moves(rng: random.Random, since: datetime, now: datetime, zone: ZoneInfo) -> Iterator[tuple[datetime, str]]:
    """The stages of a deal after `since`, each with its instant; some lost deals open again."""
    at = since
    for stage in STAGES[1:]:
        at = business_after(at + timedelta(days=rng.uniform(2, 9)), rng.uniform(0, 3), zone)
        if at >= now:
            return
        yield at, stage
        if rng.random() < 0.12:
            break
    at = business_after(at + timedelta(days=rng.uniform(2, 10)), rng.uniform(0, 3), zone)
    won = rng.random() < 0.58
    if at >= now:
        return
    yield at, "Closed Won" if won else "Closed Lost"
    again = at + timedelta(days=rng.uniform(5, 15))
    if not won and rng.random() < 0.2 and again < now:
        yield again, "Negotiation/Review"
