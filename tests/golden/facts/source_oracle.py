"""Lead sources and lead channels in plain Python, written from the rules and not from the SQL.

Its tables of hosts, names and classes hold only what the random worlds contain.
"""

from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from tests.golden.facts.facts_oracle import decoded, folded, of_field, plain_url

UTM = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "utm_id")
CLICKS = {
    "gclid": ("Google", "Paid Search"),
    "gbraid": ("Google", "Paid Search"),
    "wbraid": ("Google", "Paid Search"),
    "msclkid": ("Bing", "Paid Search"),
    "fbclid": ("Facebook", "Organic Social"),
    "li_fat_id": ("LinkedIn", "Paid Social"),
    "ttclid": ("TikTok", "Paid Social"),
}
MISSING = {"-none-", "unknown", "(direct)", "(not set)", "(none)"}
NAMES = {
    "Google": ["google", "google.com"],
    "Bing": ["bing"],
    "LinkedIn": ["linkedin", "linkedin.com", "linked in"],
    "Facebook": ["facebook", "fb"],
    "TikTok": ["tiktok"],
    "YouTube": ["youtube", "youtube.com"],
    "X (Twitter)": ["t.co", "twitter"],
    "Email": ["email", "e-mail"],
    "Newsletter": ["newsletter"],
}
CLASSES = {
    "google": "search",
    "bing": "search",
    "linkedin": "social",
    "facebook": "social",
    "tiktok": "social",
    "x (twitter)": "social",
    "youtube": "video",
    "email": "email",
    "sms": "sms",
    "amazon": "shopping",
    "weibo.com": "social",
    "groups.google.com": "social",
}
SITES = {
    "google.com": ("google.com", "google"),
    "news.google.co.in": ("google.co.in", "google"),
    "groups.google.com": ("google.com", "google"),
    "google.github.io": ("google.github.io", None),
    "google.evil.com": ("evil.com", None),
    "fr.linkedin.com": ("linkedin.com", None),
    "linkedin.com": ("linkedin.com", None),
    "m.facebook.de": ("facebook.de", "facebook"),
    "m.weibo.com": ("weibo.com", None),
    "t.co": ("t.co", None),
    "acme.co.uk": ("acme.co.uk", None),
    "shop.acme.co.uk": ("acme.co.uk", None),
    "other.co.uk": ("other.co.uk", None),
    "acme.github.io": ("acme.github.io", None),
    "b.github.io": ("b.github.io", None),
    "10.0.0.1": ("10.0.0.1", None),
    "intranet": ("intranet", None),
    "xn--bcher-kva.example": ("xn--bcher-kva.example", None),
}


@dataclass(frozen=True)
class Visit:
    """What a lead tells of its origin. `fields` has UTM values and click ids by key, as Zoho has them."""

    picklist: str | None = None
    fields: dict[str, str] = field(default_factory=dict)
    landing_url: str | None = None
    referrer: str | None = None
    has_first_visit: bool = False


@dataclass
class Observed:
    """A source that was observed: its basis, and its name as it is compared, shown and received."""

    basis: str
    name: str
    shown: str
    raw: str


def host_of(url: str | None) -> str | None:
    page = plain_url(url)
    return page.partition("/")[0].partition(":")[0] if page else None


def tracked(url: str | None) -> dict[str, str]:
    """Return the UTM values and click ids of a URL, decoded: those of the query, or else those of the fragment."""
    parts = urlsplit((url or "").replace("&amp;", "&").replace("&#38;", "&"))
    for text in (parts.query, parts.fragment):
        found: dict[str, str] = {}
        for pair in text.replace("?", "&").split("&"):
            name, _, value = pair.partition("=")
            if (name.startswith("utm_") or name in CLICKS) and folded(decoded(value)):
                found.setdefault(name, decoded(value).strip())
        if found:
            return found
    return {}


def values_of(visit: Visit) -> dict[str, str]:
    """Return the decoded UTM values and the click ids of a lead: a field that is not blank wins."""
    found = tracked(visit.landing_url)
    for name, value in visit.fields.items():
        text = decoded(of_field(value).strip()).strip()
        if folded(text):
            found[name] = text
    return found


def common_name(name: str, is_host: bool) -> str | None:
    by_name = {raw: source for source, raws in NAMES.items() for raw in raws}
    if name in by_name or not is_host:
        return by_name.get(name)
    site, family = SITES[name]
    return by_name.get(site) or {"google": "Google", "facebook": "Facebook"}.get(family or "")


def class_of(name: str, is_host: bool) -> str | None:
    known = CLASSES.get(name) or (CLASSES.get(SITES[name][0]) if is_host else None)
    return known or CLASSES.get(folded(common_name(name, is_host) or name))


def referrer_of(visit: Visit, own_sites: set[str]) -> str | None:
    """Return the host of a referrer that is not the company's own."""
    host, landing = host_of(visit.referrer), host_of(visit.landing_url)
    if host is None:
        return None
    own = own_sites | ({SITES[landing][0]} if landing else set())
    return None if SITES[host][0] in own and class_of(host, True) is None else host


