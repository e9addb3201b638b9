"""Users of the org: the owners of records, also deleted ones, and the user of the token."""

from typing import Literal

from zoho_pipeline.zoho.connection.client import VERSION, ZohoClient
from zoho_pipeline.zoho.errors import BadAnswer
from zoho_pipeline.zoho.read.pages import SENT_ID, Row, page_of, rows_of, with_text_ids

PATH = f"/crm/{VERSION}/users"
PER_PAGE = 200

UserType = Literal[
    "AllUsers",
    "ActiveUsers",
    "DeactiveUsers",
    "ConfirmedUsers",
    "NotConfirmedUsers",
    "DeletedUsers",
    "ActiveConfirmedUsers",
    "AdminUsers",
    "ActiveConfirmedAdmins",
    "CurrentUser",
]


def list_users(client: ZohoClient, type: UserType = "AllUsers") -> list[Row]:
    """All users of a type as Zoho sends them: id, full_name, email, role, profile, time_zone, status …

    `AllUsers` leaves deleted users out. The owners of old records may be only in `DeletedUsers`.
    """
    rows: list[Row] = []
    seen: set[str] = set()
    number = 0
    while True:
        number += 1
        params = {"type": type, "page": number, "per_page": PER_PAGE}
        page = page_of(client.get(PATH, params), f"GET {PATH}", "users", per_page=PER_PAGE)
        rows += with_text_ids(page.rows)
        if not page.more or not page.rows:
            return rows
        fresh = {row["id"] for row in page.rows} - seen
        if not fresh:
            raise BadAnswer(f"GET {PATH}: more users follow, but page {number} has none that are new.")
        seen |= fresh


def current(client: ZohoClient) -> Row:
    """The user of the token. It is the cheapest proof that a connection works, and gives the time zone."""
    answer = client.get(PATH, {"type": "CurrentUser"})
    rows = [] if answer.data is None else rows_of(answer.data, "users", f"GET {PATH}")
    if len(rows) != 1:
        raise BadAnswer(f"GET {PATH}: the answer has {len(rows)} current users instead of one.")
    (user,) = with_text_ids(rows)
    if SENT_ID in user:
        raise BadAnswer(f"GET {PATH}: the current user has no id. Run the command again.")
    return user


def is_admin(user: Row) -> bool:
    """Whether the user's profile is Zoho's Administrator. Other users see only a part of the records."""
    profile = user.get("profile")
    return isinstance(profile, dict) and str(profile.get("name", "")).strip().lower() == "administrator"
