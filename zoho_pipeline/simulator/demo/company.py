"""A generated company: nine months of a small firm that sells software to distributors, made from a seed.

Every step happens in the order of time, with the simulator's clock set to its instant. The CRM then holds the
same values as if people had worked in it. The data has a story: the number of leads rises in the last weeks, one
topic sells far better than its share of readers, and another topic brings many leads who never buy.
"""

import csv
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from zoho_pipeline.simulator.demo.content import CATALOGUE_COLUMNS, Item, publish
from zoho_pipeline.simulator.demo.leads import BY_WAY, LeadPlan, plan_lead, plan_leads
from zoho_pipeline.simulator.demo.sales import Crm, Step, Story
from zoho_pipeline.simulator.handle import Simulator
from zoho_pipeline.simulator.org_handle import OrgHandle
from zoho_pipeline.simulator.state.fields import VISITOR
from zoho_pipeline.simulator.state.users import User

TIME_ZONE = "Asia/Kolkata"
HISTORY = timedelta(days=400)
CUSTOM_FIELDS = (
    ("UTM_Source1", "UTM Source", "text"),
    ("UTM_Medium1", "UTM Medium", "text"),
    ("UTM_Campaign1", "UTM Campaign", "text"),
    ("UTM_Content1", "UTM Content", "text"),
    ("UTM_Term1", "UTM Term", "text"),
    ("Landing_Page", "Landing Page URL", "website"),
    ("Campaign_Activity", "Activity ID", "text"),
    ("ERP_in_Use", "ERP in use", "picklist"),
    ("GSTIN_Available", "GSTIN available", "boolean"),
)
STAFF = (("Rohan", "Kulkarni"), ("Divya", "Menon"), ("Farhan", "Shaikh"), ("Pooja", "Bansal"))
HOLIDAYS = (
    ("Republic Day", "01-26"),
    ("Independence Day", "08-15"),
    ("Gandhi Jayanti", "10-02"),
    ("Christmas", "12-25"),
)
HOURS = {
    "type": "custom",
    "week_starts_on": "Monday",
    "same_as_everyday": True,
    "business_days": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"],
    "daily_timing": ["09:30", "18:30"],
    "custom_timing": [],
}


@dataclass
class Company:
    """The company in the simulator: its org, its administrator, and the content that it has published."""

    org: OrgHandle
    admin: User
    items: list[Item]
    now: datetime
    seed: int
    stories: list[Story] = field(repr=False, default_factory=list)

    @property
    def content(self) -> list[dict[str, str | None]]:
        """The content catalogue: one dict per row, with the columns of its CSV file."""
        return [item.row() for item in self.items]

    def write_content(self, path: Path) -> Path:
        """Write the content catalogue as a CSV file and return its path."""
        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, CATALOGUE_COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.content)
        return path


def build_company(sim: Simulator, *, seed: int = 7, now: datetime | None = None, leads: int = 600) -> Company:
    """Make the company in `sim`, as it is at `now` (default: the time of the simulator's clock).

    Args:
        seed: the same seed and the same `now` give the same company in every value.
        leads: the approximate number of leads in nine months.

    This moves the clock while the story is played and leaves it at `now`, running or frozen as before.
    """
    clock = sim.clock
    now = (now or clock.now()).astimezone(UTC).replace(microsecond=0)
    running = clock.frozen is None
    clock.freeze(now - HISTORY)
    rng, zone = random.Random(seed), ZoneInfo(TIME_ZONE)
    org = sim.add_org(
        name="Kaveri Systems Pvt Ltd", time_zone=TIME_ZONE, currency="INR", edition="Enterprise", multi_currency=True
    )
    _shape(org, now)
    staff = [org.add_user(first_name=first, last_name=last, role="Sales") for first, last in STAFF]
    items = publish(rng, now)
    company = Company(org, org.admin, items, now, seed)
    for plan in plan_leads(rng, items, now, zone, leads):
        company.stories.append(_story(company, plan, staff, zone))
    steps = [step for story in company.stories for step in story.steps()]
    _play(sim, org, [*steps, *_office(company, rng, staff)])
    clock.freeze(now)
    if running:
        clock.resume()
    return company


