"""Random channels as raw rows: shared contacts, deals in every state and currency, owners of every kind, open ends.

Ids come from small pools, so that links meet, and times lie on the edges of the windows more often than chance.
"""

import json
import random
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

Row = dict[str, Any]
BUILD_AT = datetime(2026, 7, 1, tzinfo=UTC)
ZONES = ("UTC", "Asia/Kolkata", "Asia/Kathmandu", "America/New_York")
STAGES = (("", "New", "Open"), ("", "Won", "Closed Won"), ("", "Lost", "closed lost"), ("B", "Lost", "Open"),
          ("B", "Paid", " CLOSED WON "))  # fmt: skip
EDGES = (0, 1, 30 * 86_400, 30 * 86_400 - 1, 60 * 86_400, 60 * 86_400 - 1, 90 * 86_400, 90 * 86_400 - 1)
AMOUNTS = (None, 0, 1, Decimal("1234.56785"), Decimal("-0.00005"), Decimal("2.005"), Decimal("99.995"),
           Decimal("12345678901234567.5"), Decimal("1000000.000000001"))  # fmt: skip
USERS = ("u1", "u2", "u3", "u4", "u5", None)
FIELDS = {"utm_campaign": "C", "utm_medium": "M", "activity_id": "A"}


class Writer:
    """Makes the raw rows of one channel."""

    def __init__(self, seed: int) -> None:
        self.rng = rng = random.Random(seed)
        self.key = f"t{seed:04d}"
        self.rows: dict[str, list[Row]] = defaultdict(list)
        self.as_of = BUILD_AT - timedelta(seconds=rng.choice((0, 3600, 35 * 3600, 40 * 3600, 40 * 86_400)))
        self._channel()
        self._people()
        self._deals()
        self._activities()
        self._deletions()

    def add(self, table: str, **values: Any) -> None:
        self.rows[table].append({"channel_id": self.key, **values})

    def ago(self, most_days: int, *, none: float = 0.04, future: float = 0.05) -> datetime | None:
        """Return an instant before as_of, on an edge, now and then after it, or None."""
        rng = self.rng
        if rng.random() < none:
            return None
        if rng.random() < future:
            return self.as_of + timedelta(seconds=rng.choice((1, 86_400)))
        seconds = rng.choice(EDGES) if rng.random() < 0.3 else rng.randrange(most_days * 24) * 3600
        return self.as_of - timedelta(seconds=seconds)

    def _channel(self) -> None:
        rng = self.rng
        self.add(
            "channels",
            timezone=rng.choice(ZONES),
            currency=rng.choice(("INR", "INR", "JPY", "KWD", None)),
            last_complete_sync_at=None if rng.random() < 0.08 else self.as_of,
            leads_readable=rng.random() > 0.05,
            status=rng.choice(("active", "paused")),
            connected_at=rng.choice((None, self.as_of - timedelta(days=400))),
            **{name: rng.choice((None, f"{name} of {self.key}")) for name in ("tenant", "org_name", "data_center")},
        )
        for field, name in FIELDS.items():
            self.add("channel_field_map", field_key=field, api_name=name, basis="set")
        for pipeline, stage, kind in STAGES:
            self.add("deal_stages", pipeline=pipeline, stage=stage, forecast_type=kind)
        for module in rng.choice(((), (), (), ("Deals",), ("Calls",), ("Calls", "Events", "Tasks"))):
            self.add("sync_runs", run_id="r", module=module, outcome="skipped", started_at=self.as_of)
        for number in range(2):
            self.add("content_items", content_id=f"c{number}", content_type="video",
                     published_at=datetime(2020, 1, 1, tzinfo=UTC))  # fmt: skip
        for user in USERS[: rng.randrange(5)]:
            self.add(
                "users",
                id=user,
                full_name=rng.choice((None, f"Name {user}", f"Äname {user}")),
                status=rng.choice((None, "active", " Active", "inactive", "deleted")),
                is_deleted=rng.choice((None, False, False, True)),
            )

    def _owner(self) -> Row:
        owner = self.rng.choice(USERS)
        return {"owner_id": owner, "owner_name": owner and self.rng.choice((None, f"Old {owner}", f"Älter {owner}"))}

    def _people(self) -> None:
        rng = self.rng
        for number in range(rng.choice((0, 3, 12, 25))):
            created = self.ago(130)
            converted = rng.random() < 0.6
            is_known = rng.random() < 0.8
            gap = timedelta(seconds=rng.choice((0, 3600, 30 * 86_400, 30 * 86_400 + 1, rng.randrange(20) * 86_400)))
            fields = {
                "C": rng.choice((None, "Spring", "spring ", "SPRING", "Öko", "(none)", "x")),
                "M": rng.choice((None, "email")),
                "A": rng.choice((None, "c0", "c1")),
            }
            self.add(
                "leads",
                id=f"{number + 5}",
                created_time=created,
                modified_time=created,
                lead_source=rng.choice((None, "Expo")),
                converted=converted,
                converted_date_time=(created or self.as_of) + gap if converted and is_known else None,
                converted_deal_id=f"d{rng.randrange(20)}" if converted and rng.random() < 0.5 else None,
                converted_contact_id=f"p{rng.randrange(6)}" if converted and rng.random() < 0.8 else None,
                record_status=rng.choice((None, None, None, None, "Available", " trash")),
                custom_fields=json.dumps({name: value for name, value in fields.items() if value}),
                **self._owner(),
            )

    def _deals(self) -> None:
        rng = self.rng
        history = 0
        for number in range(rng.choice((0, 4, 12))):
            pipeline = rng.choice((None, "", "B", "C"))
            stage = rng.choice(("New", "Won", "Won", "Lost", "Paid", "Odd", None))
            self.add(
                "deals",
                id=f"d{number}",
                deal_name=rng.choice((None, f"Deal {number}")),
                pipeline=pipeline,
                stage=stage,
                amount=rng.choice(AMOUNTS),
                currency=rng.choice((None, "INR", " inr ", "JPY", "USD", "")),
                exchange_rate=rng.choice((None, 1, Decimal("0.012"), Decimal("83.1"), 0)),
                probability=rng.choice((None, 40)),
                created_time=self.ago(130),
                closing_date=rng.choice((None, date(2026, 6, 20), date(2026, 12, 31), date(2026, 2, 1))),
                account_name_name=rng.choice((None, "Acme")),
                contact_name_id=rng.choice((None, f"p{rng.randrange(6)}")),
                record_status=rng.choice((None, None, None, "draft ")),
                **self._owner(),
            )
            for _ in range(rng.choice((0, 0, 1, 3, 5))):
                history += 1
                self.add(
                    "deal_stage_history",
                    id=f"{rng.choice((9, 10, 100))}{history}",
                    deal_id=f"d{number}",
                    stage=rng.choice(("New", "Won", "Lost", "Paid")),
                    modified_time=self.ago(20, none=0.1),
                    basis="tracker",
                )

    def _about(self) -> Row:
        rng = self.rng
        what = rng.choice((None, f"{rng.randrange(5, 20)}", f"d{rng.randrange(14)}", f"p{rng.randrange(6)}"))
        module = {None: "Leads", "d": "Deals", "p": "Contacts"}.get(what and what[0], "Leads")
        return {
            "who_id": rng.choice((None, f"p{rng.randrange(6)}", f"{rng.randrange(5, 20)}")),
            "what_id": what,
            "se_module": rng.choice((None, module, module, f" {module.upper()}", "Accounts")),
            "created_time": self.ago(130),
            **self._owner(),
        }

    def _activities(self) -> None:
        rng = self.rng
        for number in range(rng.choice((0, 10, 40))):
            self.add(
                "calls",
                id=f"a{number}",
                call_type=rng.choice((None, "Outbound", "outbound ", "Inbound", "Missed", "Other")),
                call_start_time=self.ago(130),
                call_duration_in_seconds=rng.choice((None, 0, 30)),
                call_status=rng.choice((None, None, "Scheduled", "Canceled", "Completed")),
                **self._about(),
            )
        for number in range(rng.choice((0, 12))):
            start = self.ago(130)
            ends = None if start is None else start + timedelta(seconds=rng.choice((-60, 0, 1800)))
            self.add("events", id=f"a{number}", start_datetime=start, end_datetime=rng.choice((None, ends)),
                     event_cancelled=rng.choice((None, False, True)), **self._about())  # fmt: skip
        for number in range(rng.choice((0, 12))):
            subject = rng.choice((None, "Follow-up", "Prepare", "recall", "Send E-Mail!", "sms"))
            self.add("tasks", id=f"a{number}", subject=subject, closed_time=self.ago(130, none=0.3),
                     status=rng.choice((None, "Completed", " completed", "Not Started")), **self._about())  # fmt: skip
        for number in range(rng.choice((0, 12))):
            module, record = rng.choice((("Leads", "6"), ("Deals", "d2"), ("Contacts", "p1"), (None, "p2")))
            self.add("emails", id=f"a{number}", module=module, record_id=record,
                     sent=rng.choice((None, True, False)), sent_time=self.ago(130),
                     source=rng.choice((None, "crm", "Workflow")), **self._owner())  # fmt: skip

    def _deletions(self) -> None:
        for module, table in (("Leads", "leads"), ("Deals", "deals"), ("Calls", "calls"), ("Tasks", "tasks")):
            for row in self.rows[table]:
                if self.rng.random() < 0.08:
                    restored = self.rng.choice((None, self.as_of))
                    self.add("deleted_records", module=module, id=row["id"], deletion_type="recycle",
                             restored_at=restored)  # fmt: skip


def random_world(seeds: range) -> dict[str, list[Row]]:
    """Return raw table → rows of one channel per seed."""
    world: dict[str, list[Row]] = defaultdict(list)
    for seed in seeds:
        for table, rows in Writer(seed).rows.items():
            world[table] += rows
    return world
