"""The leads: who arrives, when, through which channel, and who buys. One `LeadPlan` per lead, drawn in advance.

Only this module knows the true chance of a lead to buy: the quality of its source times the quality of its
content. Reports must find it again from the data in the CRM.
"""

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from zoho_pipeline.simulator.demo.content import SITE, Item

WEEKS = 39
PERSONAL = ("First_Name", "Last_Name", "Company", "Email", "Phone", "City", "State")
CONVERSION_BASE = 0.12
GOLDEN = 0.6180339887


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FIRST_NAMES = _words(
    "Aarav Aditi Ananya Arjun Asha Bhavna Chetan Deepa Divya Farhan Gauri Harish Imran Ishita Jaya Karan Kavita "
    "Lakshmi Manish Meera Mohit Nandini Neha Nikhil Pooja Pranav Priya Rahul Ramesh Ritu Rohan Sanjay Shalini Shreya "
    "Sunil Swati Tanvi Usha Varun Vikram Yash Zoya"
)
LAST_NAMES = _words(
    "Agarwal Bansal Bhat Chauhan Chopra Das Desai Deshmukh Dutta Fernandes Gandhi Ghosh Gupta Iyer Jain Joshi Kapoor "
    "Khan Kulkarni Kumar Mehta Menon Mishra Nair Naidu Pandey Patel Pillai Rao Reddy Roy Saxena Shah Sharma Shetty "
    "Singh Sinha Thomas Trivedi Varma Verma Yadav"
)
COMPANY_STEMS = _words(
    "Aarohi Bharat Chola Deccan Ekta Falcon Ganga Himalaya Indus Jyoti Konkan Lotus Malwa Narmada Orchid Pioneer "
    "Rajdhani Sahyadri Tapti Utkarsh Vindhya Western Yamuna Zenith"
)
COMPANY_TRADES = _words(
    "Agencies Exports Fasteners Foods Garments Hardware Industries Packaging Pharma Plastics Spices Textiles Tools "
    "Traders"
)
CITIES = (
    ("Pune", "Maharashtra"),
    ("Mumbai", "Maharashtra"),
    ("Ahmedabad", "Gujarat"),
    ("Surat", "Gujarat"),
    ("Coimbatore", "Tamil Nadu"),
    ("Chennai", "Tamil Nadu"),
    ("Bengaluru", "Karnataka"),
    ("Hyderabad", "Telangana"),
    ("Ludhiana", "Punjab"),
    ("Kolkata", "West Bengal"),
)


@dataclass(frozen=True)
class Way:
    """How a lead finds the company. `kinds` are the content types that it reads; empty: none."""

    name: str
    share: float
    quality: float
    spellings: tuple[str | None, ...]
    kinds: tuple[str, ...] = ()


WAYS = (
    Way("search", 0.21, 1.0, ("Web Research", "Web Research", "Website", None, "-None-"), ("blog_post",)),
    Way("ads", 0.17, 0.5, ("Google Ads", "Google Ads", "Google Ads", "Advertisement"), ("landing_page",)),
    Way("linkedin", 0.15, 1.35, ("LinkedIn", "LinkedIn", "linkedin ", None), ("social_post",)),
    Way("newsletter", 0.10, 1.5, ("Newsletter", "Newsletter", None), ("newsletter",)),
    Way("youtube", 0.05, 0.9, ("YouTube", None), ("video",)),
    Way("referral", 0.12, 1.9, ("External Referral",)),
    Way("trade_show", 0.09, 1.0, ("Trade Show",)),
    Way("cold_call", 0.06, 0.35, ("Cold Call",)),
    Way("unknown", 0.05, 0.6, (None, "-None-")),
)
BY_WAY = {way.name: way for way in WAYS}


@dataclass(frozen=True)
class LeadPlan:
    """The plan of a lead: its fields in Zoho's shape, and when it converts (`converts_at`; None: never)."""

    number: int
    created_at: datetime
    fields: dict[str, Any]
    way: Way
    item: Item | None
    converts_at: datetime | None
    is_exporter: bool
    seed: float = field(repr=False, default=0.0)


def plan_leads(rng: random.Random, items: list[Item], now: datetime, zone: ZoneInfo, total: int) -> list[LeadPlan]:
    """About `total` leads in the 39 weeks before `now`, oldest first; the last five weeks have more."""
    plans: list[LeadPlan] = []
    for number, at in enumerate(sorted(_creation_times(rng, now.astimezone(zone), total)), 1):
        plan = plan_lead(rng, number, at, items, now)
        if plans and rng.random() < 0.03:  # the same person fills in another form
            before = rng.choice(plans[-80:]).fields
            plan.fields.update({name: before[name] for name in PERSONAL})
        plans.append(plan)
    return plans


def plan_lead(
    rng: random.Random, number: int, at: datetime, items: list[Item], now: datetime, way: Way | None = None
) -> LeadPlan:
    """Draw one lead created at `at`: its person, its source, its content and its conversion."""
    way = way or rng.choices(WAYS, [w.share for w in WAYS])[0]
    item = _pick(rng, [i for i in items if i.content_type in way.kinds and i.published_at < at], at)
    is_exporter = rng.random() < (0.6 if item and "Export documentation" in item.topics else 0.12)
    chance = CONVERSION_BASE * way.quality * (item.quality if item else 1.0)
    # steps of the golden ratio fill 0…1 evenly, so even a cohort of 70 leads converts about as often as planned
    fate = (number * GOLDEN + rng.random() * 0.2) % 1
    converts_at = at + timedelta(days=max(0.4, rng.lognormvariate(2.35, 0.7))) if fate < chance else None
    if converts_at and converts_at > now - timedelta(hours=1):
        converts_at = None
    fields = _person(rng, number, is_exporter)
    fields |= {"Lead_Source": rng.choice(way.spellings), **_trace(rng, way, item, at)}
    return LeadPlan(number, at, fields, way, item, converts_at, is_exporter, rng.random())


