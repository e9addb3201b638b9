"""Form capture in plain Python, written from the rules and not from the SQL: who sent a form, and what it is worth."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

from tests.golden.facts.facts_oracle import Item, Touch, match, plain, plain_url, with_parameters

DAY, HOUR = timedelta(hours=24), timedelta(hours=1)
FACTORS = {"email": Decimal("0.95"), "phone": Decimal("0.85")}
ORDER = ("first_visit", "form_submit", "lead_creation")
EMAILS, PHONES = ("email", "secondary_email"), ("phone", "mobile")


@dataclass(frozen=True)
class Lead:
    """A live lead: its keys by kind, the touch of its creation, and its first visit."""

    id: str
    creation: Touch
    keys: dict[str, str] = field(default_factory=dict)
    first: Touch | None = None

    @property
    def created(self) -> datetime:
        return self.creation.at


@dataclass(frozen=True)
class Submission:
    """A post of a form."""

    id: str
    touch: Touch
    email: str | None = None
    phone: str | None = None
    is_suspect: bool = False


@dataclass(frozen=True)
class Link:
    """What a submission is to a lead."""

    lead: str | None = None
    by: str | None = None
    relation: str = "none"
    is_ambiguous: bool = False


def named(leads: list[Lead], kinds: tuple[str, ...], key: str | None, at: datetime, window: timedelta) -> Lead | None:
    """Return the lead that a key names: created nearest after the instant, else nearest before it."""
    owners = [lead for lead in leads if key and key in [lead.keys.get(kind) for kind in kinds]]
    owners = sorted(owners, key=lambda lead: (len(lead.id), lead.id))
    after = [lead for lead in owners if at <= lead.created <= at + window]
    before = [lead for lead in owners if lead.created < at]
    if after:
        return min(after, key=lambda lead: lead.created)
    return max(before, key=lambda lead: lead.created) if before else None


def links(leads: list[Lead], submissions: list[Submission], window: timedelta) -> dict[str, Link]:
    """Return submission id → its link."""
    found: dict[str, Link] = {}
    for one in submissions:
        by_email = by_phone = None
        if not one.is_suspect:
            by_email = named(leads, EMAILS, one.email, one.touch.at, window)
            by_phone = named(leads, PHONES, one.phone, one.touch.at, window)
        lead = by_email or by_phone
        if lead:
            two = by_email is not None and by_phone is not None and by_email.id != by_phone.id
            found[one.id] = Link(lead.id, "email" if by_email else "phone", "", two)
        else:
            found[one.id] = Link()
    for lead in leads:
        own = [one for one in submissions if found[one.id].lead == lead.id]
        near = [one for one in own if -DAY <= one.touch.at - lead.created <= HOUR]
        up_to = [one for one in near if one.touch.at <= lead.created]
        creating = None
        if up_to:
            last = max(one.touch.at for one in up_to)
            creating = min(one.id for one in up_to if one.touch.at == last)
        elif near:
            first = min(one.touch.at for one in near)
            creating = min(one.id for one in near if one.touch.at == first)
        for one in own:
            relation = "earlier" if one.touch.at <= lead.created else "later"
            found[one.id] = replace(found[one.id], relation="creating" if one.id == creating else relation)
    return found


def known(touch: Touch) -> dict[str, str]:
    """Return the values of a touch that are not blank. Pages stand under landing_url and referrer."""
    values = {name: value for name, value in with_parameters(touch.values, touch.landing_url).items() if plain(value)}
    pages = {"landing_url": touch.landing_url, "referrer": touch.referrer}
    return values | {name: url for name, url in pages.items() if url and plain_url(url)}


def filled(creation: Touch, form: Touch) -> tuple[Touch, str]:
    """Return the creation with what it lacks taken from the form, and where its values come from."""
    zoho, ours = known(creation), known(form)
    if not ours.keys() - zoho.keys():
        return creation, "zoho"
    values = ours | zoho
    landing, referrer = values.pop("landing_url", None), values.pop("referrer", None)
    return Touch(creation.kind, creation.at, values, landing, referrer), "mixed" if zoho else "form"


@dataclass(frozen=True)
class Matched:
    """A touch of a lead with its content."""

    kind: str
    at: datetime
    rule: str
    content: str | None
    confidence: Decimal


class Story:
    """The touches of one lead in order, and what they are worth."""

    def __init__(self, lead: Lead, submissions: list[Submission], link_of: dict[str, Link], items: list[Item]) -> None:
        own = [(one, link_of[one.id]) for one in submissions if link_of[one.id].lead == lead.id]
        self.basis, factor, creation = "zoho", Decimal(1), lead.creation
        for one, link in own:
            if link.relation == "creating":
                creation, self.basis = filled(creation, one.touch)
                factor = FACTORS[str(link.by)] if self.basis != "zoho" else Decimal(1)
        self.is_captured = any(link.relation == "creating" for _, link in own)
        parts = [(creation, factor, "")]
        if lead.first and timedelta(0) < lead.created - lead.first.at <= timedelta(days=90):
            parts.append((lead.first, Decimal(1), ""))
        parts += [(one.touch, FACTORS[str(link.by)], one.id) for one, link in own if link.relation == "earlier"]
        parts.sort(key=lambda part: (part[0].at, ORDER.index(part[0].kind), part[2]))
        self.touches = [self._matched(touch, weight, items) for touch, weight, _ in parts]

    @staticmethod
    def _matched(touch: Touch, factor: Decimal, items: list[Item]) -> Matched:
        rule, content, confidence = match(touch, items)
        exact = (confidence * factor).quantize(Decimal("0.01"), ROUND_HALF_UP)
        return Matched(touch.kind, touch.at, rule, content, exact)

    @property
    def credited(self) -> list[tuple[int, Matched]]:
        """Return the touches that take credit, each with its number."""
        numbered = list(enumerate(self.touches, 1))
        return [pair for pair in numbered if pair[1].content] or [p for p in numbered if p[1].kind == "lead_creation"]

    def shares(self) -> dict[str, list[Fraction | float]]:
        """Return model → the exact shares of the credited touches."""
        n = len(self.credited)
        ends = [Fraction(2, 5), *[Fraction(1, 5 * max(n - 2, 1))] * (n - 2), Fraction(2, 5)]
        last = self.credited[-1][1].at
        weights = [2.0 ** ((touch.at - last).total_seconds() / (7 * 86_400)) for _, touch in self.credited]
        return {
            "first_touch": [Fraction(place == 0) for place in range(n)],
            "last_touch": [Fraction(place == n - 1) for place in range(n)],
            "linear": [Fraction(1, n)] * n,
            "position_based": [Fraction(1, n)] * n if n <= 2 else list(ends),
            "time_decay": [weight / sum(weights) for weight in weights],
        }
