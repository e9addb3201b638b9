"""Channels, deals, activities, owners and campaigns in plain Python, written from the specification.

It uses no SQL and shares nothing with the models. The input is the raw rows, and what is known of each lead: its rows
of `lead_source_attribution` and `lead_first_contact`, which other oracles prove.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from math import sqrt
from statistics import median
from typing import Any

from tests.golden.facts.facts_oracle import folded
from tests.golden.tables.deals_oracle import DAY, ChannelRecords, Row, numeric, rounded, utc

NONE = "(none)"
CONTACT_WORDS = ("call", "e-mail", "email", "meeting", "whatsapp", "sms", "follow-up", "follow up", "followup")
NOT_HAPPENED = {"scheduled", "overdue", "cancelled", "canceled"}
MACHINE_MAIL = {"workflow", "automatic"}


class ChannelOracle(ChannelRecords):
    """The expected rows of the five tables of one channel, each as a dict without channel_id."""

    # activities

    def activities(self) -> dict[tuple[str, str], Row]:
        """Return (type, id) → row."""
        if not (self.has_data and self.acts_readable):
            return {}
        found = {}
        for kind, row, figures in self._happenings():
            at, made = figures["at"], row.get("created_time")
            moment = at if at is not None else made
            if moment is not None and moment > self.as_of:
                continue
            what, module = row.get("what_id"), folded(row.get("se_module") or "") or None
            is_contact = figures["contact"] and at is not None
            found[kind, row["id"]] = {
                "zoho_lead_id": self._lead_of(row.get("who_id"), what, module, at),
                "zoho_deal_id": what if what in self.deals and module in (None, "deals") else None,
                "owner_id": row.get("owner_id"),
                "owner_name": self.name_of(row),
                "happened_at": utc(at),
                "direction": figures.get("direction"),
                "duration_seconds": figures.get("seconds"),
                "is_contact": is_contact,
                "is_conversation": is_contact and figures["two_way"],
            }
        return found

    def _happenings(self) -> Iterable[tuple[str, Row, Row]]:
        for call in self.live("calls", "Calls"):
            kind = folded(call.get("call_type") or "")
            seconds = call.get("call_duration_in_seconds")
            if seconds is None and call.get("call_duration"):
                minutes, rest = call["call_duration"].split(":")
                seconds = 60 * int(minutes) + int(rest)
            talked = (seconds or 0) > 0
            statuses = (call.get(n) or "" for n in ("call_status", "outgoing_call_status", "outbound_call_status"))
            done = NOT_HAPPENED.isdisjoint(folded(status) for status in statuses)
            contact = done and (kind == "outbound" or (kind == "inbound" and talked))
            direction = {"outbound": "outbound", "inbound": "inbound", "missed": "inbound"}.get(kind)
            yield "call", call, {"at": call.get("call_start_time"), "contact": contact, "two_way": talked,
                                 "direction": direction, "seconds": seconds}  # fmt: skip
        for event in self.live("events", "Events"):
            start, end = event.get("start_datetime"), event.get("end_datetime")
            known = start is not None and end is not None and end >= start
            seconds = int((end - start).total_seconds()) if known else None
            held = not event.get("event_cancelled")
            yield "meeting", event, {"at": start, "contact": held, "two_way": True, "seconds": seconds}
        for task in self.live("tasks", "Tasks"):
            words = " ".join("".join(c if c.isalnum() else " " for c in folded(task.get("subject") or "")).split())
            kinds = {" ".join(word.replace("-", " ").split()) for word in CONTACT_WORDS}
            named = any(f" {kind} " in f" {words} " for kind in kinds)
            done = folded(task.get("status") or "") == "completed"
            yield "task", task, {"at": task.get("closed_time"), "contact": done and named, "two_way": False}
        for mail in self.rows("emails"):
            sent = mail.get("sent")
            by_person = bool(sent) and folded(mail.get("source") or "") not in MACHINE_MAIL
            row = {**mail, "what_id": mail["record_id"], "se_module": mail["module"], "who_id": None}
            direction = None if sent is None else "outbound" if sent else "inbound"
            yield "email", row, {"at": mail.get("sent_time"), "contact": by_person, "two_way": False,
                                 "direction": direction}  # fmt: skip

    def _lead_of(self, who: str | None, what: str | None, module: str | None, at: datetime | None) -> str | None:
        """Return the one lead: the one that is named, else that of the deal, else that of the contact."""

        def named(record_id: str | None, its_module: str) -> bool:
            by_what = record_id == what and module in (None, its_module)
            return record_id is not None and (record_id == who or by_what)

        best: list[tuple[Any, ...]] = []
        for lead_id, lead in self.leads.items():
            created = lead.get("created_time")
            after = at is None or created is None or at >= created
            if named(lead_id, "leads"):
                order = 1
            elif after and named(lead["converted_deal_id"], "deals"):
                order = 2
            elif after and named(lead["converted_contact_id"], "contacts"):
                order = 3
            else:
                continue
            newness = (1, 0.0) if created is None else (0, -created.timestamp())
            best.append((order, newness, numeric(lead_id)))
        return min(best)[2][1] if best else None

    # owners and campaigns

    def _younger(self, lead: Row, days: int) -> bool:
        created = lead.get("created_time")
        return created is not None and self.as_of - days * DAY < created <= self.as_of

    def owners(self) -> dict[str, Row]:
        names: dict[str, list[str]] = defaultdict(list)
        for rows in (self.leads.values(), [{**row, "id": i} for i, row in self.deals.items()]):
            of: dict[str, list[str]] = defaultdict(list)
            for row in rows:
                if row.get("owner_id") is not None:
                    of[row["owner_id"]] += [row["owner_name"]] if row.get("owner_name") is not None else []
            for owner, found in of.items():
                names[owner] += [max(found)] if found else []
        shown = {owner: found[0] if found else owner for owner, found in names.items()}
        shown |= {i: row["full_name"] for i, row in self.users.items() if row.get("full_name") is not None}
        shown |= {i: shown.get(i, i) for i in self.users} | {NONE: NONE}
        return {owner: self._owner(owner, name) for owner, name in shown.items()}

    def _owner(self, owner: str, name: str) -> Row:
        mine = [lead for lead in self.leads.values() if (lead.get("owner_id") or NONE) == owner]
        recent = [self.contacts[lead["id"]] for lead in mine if self._younger(lead, 90)]
        times = [row["seconds_to_first_contact"] for row in recent if row["is_contacted"]]
        business = [row["business_seconds_to_first_contact"] for row in recent if row["is_contacted"]]
        counted = Counter(row["contact_status"] for row in recent)
        matured, x = self._matured(mine)
        user = self.users.get(owner)
        status = folded((user or {}).get("status") or "")
        active = None if user is None or not (status or user.get("is_deleted")) else status == "active"
        if user is not None and user.get("is_deleted"):
            active = False
        won = [deal["amount_home"] for deal in self.deals.values() if self._is_won_lately(deal, owner)]
        return {
            "name": name,
            "is_active": active,
            "n_leads_90d": len(recent) if self.has_data else None,
            "contacted_rate": self._contacted_rate(counted),
            "median_contacted_hours": _hours(times),
            "median_business_hours": _hours(business),
            "n_waiting": counted["uncontacted"] if self.has_data and self.acts_readable else None,
            "conversion_rate_30d": x / matured if matured and self.deals_readable else None,
            "conversion_rate_30d_n": matured if self.has_data else None,
            "won_revenue_90d": (
                sum((amount for amount in won if amount is not None), Decimal(0))
                if self.has_data and self.deals_readable
                else None
            ),
            "currency": self.channel.get("currency"),
        }

    def _contacted_rate(self, counted: Counter[str]) -> float | None:
        """A lead that was contacted before its creation, or converted without a contact, is on neither side."""
        judged = counted["contacted"] + counted["uncontacted"]
        return counted["contacted"] / judged if judged and self.acts_readable else None

    def _is_won_lately(self, deal: Row, owner: str) -> bool:
        """A win after as_of was seen by the sync behind it, so it counts as one at as_of."""
        won = deal["won_at"]
        return (deal["owner_id"] or NONE) == owner and won is not None and won > utc(self.as_of - 90 * DAY)

    def _matured(self, leads: Iterable[Row]) -> tuple[int, int]:
        cohort = [lead for lead in leads if self._younger(lead, 60) and not self._younger(lead, 30)]
        return len(cohort), sum(1 for lead in cohort if self.known[lead["id"]]["deal_within_30d"])

    def campaigns(self) -> dict[str, Row]:
        spellings: dict[str, Counter[str]] = defaultdict(Counter)
        leads: dict[str, list[Row]] = defaultdict(list)
        for lead_id, lead in self.leads.items():
            shown = self.known[lead_id]["utm_campaign"]
            key = folded(shown) if shown is not None and folded(shown) != NONE else NONE
            spellings[key][shown or NONE] += 1
            leads[key].append(lead)
        spellings[NONE] = Counter([NONE])
        return {
            min(found, key=lambda name: (-found[name], name)): self._campaign(leads[key])
            for key, found in spellings.items()
        }

    def _campaign(self, leads: list[Row]) -> Row:
        known = [self.known[lead["id"]] for lead in leads]
        made = [lead["created_time"] for lead in leads if lead.get("created_time") is not None]
        n, x = self._matured(leads)
        rate = x / n if n and self.deals_readable else None
        low, high = _wilson(rate, n)
        has_deals = self.has_data and self.deals_readable
        return {
            "n_leads": len(leads) if self.has_data else None,
            "n_deals": sum(row["n_deals"] for row in known) if has_deals else None,
            "won_revenue": sum((row["won_revenue_all"] for row in known), Decimal(0)) if has_deals else None,
            "currency": self.channel.get("currency"),
            "conversion_rate": rate,
            "n_matured": n if self.has_data else None,
            "ci_low": low,
            "ci_high": high,
            "first_lead_at": utc(min(made, default=None)),
            "last_lead_at": utc(max(made, default=None)),
        }


def _hours(seconds: list[int]) -> Decimal | None:
    return rounded(Decimal(str(median(seconds))) / 3600, 2) if seconds else None


def _wilson(rate: float | None, n: int) -> tuple[float | None, float | None]:
    if rate is None:
        return None, None
    z = 1.959963984540054
    middle, spread = rate + z * z / (2 * n), z * sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    return max(0.0, (middle - spread) / (1 + z * z / n)), min(1.0, (middle + spread) / (1 + z * z / n))
