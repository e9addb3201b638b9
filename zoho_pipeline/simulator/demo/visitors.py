"""Visitors of a landing page: they come by the link of a blog post, and a colleague types them into Zoho by hand.

The form of the page knows the link. Zoho does not: the colleague has an e-mail address and a phone number only.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from zoho_pipeline.simulator.demo.company import Company
from zoho_pipeline.simulator.demo.content import SITE, Item

TYPED_IN_AFTER, _BETWEEN = timedelta(hours=1), timedelta(minutes=4)
_PEOPLE = (
    ("Tara", "Bose", "Bose Yarns", "tara@bose-yarns.example", "+91 70218 40117"),
    ("Kabir", "Sethi", "Sethi Bearings", "kabir@sethi-bearings.example", "+91 70218 40118"),
    ("Leela", "Nambiar", "Nambiar Spices", "leela@nambiar-spices.example", "+91 70218 40119"),
)


@dataclass(frozen=True)
class Visitor:
    """Who sends the form, from which post, and when."""

    first_name: str
    last_name: str
    company: str
    email: str
    phone: str
    post: Item
    sent_at: datetime

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}"

    @property
    def landing_url(self) -> str:
        """The page with the form, as the link at the end of the post names it."""
        utm = {"utm_source": "blog", "utm_medium": "article", "utm_content": self.post.content_id}
        return f"{SITE}/demo?{urlencode(utm)}"


def visitors(company: Company, now: datetime) -> list[Visitor]:
    """Three people who read the newest blog post. The last one sent the form an hour before `now`."""
    post = max((i for i in company.items if i.content_type == "blog_post"), key=lambda item: item.published_at)
    first = now - TYPED_IN_AFTER - len(_PEOPLE) * _BETWEEN
    return [Visitor(*person, post, first + n * _BETWEEN) for n, person in enumerate(_PEOPLE, 1)]


def type_in(company: Company, visitor: Visitor) -> str:
    """Make a lead of a visitor now, as a colleague does: without UTM, landing page or referrer. The id of the lead."""
    fields = {
        "First_Name": visitor.first_name,
        "Last_Name": visitor.last_name,
        "Company": visitor.company,
        "Email": visitor.email.title(),  # a person types an address as it comes
        "Phone": visitor.phone.removeprefix("+91 "),
        "Lead_Source": "Website",
        "Lead_Status": "Not Contacted",
        "Owner": company.admin.id,
    }
    return company.org.insert("Leads", fields)