def observed_source(visit: Visit, own_sites: set[str]) -> Observed | None:
    values = values_of(visit)
    source = values.get("utm_source")
    if source and folded(source) not in MISSING:
        given = of_field(visit.fields.get("utm_source", "")).strip()
        raw = given if folded(decoded(given)) else source
        return Observed("utm_source", folded(source), source, raw)
    for kind, (name, _) in CLICKS.items():
        if kind in values:
            return Observed("click_id", folded(name), name, kind)
    host = referrer_of(visit, own_sites)
    return Observed("referrer", host, host, host) if host else None


def lead_channel(visit: Visit, own_sites: set[str]) -> str:
    values, observed = values_of(visit), observed_source(visit, own_sites)
    medium = folded(values.get("utm_medium", ""))
    medium = "" if medium in MISSING else medium
    paid = "cp" in medium or medium in ("ppc", "retargeting") or medium.startswith("paid")
    kind = class_of(observed.name, observed.basis == "referrer") if observed else None
    click = next((CLICKS[kind] for kind in CLICKS if kind in values), None)
    if observed and click:
        same = folded(common_name(observed.name, observed.basis == "referrer") or observed.name) == folded(click[0])
        if observed.basis == "click_id" or (same and not medium):
            return "Paid Social" if paid and click[1] == "Organic Social" else click[1]
    social_media = ("social", "social-network", "social-media", "sm", "social network", "social media")
    rules = [
        (paid and kind == "search", "Paid Search"),
        (paid and kind == "social", "Paid Social"),
        (paid and kind == "video", "Paid Video"),
        (medium in ("display", "banner", "expandable", "interstitial", "cpm"), "Display"),
        (paid, "Paid Other"),
        (kind == "social" or medium in social_media, "Organic Social"),
        (kind == "video" or "video" in medium, "Organic Video"),
        (kind == "search" or medium == "organic", "Organic Search"),
        (medium in ("referral", "app", "link"), "Referral"),
        (kind == "email" or medium in ("email", "e-mail", "e_mail", "e mail"), "Email"),
        (medium == "affiliate", "Affiliates"),
        (medium == "audio", "Audio"),
        (kind == "sms" or medium == "sms", "SMS"),
        (observed is not None, "Referral"),
        (bool(values or host_of(visit.landing_url) or host_of(visit.referrer) or visit.has_first_visit), "Direct"),
    ]
    return next((channel for applies, channel in rules if applies), "") or _offline_channel(visit)


def _offline_channel(visit: Visit) -> str:
    word = folded(visit.picklist or "")
    if not word or word in MISSING:
        return "Unknown"
    organic = {"search": "Organic Search", "social": "Organic Social", "video": "Organic Video", "email": "Email",
               "sms": "SMS", "shopping": "Referral"}  # fmt: skip
    return organic.get(class_of(word, False) or "", "Offline")


def sources(visits: list[Visit], own_map: dict[str, str], own_sites: set[str]) -> list[dict[str, object]]:
    """Return the columns of the origin of each lead of a channel, in the order of the leads."""
    own = {folded(raw): name for raw, name in own_map.items()}

    def key(name: str, is_host: bool) -> str:
        return folded(own.get(name) or common_name(name, is_host) or name)

    found, spellings = [], Counter[tuple[str, str]]()
    for visit in visits:
        word = (visit.picklist or "").strip()
        declared = None if folded(word) in MISSING | {""} else key(folded(word), False)
        observed = observed_source(visit, own_sites)
        seen = key(observed.name, observed.basis == "referrer") if observed else None
        shown = word if declared else observed.shown if observed else ""
        if declared or seen:
            spellings[declared or seen or "", shown] += 1
        values = values_of(visit)
        landing, referrer = host_of(visit.landing_url), host_of(visit.referrer)
        path = unquote(urlsplit(visit.landing_url or "").path).rstrip("/")
        found.append({
            "lead_source": declared or seen,
            "lead_source_raw": word if declared else observed.raw if observed else None,
            "lead_source_basis": "picklist" if declared else observed.basis if observed else "unknown",
            "lead_source_conflict": bool(declared and seen and declared != seen),
            "lead_channel": lead_channel(visit, own_sites),
            **{name: values.get(name) for name in UTM},
            "click_id_kind": next((kind for kind in CLICKS if kind in values), None),
            "landing_host": landing,
            "landing_path": path if landing else None,
            "referrer_host": referrer,
        })  # fmt: skip
    for row in found:
        row["lead_source"] = _spelling(row["lead_source"], own_map, spellings)
    return found


def _spelling(key: object, own_map: dict[str, str], spellings: Counter[tuple[str, str]]) -> str:
    if key is None or key in MISSING:
        return "Unknown"
    for names in (own_map.values(), NAMES):
        if same := [name for name in names if folded(name) == key]:
            return min(same)
    counted = {shown: n for (of, shown), n in spellings.items() if of == key}
    return min(counted, key=lambda shown: (-counted[shown], shown))