def next_morning(sim: Simulator, company: Company, arrivals: int = 9) -> dict[str, int]:
    """Play the changes after the first sync: leads arrive from a newsletter, one lead converts, one is deleted.

    All changes happen in the present second of the simulator. Returns the number of each.
    """
    now = sim.clock.now()
    rng = random.Random(f"{company.seed}:{now.isoformat()}")
    letter = max((i for i in company.items if i.content_type == "newsletter"), key=lambda i: i.published_at)
    org, first = company.org, len(company.stories) + 1
    for number in range(first, first + arrivals):
        plan = plan_lead(rng, number, now, [letter], now, BY_WAY["newsletter"])
        org.insert("Leads", {**plan.fields, "Lead_Source": "Newsletter", "Owner": company.admin.id})
    open_leads = [s for s in company.stories if s.lead_id in org.module("Leads").rows and not s.contact_id]
    # one in seven converts without a deal, and the story is about one that brings a deal
    eager = max((s for s in open_leads if s.plan.item and s.with_deal), key=lambda s: s.plan.created_at)
    _convert(org, eager)
    gone = next(s for s in reversed(open_leads) if s is not eager)
    org.delete("Leads", gone.lead_id)
    return {"created": arrivals, "converted": 1, "deleted": 1}


def _shape(org: OrgHandle, now: datetime) -> None:
    """Set up the administrator, the fields, the business hours, the holidays and the campaigns of the company."""
    org.update_user(org.admin, first_name="Meenakshi", last_name="Iyer", email="meenakshi@kaverisystems.example")
    org.add_field("Leads", VISITOR)
    for api_name, label, data_type in CUSTOM_FIELDS:
        picks = ("Tally", "Spreadsheets", "Other") if data_type == "picklist" else ()
        org.add_custom_field("Leads", api_name, label, data_type, picks=picks)
    org.set_business_hours(HOURS)
    for year in (now.year - 1, now.year):
        for name, day in HOLIDAYS:
            org.add_holiday(name, f"{year}-{day}")
    org.insert("Campaigns", {"Campaign_Name": "Pune Trade Fair", "Type": "Trade Show", "Status": "Complete"})
    org.insert("Campaigns", {"Campaign_Name": "The Distributor's Letter", "Type": "Email", "Status": "Active"})


def _story(company: Company, plan: LeadPlan, staff: list[User], zone: ZoneInfo) -> Story:
    """Plan the story of a lead. The team takes turns; the first colleague leaves 70 days before the end.

    That colleague gets no lead in the last 80 days.
    """
    late = plan.created_at > company.now - timedelta(days=80)
    team = staff[1:] if late else staff
    owner = team[plan.number % len(team)].id
    return Story(plan, owner, zone, company.now, lambda story: _convert(company.org, story))


def _convert(org: OrgHandle, story: Story) -> None:
    """Convert a lead. When a contact has the same e-mail address, the lead converts into that contact."""
    email = story.plan.fields["Email"]
    known = next((row for row in org.module("Contacts").rows.values() if row.get("Email") == email), None)
    choices: dict[str, Any] = {}
    if known is not None:
        choices = {"contact_id": known["id"], "account_id": known["Account_Name"][0]}
    made = org.convert(story.lead_id, deal=story.deal_fields() if story.with_deal else None, **choices)
    story.contact_id, story.account_id = made["Contacts"] or "", made["Accounts"] or ""
    story.deal_id = made["Deals"] or ""


def _office(company: Company, rng: random.Random, staff: list[User]) -> list[Step]:
    """The other steps of the office: it deletes idle leads, restores two of them, and removes a colleague."""
    org, now = company.org, company.now
    steps: list[Step] = []

    def at(moment: datetime, act: Callable[[Crm], None]) -> None:
        steps.append(Step(moment, 10_000_000 + len(steps), act))

    def last_step(story: Story) -> datetime:
        return max(step.at for step in story.steps())

    idle = [s for s in company.stories if s.converts_at is None and last_step(s) < now - timedelta(days=4)]
    for number, story in enumerate(rng.sample(idle, min(12, len(idle)))):
        last = max(last_step(story), now - timedelta(days=50))
        out = last + (now - timedelta(days=2) - last) * rng.random()
        at(out, partial(_clear_out, org, story, "bin"))
        if number < 5:
            at(out + timedelta(days=1), partial(_clear_out, org, story, "permanently" if number < 3 else "back"))
    at(now - timedelta(days=70), lambda _: org.delete_user(staff[0]))
    return steps


def _clear_out(org: OrgHandle, story: Story, how: str, _: Crm) -> None:
    if how == "back":
        org.restore("Leads", story.lead_id)
    else:
        org.delete("Leads", story.lead_id, permanent=how == "permanently")


def _play(sim: Simulator, org: OrgHandle, steps: Iterable[Step]) -> None:
    """Do the steps in the order of time, each at its instant."""
    for step in sorted(steps):
        sim.clock.freeze(step.at)
        step.act(org)
