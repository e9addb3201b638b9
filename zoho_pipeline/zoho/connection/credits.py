"""API credits: how many a call costs, and how many an edition has.

Where the sources differ (sorted reads 1 or 3, deleted 1 or 2, search 1 to 3), the higher cost is counted: the budget
stop may come early, but never late.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LIMIT = re.compile(r"\blimit\s+(?:\d+\s*,\s*)?(\d+)", re.IGNORECASE)
_VERSION = re.compile(r"^/crm/(bulk/)?v\d+(\.\d+)?")

COQL_DEFAULT_ROWS = 200
BULK_JOB = 50
COUNT = 50
SEARCH = 3
DELETED = 2
SORTED_READ = 3
ORDINARY = 1


@dataclass(frozen=True)
class Edition:
    """What an edition of Zoho CRM allows: simultaneous calls, and credits per 24 h (`most` None: unlimited)."""

    name: str
    concurrency: int
    base: int
    per_user: int
    most: int | None

    def credits(self, users: int = 0) -> int:
        """Credits per 24 h for an org with that many user licences."""
        total = self.base + self.per_user * users
        return total if self.most is None else min(total, self.most)


FREE = Edition("Free", 5, 5_000, 0, 5_000)
STANDARD = Edition("Standard", 10, 50_000, 250, 100_000)
PROFESSIONAL = Edition("Professional", 15, 50_000, 500, 3_000_000)
ENTERPRISE = Edition("Enterprise", 20, 50_000, 1_000, 5_000_000)
ULTIMATE = Edition("Ultimate", 25, 50_000, 2_000, None)

_BY_WORD = (
    ("free", FREE),
    ("starter", STANDARD),
    ("standard", STANDARD),
    ("professional", PROFESSIONAL),
    ("ultimate", ULTIMATE),
    ("plus", ULTIMATE),
    ("enterprise", ENTERPRISE),
    ("zoho one", ENTERPRISE),
    ("zohoone", ENTERPRISE),
    ("trial", ENTERPRISE),
)


def known_edition(paid_type: str | None) -> Edition | None:
    """The edition that `license_details.paid_type` names ('enterprise', 'CRM Plus', …); None for an unknown word."""
    text = (paid_type or "").lower().replace("_", " ")
    return next((edition for word, edition in _BY_WORD if word in text), None)


def cost_of(
    method: str, path: str, params: Mapping[str, Any] | None = None, body: Mapping[str, Any] | None = None
) -> int:
    """The credits of one call. `path` begins with `/crm/`; `body` is the JSON document of a POST."""
    tail = _VERSION.sub("", path)
    params = params or {}
    if path.startswith("/crm/bulk/"):
        return BULK_JOB if method == "POST" else ORDINARY
    if tail == "/coql":
        return _coql(str((body or {}).get("select_query", "")))
    if tail.endswith("/actions/count"):
        return COUNT
    if tail.endswith("/search"):
        return SEARCH
    if tail.endswith("/deleted"):
        return DELETED
    if tail.startswith(("/settings/", "/users", "/org")):
        return ORDINARY
    return SORTED_READ if "cvid" in params or "sort_by" in params else ORDINARY


def rows_asked(query: str) -> int:
    """The number of rows that a COQL query requests."""
    limits = LIMIT.findall(query)
    return int(limits[-1]) if limits else COQL_DEFAULT_ROWS


def _coql(query: str) -> int:
    rows = rows_asked(query)
    return 1 if rows <= 200 else 2 if rows <= 1000 else 3


def is_heavy(path: str, params: Mapping[str, Any] | None = None) -> bool:
    """Whether a call counts towards the smaller limit: lists that are sorted or use a view, search, COQL."""
    tail = _VERSION.sub("", path)
    return tail == "/coql" or tail.endswith("/search") or bool(params and ("cvid" in params or "sort_by" in params))
