"""Attribution, deals, first contact, Wilson and Kaplan-Meier in plain pandas, written only from the specification."""

from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from math import sqrt
from typing import Any
from urllib.parse import unquote_plus

import numpy as np
import pandas as pd

from tests.golden.companies.company_ledgers import FIELDS, STAGES, Ledgers
from tests.golden.facts.facts_oracle import Touch, folded, plain_url, with_parameters
from tests.golden.forms.forms_oracle import FACTORS, Lead, Submission, links

TOUCH = ["channel", "lead", "touch"]
KINDS = ("first_visit", "form_submit", "lead_creation")
VALUES = ["utm_source", "utm_medium", "utm_campaign", "utm_content", "activity_id", "landing", "page"]
LEAD = ["channel", "lead"]
DAYS_30 = pd.Timedelta(days=30)
CONTACT_TASK = r"\b(?:call|e-?mail|meeting|whatsapp|sms|follow[- ]?up)\b"
CONFIDENCE = {
    "activity_id": 1.0,
    "utm_content": 0.95,
    "landing_url": 0.8,
    "utm_triple": 0.7,
    "referrer_url": 0.6,
    "utm_campaign": 0.55,
    "utm_triple_ambiguous": 0.4,
    "none": 0.0,
}
ORDER = {rule: place for place, rule in enumerate(CONFIDENCE)}


def _instants(values: pd.Series) -> pd.Series:
    """Return instants. A time before 1900 or after 9999 is none; pandas has none after 2262 either."""
    found = values.map(lambda text: datetime.fromisoformat(text) if isinstance(text, str) else None)
    known = found.map(lambda at: at if at is not None and not pd.isna(at) and 1900 < at.year < 2262 else None)
    return pd.to_datetime(known, utc=True)


def _id(values: pd.Series) -> pd.Series:
    """Return the id of a lookup."""
    return values.map(lambda value: value["id"] if isinstance(value, dict) else None)


def _plain(text: Any) -> str | None:
    return (folded(unquote_plus(text)) or None) if isinstance(text, str) else None


def _page(url: Any) -> str | None:
    return plain_url(url.strip()) if isinstance(url, str) and url.strip() else None


def _parameter(url: Any, name: str) -> str | None:
    return with_parameters({}, url).get(name) if isinstance(url, str) else None


def _in_home(amount: Any, rate: Any, currency: Any) -> Decimal | None:
    """Return an amount in rupees, rounded half up to the paisa. Without a rate, only rupees can be counted."""
    if amount is None or pd.isna(amount):
        return None
    exact, by = Decimal(str(amount)), Decimal(1)
    if rate is not None and not pd.isna(rate) and rate > 0:
        by = Decimal(str(rate))
    elif isinstance(currency, str) and currency != "INR":
        return None
    return (exact / by).quantize(Decimal("0.01"), ROUND_HALF_UP)


