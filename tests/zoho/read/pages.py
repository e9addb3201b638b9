"""Pages of rows, as Zoho sends them."""

from datetime import UTC, datetime
from typing import Any

SINCE, UNTIL = datetime(2026, 5, 1, 4, 30, 9, 999_999, tzinfo=UTC), datetime(2026, 5, 2, tzinfo=UTC)
ROW = {"id": "1", "Modified_Time": "2026-05-01T10:00:00+05:30"}


def page(*rows: dict[str, Any], more: bool = False, token: str | None = None) -> dict[str, Any]:
    return {"data": list(rows), "info": {"more_records": more, "next_page_token": token}}