def _creation_times(rng: random.Random, now: datetime, total: int) -> list[datetime]:
    monday = (now - timedelta(days=now.weekday())).replace(hour=0, minute=0, second=0, microsecond=0)
    weights = [23.0 if back < 5 else 15.5 - 0.15 * back for back in range(WEEKS)]
    scale = total / sum(weights)
    elapsed = (now - monday) / timedelta(days=7)
    times: list[datetime] = []
    for back, weight in enumerate(weights):
        wanted = round(weight * scale * (elapsed if back == 0 else 1.0) + rng.uniform(-0.5, 0.5))
        for _ in range(max(0, wanted)):
            times.append(_moment(rng, monday - timedelta(weeks=back), now))
    return times


def _moment(rng: random.Random, monday: datetime, now: datetime) -> datetime:
    """A moment of the week that begins on `monday`, mostly in working hours, and before `now`."""
    while True:
        day = rng.choices(range(7), (1, 1, 1, 1, 0.9, 0.5, 0.25))[0]
        hour = rng.uniform(0, 24) if rng.random() < 0.12 else rng.triangular(8.5, 22, 12)
        at = monday + timedelta(days=day, seconds=int(hour * 3600))
        if at < now - timedelta(minutes=12):
            return at
        if now - monday < timedelta(hours=10):  # on a Monday morning: take the week before
            monday -= timedelta(days=7)


def _pick(rng: random.Random, items: list[Item], at: datetime) -> Item | None:
    """Choose the item that a lead has read. Most items lose readers after some weeks; landing pages do not."""
    if not items:
        return None

    def weight(item: Item) -> float:
        fresh = 1.0 if item.content_type == "landing_page" else 0.25 + 60 / (10 + (at - item.published_at).days)
        return item.reach * fresh

    return rng.choices(items, [weight(item) for item in items])[0]


def _person(rng: random.Random, number: int, is_exporter: bool) -> dict[str, Any]:
    first, last = rng.choice(FIRST_NAMES), rng.choice(LAST_NAMES)
    stem, trade = rng.choice(COMPANY_STEMS), "Exports" if is_exporter else rng.choice(COMPANY_TRADES)
    city, state = rng.choice(CITIES)
    domain = f"{stem}-{trade}{number % 97}.example".lower()
    return {
        "First_Name": first,
        "Last_Name": last,
        "Company": f"{stem} {trade}",
        "Designation": rng.choice(("Owner", "Purchase Manager", "Operations Head", "Accountant", "Director", None)),
        "Email": f"{first}.{last}@{domain}".lower(),
        "Phone": f"+91 {rng.randrange(70000, 99999)} {rng.randrange(10000, 99999)}",
        "City": city,
        "State": state,
        "Country": "India",
        "Industry": rng.choice(("Manufacturing", "Distribution", "Retail", "Pharmaceuticals")),
        "No_of_Employees": rng.choice((8, 12, 25, 40, 60, 120, 300)),
        "Lead_Status": "Not Contacted",
        "GSTIN_Available": rng.random() < 0.8,
        "ERP_in_Use": rng.choice(("Tally", "Tally", "Spreadsheets", "Other", None)),
    }


def _trace(rng: random.Random, way: Way, item: Item | None, at: datetime) -> dict[str, Any]:
    """The values of the web form: UTM values as people type them, landing page, referrer, first visit."""
    if item is None:
        return {}
    trace = _utm(rng, way, item)
    page = item.canonical_url or f"{SITE}/demo"
    tails = {"search": ("", "/", "?ref=g"), "ads": (f"/?utm_source={item.utm_source}&gclid=x",)}
    trace["Landing_Page"] = page + rng.choice(tails.get(way.name, ("",)))
    trace["Referrer"] = {
        "search": "https://www.google.com/",
        "linkedin": "https://www.linkedin.com/",
        "youtube": item.canonical_url,
    }.get(way.name)
    if rng.random() < 0.06:
        trace["Campaign_Activity"] = item.source_activity_id
    visited = at - timedelta(days=rng.expovariate(1 / 9), hours=1)
    if rng.random() < 0.35 and item.canonical_url and visited > item.published_at:
        trace |= {"First_Visited_URL": item.canonical_url, "First_Visited_Time": visited}
        trace["Days_Visited"] = rng.randint(1, 6)
    return {key: value for key, value in trace.items() if value is not None}


def _utm(rng: random.Random, way: Way, item: Item) -> dict[str, Any]:
    """The UTM fields of a tagged link. One in five has capitals and blanks; a few are lost."""
    if not item.utm_source or rng.random() > 0.93:
        return {}
    messy = rng.random() < 0.2
    return {
        "UTM_Source1": item.utm_source.upper() if messy else item.utm_source,
        "UTM_Medium1": f" {item.utm_medium}" if messy else item.utm_medium,
        "UTM_Campaign1": item.utm_campaign,
        "UTM_Content1": item.utm_content,
        "UTM_Term1": "inventory+software" if way.name == "ads" and rng.random() < 0.5 else None,
    }
