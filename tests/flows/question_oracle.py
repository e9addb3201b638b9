"""The questions of docs/questions.md, and their answers from the rows of the simulator in plain Python."""

import re
from collections import Counter
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

from tests.flows.insight_numbers import DAY, InsightOracle, Row, when

PAGE = Path(__file__).parents[2] / "docs" / "questions.md"
CLOSED = ("Closed Won", "Closed Lost")


def questions() -> dict[str, str]:
    """Return the title of each question → its query."""
    return dict(
        re.findall(r"^## (.+?)\n.*?```sql\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    )


class QuestionOracle(InsightOracle):
    """What the answers of one org must be. Each check takes the rows of the query."""

    def check(self, title: str, rows: list[Row]) -> None:
        """Assert that the rows answer the question. KeyError: the page has a question that has no check."""
        checks = {
            "Which tenants and orgs are there, and how fresh are their numbers?": self._channels,
            "Who is the slowest to contact leads?": self._owners,
            "Which leads wait longest for a first contact?": self._waiting,
            "Which kind of content brings revenue?": self._contents,
            "What is in the pipeline, by stage?": self._pipeline,
            "Which open deals have not moved for longest?": self._stuck,
            "How many leads did each campaign bring, and what became of them?": self._campaigns,
            "Which channel group converts best?": self._channel_groups,
            "Where do won deals come from?": self._won,
            "What did each person do in the last 30 days?": self._activity,
        }
        checks[title](rows)

    def _channels(self, rows: list[Row]) -> None:
        [row] = rows
        assert (row["channel_id"], row["data_center"], row["status"], row["data_status"]) == (
            "demo", "sim", "active", "ok"
        )  # fmt: skip
        assert row["org_name"] == "Kaveri Systems Pvt Ltd"
        synced = datetime.fromisoformat(row["last_complete_sync_at"])
        assert synced == self.as_of.replace(tzinfo=None)

    def _untouched(self, lead: Row) -> bool:
        return not lead["Converted__s"] and not any(at <= self.as_of for at in self._contacts(lead))

    def _owners(self, rows: list[Row]) -> None:
        recent = self._between(90, 0)
        assert {row["name"]: row["n_leads_90d"] for row in rows} == Counter(lead["Owner"]["name"] for lead in recent)
        waiting = Counter(lead["Owner"]["name"] for lead in recent if self._untouched(lead))
        assert {row["name"]: row["n_waiting"] for row in rows if row["n_waiting"]} == waiting
        medians = [row["median_business_hours"] for row in rows if row["median_business_hours"] is not None]
        assert medians == sorted(medians, reverse=True)
        assert medians

    def _waiting(self, rows: list[Row]) -> None:
        waits = {lead["id"]: self.as_of - when(lead["Created_Time"]) for lead in self.leads if self._untouched(lead)}
        longest = sorted(waits, key=lambda key: (-waits[key], key))[: len(rows)]
        assert [row["zoho_lead_id"] for row in rows] == longest
        assert [abs(float(r["waiting_hours"]) - waits[r["zoho_lead_id"]] / timedelta(hours=1)) < 0.01 for r in rows]

    def _contents(self, rows: list[Row]) -> None:
        assert len({row["content_type"] for row in rows}) == len(rows) >= 4
        assert sum(Decimal(str(row["leads"])) for row in rows) == len(self.leads)
        credited = [self._amount(deal) for deal in self.deals if deal["Stage"] == "Closed Won" and self._owner(deal)]
        assert sum(Decimal(str(row["won_revenue"])) for row in rows) == sum(credited)

    def _amount(self, deal: Row) -> Decimal:
        """Return the amount in rupees."""
        exact = Decimal(str(deal["Amount"] or 0)) / Decimal(str(deal["Exchange_Rate"] or 1))
        return exact.quantize(Decimal("0.01"), ROUND_HALF_UP)

    def _open(self) -> list[Row]:
        return [deal for deal in self.deals if deal["Stage"] not in CLOSED]

    def _pipeline(self, rows: list[Row]) -> None:
        assert {row["stage"]: row["deals"] for row in rows} == Counter(deal["Stage"] for deal in self._open())
        for row in rows:
            amounts = [self._amount(deal) for deal in self._open() if deal["Stage"] == row["stage"]]
            assert Decimal(str(row["amount"])) == sum(amounts)
            assert 0 <= row["fewest_days"] <= row["most_days"]

    def _stuck(self, rows: list[Row]) -> None:
        deals = {deal["id"]: deal for deal in self._open()}
        assert len(rows) == min(10, len(deals))
        for row in rows:
            deal = deals[row["zoho_deal_id"]]
            assert (row["stage"], row["owner_name"]) == (deal["Stage"], deal["Owner"]["name"])
            assert 0 <= row["days_in_stage"] <= (self.as_of - when(deal["Created_Time"])) / DAY
        days = [row["days_in_stage"] for row in rows]
        assert days == sorted(days, reverse=True)

    def _campaigns(self, rows: list[Row]) -> None:
        named = Counter((lead["UTM_Campaign1"] or "(none)").strip() for lead in self.leads)
        assert {row["campaign"]: row["n_leads"] for row in rows} == named
        assert sum(row["n_deals"] for row in rows) == sum(1 for deal in self.deals if self._owner(deal))
        assert sum(row["n_matured"] for row in rows) == len(self._between(60, 30))

    def _channel_groups(self, rows: list[Row]) -> None:
        whole = self._conversion()
        assert len(rows) >= 4
        assert sum(row["n_leads"] for row in rows) == whole["conversion_rate_30d_n"]
        assert sum(row["n_converted"] for row in rows) == whole["conversion_rate_30d_x"]

    def _won(self, rows: list[Row]) -> None:
        leads = {lead["id"]: lead for lead in self.leads}
        won = [deal for deal in self.deals if deal["Stage"] == "Closed Won"]
        without = sum(1 for deal in won if self._owner(deal) not in leads)
        assert {row["lead_source"]: row["won_deals"] for row in rows}.get("(no lead)", 0) == without
        assert sum(row["won_deals"] for row in rows) == len(won)
        assert sum(Decimal(str(row["amount"])) for row in rows) == sum(map(self._amount, won))

    def _activity(self, rows: list[Row]) -> None:
        since = self.as_of - 30 * DAY

        def lately(records: list[Row], field: str) -> Counter[Any]:
            return Counter(
                record["Owner"]["id"]
                for record in records
                if record[field] and since < when(record[field]) <= self.as_of
            )

        wanted = (
            ("calls", lately(self.calls, "Call_Start_Time")),
            ("meetings", lately(self.events, "Start_DateTime")),
            ("tasks", lately(self.tasks, "Closed_Time")),
        )
        for name, counts in wanted:
            assert {row["owner_id"]: row[name] for row in rows if row[name]} == counts, name
        assert all(row["conversations"] <= row["calls"] + row["meetings"] for row in rows)