class CompanyOracle:
    """The expected content of the marts for the companies, as frames with the columns channel and lead."""

    def __init__(self, ledgers: Ledgers) -> None:
        self.as_of = {channel: pd.Timestamp(instant) for channel, instant in ledgers.as_of.items()}
        self.leads = self._leads(ledgers.frame("leads"))
        self.items = self._items(ledgers.items())
        self.submissions = self._submissions(ledgers)
        self.touches = self._touches()
        self.deals = self._deals(ledgers.frame("deals"))
        self.contacts = self._first_contacts(ledgers)

    def _leads(self, raw: pd.DataFrame) -> pd.DataFrame:
        frame = raw.rename(columns={"id": "lead", **{api: key for key, api in FIELDS.items()}})
        frame["created"] = _instants(frame["Created_Time"])
        frame["converted_at"] = _instants(frame["Converted_Date_Time"])
        frame["as_of"] = frame["channel"].map(self.as_of)
        frame["contact"], frame["deal"] = _id(frame["Converted_Contact"]), _id(frame["Converted_Deal"])
        frame["first_visited_time"] = _instants(frame["first_visited_time"])
        assert (frame["created"] <= frame["as_of"]).all()
        return frame

    def _items(self, raw: pd.DataFrame) -> pd.DataFrame:
        frame = raw.assign(published=_instants(raw["published_at"]), page=raw["canonical_url"].map(_page))
        for name in ("utm_source", "utm_medium", "utm_campaign", "utm_content"):
            frame[name] = frame[name].map(_plain)
        return frame

    def _submissions(self, ledgers: Ledgers) -> pd.DataFrame:
        """Return each submission with its lead, how it was found, and what it is to the lead."""
        rows = []
        for channel, sent in ledgers.submissions.items():
            keys: dict[str, dict[str, str]] = {}
            for row in ledgers.keys[channel]:
                keys.setdefault(row["id"], {})[row["kind"]] = row["key"]
            own = self.leads[self.leads["channel"] == channel]
            people = [
                Lead(lead, Touch("lead_creation", created, {}), keys.get(lead, {}))
                for lead, created in zip(own["lead"], own["created"], strict=True)
            ]
            forms = [
                Submission(row["submission_id"], Touch("form_submit", row["submitted_at"], {}), row["email_key"],
                           row["phone_key"], row["is_suspect"])
                for row in sent
            ]  # fmt: skip
            found = links(people, forms, timedelta(days=90))
            for row in sent:
                link = found[row["submission_id"]]
                rows.append({"channel": channel, **row, "lead": link.lead, "by": link.by, "relation": link.relation,
                             "is_ambiguous": link.is_ambiguous})  # fmt: skip
        frame = pd.DataFrame(rows)
        frame["at"] = pd.to_datetime(frame["submitted_at"], utc=True)
        return frame.assign(kind="form_submit", touch="form " + frame["submission_id"])

    def _touches(self) -> pd.DataFrame:
        """Return each touch with the content it matches."""
        creation = self.leads.assign(touch="lead_creation", at=self.leads["created"])
        visit = self.leads.assign(touch="first_visit", at=self.leads["first_visited_time"], referrer=None)
        forms = self.submissions[self.submissions["relation"].isin(["creating", "earlier"])]
        visit["landing_url"] = visit["first_visited_url"]
        for name in ("utm_source", "utm_medium", "utm_campaign", "utm_content", "activity_id"):
            visit[name] = None
        gap = visit["created"] - visit["at"]
        visit = visit[(gap > pd.Timedelta(0)) & (gap <= pd.Timedelta(days=90)) & visit["first_visited_url"].notna()]
        parts = [creation.assign(kind="lead_creation"), visit.assign(kind="first_visit"), forms]
        touches = pd.concat(parts, ignore_index=True)
        for name in ("utm_source", "utm_medium", "utm_campaign", "utm_content"):
            given = touches[name].where(
                touches[name].notna(), touches["landing_url"].map(lambda u, n=name: _parameter(u, n))
            )
            touches[name] = given.map(_plain)
        touches["landing"], touches["page"] = touches["landing_url"].map(_page), touches["referrer"].map(_page)
        touches["activity_id"] = touches["activity_id"].map(_plain)
        touches = self._filled(touches)
        best = self._matches(touches)
        found = touches[[*TOUCH, "kind", "at", "by", "basis", "utm_campaign"]].merge(best, on=TOUCH, how="left")
        found["rule"] = found["rule"].fillna("none")
        found["confidence"] = found["rule"].map(CONFIDENCE)
        clash = found["utm_campaign"].notna() & found["campaign"].notna() & (found["utm_campaign"] != found["campaign"])
        found.loc[clash & (found["rule"] == "utm_content"), "confidence"] = 0.85
        exact = [
            Decimal(str(c)) * FACTORS.get(by, Decimal(1))
            for c, by in zip(found["confidence"], found["by"], strict=True)
        ]
        found["confidence"] = [float(value.quantize(Decimal("0.01"), ROUND_HALF_UP)) for value in exact]
        found["order"] = found["kind"].map(KINDS.index)
        return found

    def _filled(self, touches: pd.DataFrame) -> pd.DataFrame:
        """Return the touches, the creations with what they lack taken from the form that created the lead."""
        creating = touches[touches["relation"] == "creating"].set_index(LEAD)[[*VALUES, "by"]]
        others = touches[touches["relation"] != "creating"].copy()
        joined = others.join(creating, on=LEAD, rsuffix="_form")
        is_creation = others["kind"] == "lead_creation"
        has_own = others[VALUES].notna().any(axis=1)
        lacks = {name: joined[name].isna() & joined[f"{name}_form"].notna() & is_creation for name in VALUES}
        for name, missing in lacks.items():
            others[name] = joined[name].where(~missing, joined[f"{name}_form"])
        is_filled = pd.DataFrame(lacks).any(axis=1)
        others["basis"] = np.select([~is_filled, has_own], ["zoho", "mixed"], "form")
        others["by"] = joined["by"].where(~is_filled, joined["by_form"])
        return others

    def _matches(self, touches: pd.DataFrame) -> pd.DataFrame:
        """Return the content of each touch that has one. The first rule with a single eligible item wins."""
        items = self.items
        ids = [items.assign(key=items[name].map(_plain)) for name in ("source_activity_id", "content_id")]
        triple = ["utm_source", "utm_medium", "utm_campaign"]
        pairs = [
            ("activity_id", touches.assign(key=touches[name]), item)
            for name in ("activity_id", "utm_content")
            for item in ids
        ]
        pairs += [
            ("utm_content", touches.assign(key=touches["utm_content"]), items.assign(key=items["utm_content"])),
            ("landing_url", touches.assign(key=touches["landing"]), items.assign(key=items["page"])),
            ("referrer_url", touches.assign(key=touches["page"]), items.assign(key=items["page"])),
            ("utm_campaign", touches.assign(key=touches["utm_campaign"]), items.assign(key=items["utm_campaign"])),
            ("utm_triple", self._joined(touches, triple), self._joined(items, triple)),
        ]
        candidates = pd.concat(
            [
                left.dropna(subset="key")[[*TOUCH, "at", "key"]]
                .merge(right.dropna(subset="key")[["channel", "key", "content_id", "published", "utm_campaign"]],
                       on=["channel", "key"])
                .assign(rule=rule)
                for rule, left, right in pairs
            ]
        ).rename(columns={"content_id": "content", "utm_campaign": "campaign"})  # fmt: skip
        candidates = candidates[candidates["published"] <= candidates["at"] + pd.Timedelta(hours=24)]
        candidates = candidates.drop_duplicates([*TOUCH, "rule", "content"])
        several = candidates.groupby([*TOUCH, "rule"])["content"].transform("size") > 1
        latest = candidates[several & (candidates["rule"] == "utm_triple")].sort_values(
            ["published", "content"], ascending=[False, True]
        )
        kept = pd.concat([candidates[~several], latest.assign(rule="utm_triple_ambiguous")])
        kept = kept.assign(place=kept["rule"].map(ORDER)).sort_values("place", kind="stable")
        return kept.drop_duplicates(TOUCH)[[*TOUCH, "rule", "content", "campaign"]]

    @staticmethod
    def _joined(frame: pd.DataFrame, names: list[str]) -> pd.DataFrame:
        whole = frame[names].notna().all(axis=1)
        return frame.assign(key=frame[names].fillna("").agg("\n".join, axis=1).where(whole))

    def taken(self) -> pd.DataFrame:
        """Return the touches that take credit, each with its number among all touches of its lead."""
        touches = self.touches.sort_values([*LEAD, "at", "order", "touch"])
        touches = touches.assign(seq=touches.groupby(LEAD).cumcount() + 1)
        has_content = touches["content"].notna()
        none_has = ~has_content.groupby([touches[name] for name in LEAD]).transform("any")
        return touches[has_content | (none_has & (touches["kind"] == "lead_creation"))]

    def last(self) -> pd.DataFrame:
        """Return the touch of each lead that last_touch credits."""
        return self.taken().drop_duplicates(LEAD, keep="last")

    def bases(self) -> pd.DataFrame:
        """Return where the values of each lead's creation come from."""
        return self.touches[self.touches["kind"] == "lead_creation"][[*LEAD, "basis"]]

    def credits(self) -> pd.DataFrame:
        """Return content and credit by lead, touch_seq and model."""
        taken = self.taken()
        taken = taken.assign(place=taken.groupby(LEAD).cumcount() + 1, n=taken.groupby(LEAD)["lead"].transform("size"))
        age = taken.groupby(LEAD)["at"].transform("max") - taken["at"]
        weight = 0.5 ** (age.dt.total_seconds() / (7 * 86_400))
        place, n = taken["place"], taken["n"]
        ends = np.where((place == 1) | (place == n), 0.4, 0.2 / np.maximum(n - 2, 1))
        shares: dict[str, Any] = {
            "first_touch": np.where(place == 1, 1.0, 0.0),
            "last_touch": np.where(place == n, 1.0, 0.0),
            "linear": 1 / n,
            "position_based": np.where(n <= 2, 1 / n, ends),
            "time_decay": weight / weight.groupby([taken[name] for name in LEAD]).transform("sum"),
        }
        return pd.concat([taken.assign(model=model, credit=share) for model, share in shares.items()])

    def _deals(self, raw: pd.DataFrame) -> pd.DataFrame:
        """Return each deal with its lead, its state and its amount in home currency."""
        deals = raw.assign(deal_created=_instants(raw["Created_Time"]), contact=_id(raw["Contact_Name"]))
        deals["state"] = deals["Stage"].map(STAGES)
        money = zip(deals["Amount"], deals["Exchange_Rate"], deals["Currency"], strict=True)
        deals["home"] = pd.Series([_in_home(*parts) for parts in money], deals.index, dtype=object)
        closing = pd.to_datetime(deals["Closing_Date"]) + pd.Timedelta(seconds=86_399)
        closing = closing.dt.tz_localize("Asia/Kolkata").dt.tz_convert("UTC")
        as_of = deals["channel"].map(self.as_of)
        deals["won_at"] = closing.where(closing <= as_of, as_of).where(deals["state"] == "Closed Won")
        people = self.leads[["channel", "lead", "contact", "deal", "converted_at"]]
        own = people.dropna(subset="deal").merge(
            deals.drop(columns="contact"), left_on=["channel", "deal"], right_on=["channel", "id"]
        )
        own = own.assign(basis=1, linked=own["converted_at"])
        other = people.dropna(subset="contact").merge(deals, on=["channel", "contact"])
        other = other[other["deal_created"] >= other["converted_at"] - pd.Timedelta(hours=1)]
        other = other.assign(basis=2, linked=other["deal_created"])
        links = pd.concat([own, other])
        gap = links["deal_created"] - links["converted_at"]
        links = links.assign(late=gap < pd.Timedelta(0), gap=gap.abs(), number=links["lead"].astype("int64"))
        links = links.sort_values(["basis", "late", "gap", "number"])
        return links.drop_duplicates(["channel", "id"])

    def outcomes(self) -> pd.DataFrame:
        """Return each lead with the figures of its deals and the instants at which it reached each stage."""
        won = self.deals[self.deals["state"] == "Closed Won"]
        figures = self.deals.groupby(LEAD).agg(n_deals=("id", "size"), deal_at=("linked", "min"))
        wins = won.groupby(LEAD).agg(
            n_won=("id", "size"),
            revenue=("home", lambda amounts: sum(amounts.dropna(), Decimal(0))),
            won_at=("won_at", "min"),
        )
        return self.leads.merge(figures, on=LEAD, how="left").merge(wins, on=LEAD, how="left")

    def _first_contacts(self, ledgers: Ledgers) -> pd.DataFrame:
        """Return each lead with its first contact, status and seconds."""
        calls, events, tasks = (ledgers.frame(name) for name in ("calls", "events", "tasks"))
        happened = ~calls["Outgoing_Call_Status"].isin(["Scheduled", "Cancelled", "Overdue"])
        talked = calls["Call_Duration_in_seconds"].fillna(0) > 0
        calls = calls[happened & ((calls["Call_Type"] == "Outbound") | ((calls["Call_Type"] == "Inbound") & talked))]
        events = events[events["$event_cancelled"] != True]  # noqa: E712
        subject = tasks["Subject"].map(folded).str.contains(CONTACT_TASK, regex=True)
        tasks = tasks[(tasks["Status"] == "Completed") & subject]
        acts = pd.concat([
            calls.assign(at=calls["Call_Start_Time"]), events.assign(at=events["Start_DateTime"]),
            tasks.assign(at=tasks["Closed_Time"]),
        ])  # fmt: skip
        acts = acts.assign(at=_instants(acts["at"]), who=_id(acts["Who_Id"]), what=_id(acts["What_Id"]))
        acts = acts[acts["at"] <= acts["channel"].map(self.as_of)]
        about = [(acts.assign(party=acts["who"]), None), (acts.assign(party=acts["what"]), "$se_module")]
        parties = [("lead", "Leads"), ("contact", "Contacts"), ("deal", "Deals")]
        found = []
        for part, module_of in about:
            for column, module in parties:
                people = self.leads[["channel", "lead", "created"]].assign(party=self.leads[column])
                joined = people.dropna(subset="party").merge(part.dropna(subset="party"), on=["channel", "party"])
                if module_of:
                    joined = joined[joined[module_of] == module]
                if column != "lead":
                    joined = joined[joined["at"] >= joined["created"]]
                found.append(joined[["channel", "lead", "at"]])
        firsts = pd.concat(found).groupby(LEAD)["at"].min().rename("first").reset_index()
        leads = self.leads.merge(firsts, on=LEAD, how="left")
        wait = (leads["first"] - leads["created"]).dt.total_seconds()
        leads["status"] = np.select(
            [wait < -300, wait.notna(), leads["converted_at"].notna()],
            ["contact_before_creation", "contacted", "converted_without_logged_contact"],
            "uncontacted",
        )
        leads["seconds"] = wait.clip(lower=0).where(leads["status"] == "contacted")
        end = leads["converted_at"].where(leads["status"] != "uncontacted", leads["as_of"])
        watched = leads["seconds"].where(leads["status"] == "contacted", (end - leads["created"]).dt.total_seconds())
        leads["observed"] = watched.where(leads["status"] != "contact_before_creation")
        return leads

    def conversion_rates(
        self,
    ) -> dict[tuple[str, str, str, str], tuple[int, int, float | None, float | None, float | None]]:
        """Return (channel, stage, definition, content or all) → n, x, rate and its interval."""
        last = self.last()[[*LEAD, "content"]]
        leads = self.outcomes().merge(last, on=LEAD)
        leads["content"] = leads["content"].fillna("(none)")
        age = leads["as_of"] - leads["created"]
        leads = leads.assign(age=age)[age < pd.Timedelta(days=180)]
        found = {}
        for stage, column in (("any_conversion", "converted_at"), ("deal", "deal_at"), ("won", "won_at")):
            wait = leads[column] - leads["created"]
            staged = leads.assign(reached=wait.notna(), in_time=wait <= DAYS_30, in_90=wait <= pd.Timedelta(days=90))
            staged["watched"] = (
                wait.where(staged["in_time"], staged["age"].where(staged["age"] < DAYS_30, DAYS_30))
                .dt.total_seconds()
                .clip(lower=0)
            )
            for channel, group in staged.groupby("channel"):
                for value, part in [("all", group), *((str(v), p) for v, p in group.groupby("content"))]:
                    for definition, figures in _definitions(part).items():
                        found[str(channel), stage, definition, value] = figures
        return found


def _definitions(
    whole: pd.DataFrame,
) -> dict[str, tuple[int, int, float | None, float | None, float | None]]:
    recent = whole["age"] < pd.Timedelta(days=90)
    part, old = whole[recent], whole[~recent]
    mature = part["age"] >= DAYS_30
    cohort, wide, young = part[mature & (part["age"] < pd.Timedelta(days=60))], part[mature], part[~mature]
    return {
        "matured_30d": _figures(len(cohort), int(cohort["in_time"].sum())),
        "matured_30d_wide": _figures(len(wide), int(wide["in_time"].sum())),
        "matured_90d": _figures(len(old), int(old["in_90"].sum())),
        "rolling_30d": _figures(len(young), int(young["reached"].sum())),
        "km_30d": (len(part), int(part["in_time"].sum()), *kaplan_meier(part["watched"], part["in_time"])),
        "ever": _figures(len(part), int(part["reached"].sum())),
    }


def _figures(n: int, x: int) -> tuple[int, int, float | None, float | None, float | None]:
    rate = x / n if n else None
    return (n, x, rate, *wilson(rate, n))


def wilson(rate: float | None, n: int) -> tuple[float | None, float | None]:
    """Return the Wilson 95 % interval."""
    if rate is None:
        return None, None
    z = 1.959963984540054
    middle = (rate + z * z / (2 * n)) / (1 + z * z / n)
    spread = z / (1 + z * z / n) * sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    return max(0.0, middle - spread), min(1.0, middle + spread)


def kaplan_meier(watched: pd.Series, events: pd.Series) -> tuple[float | None, float | None, float | None]:
    """Return 1 − S at 30 days with its bounds by Greenwood. The rate is None if no lead was observed that long and S is
    not 0; the bounds are None also if there is no event, or if S is 0."""
    if watched.empty:
        return None, None, None
    survival, variance = 1.0, 0.0
    for instant in np.sort(watched[events].unique()):
        left, risk = (events & (watched == instant)).sum(), (watched >= instant).sum()
        survival *= 1 - left / risk
        variance += left / (risk * (risk - left)) if left < risk else 0.0
    if survival <= 1e-12:
        return 1.0, None, None
    if watched.max() < DAYS_30.total_seconds():
        return None, None, None
    if not events.any():
        return 0.0, None, None
    # log(−log S) is approximately normal with this deviation
    middle, deviation = np.log(-np.log(survival)), np.sqrt(variance) / abs(np.log(survival))
    low, high = (1 - np.exp(-np.exp(middle + sign * 1.959963984540054 * deviation)) for sign in (-1, 1))
    return float(1 - survival), float(low), float(high)
