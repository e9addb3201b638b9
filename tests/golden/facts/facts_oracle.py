"""Attribution in plain Python, written from the rules and not from the SQL. It is slow and easy to follow."""

import json
import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from urllib.parse import unquote, unquote_to_bytes, urlsplit

MODELS = ("first_touch", "last_touch", "linear", "position_based", "time_decay")
UTM = ("utm_source", "utm_medium", "utm_campaign", "utm_content", "utm_id")


@dataclass(frozen=True)
class Item:
    """A content item of the catalogue."""

    content_id: str
    published_at: datetime
    source_activity_id: str | None = None
    canonical_url: str | None = None
    utm_source: str | None = None
    utm_medium: str | None = None
    utm_campaign: str | None = None
    utm_content: str | None = None


@dataclass(frozen=True)
class Touch:
    """A visit with its time and its known values."""

    kind: str
    at: datetime
    values: dict[str, str]
    landing_url: str | None = None
    referrer: str | None = None


def plain(value: str | None) -> str | None:
    """Return the normal text of a field: a list or lookup as text, decoded at most twice; None if nothing is left."""
    return folded(decoded(of_field(value))) or None if value else None


def of_field(value: str) -> str:
    """Return a multi-select joined by `;`, the name of a lookup, or the text itself."""
    if value.startswith("["):
        return ";".join(json.loads(value))
    return str(json.loads(value)["name"]) if value.startswith("{") else value


def decoded(value: str) -> str:
    text = value.replace("+", " ")
    for _ in range(2):
        octets = unquote_to_bytes(text.encode())
        text = re.sub(
            "[\x00\udc80-\udcff]", lambda m: f"%{ord(m[0]) % 256:02X}", octets.decode(errors="surrogateescape")
        )
    return text


def folded(text: str) -> str:
    """Return the text as it is compared: composed, without case, and with single blanks only."""
    kept = [" " if c.isspace() else c for c in text if unicodedata.category(c) != "Cf" or c in "\u200c\u200d"]
    composed = unicodedata.normalize("NFC", unicodedata.normalize("NFC", "".join(kept)).casefold())
    return re.sub(" +", " ", composed).strip(" \u200c\u200d")


def plain_url(url: str | None) -> str | None:
    if not url:
        return None
    parts = urlsplit(url if "//" in url else f"//{url}")
    host = (parts.hostname or "").removesuffix(".").removeprefix("www.").encode("idna").decode()
    default = {"http": {80}, "https": {443}}.get(parts.scheme, {80, 443})
    port = f":{parts.port}" if parts.port and parts.port not in default else ""
    return f"{host}{port}{unicodedata.normalize('NFC', unquote(parts.path)).rstrip('/')}"


def with_parameters(values: dict[str, str], landing_url: str | None) -> dict[str, str]:
    """Return the UTM fields. Missing and blank ones come from the parameters of the landing URL."""
    parts = urlsplit((landing_url or "").replace("&amp;", "&").replace("&#38;", "&"))
    found: dict[str, str] = {}
    for text in (parts.query, parts.fragment):
        pairs = [pair.split("=", 1) for pair in reversed(text.replace("?", "&").split("&")) if "=" in pair]
        found = found or {name: value for name, value in pairs if name in UTM and plain(value)}
    return {**found, **{k: v for k, v in values.items() if plain(v)}}


def match(touch: Touch, catalogue: list[Item]) -> tuple[str, str | None, Decimal]:
    """Return (rule, content id, confidence) of the first rule that finds exactly one eligible item."""
    given = {name: plain(value) for name, value in with_parameters(touch.values, touch.landing_url).items()}
    eligible = [item for item in catalogue if item.published_at <= touch.at + timedelta(hours=24)]

    def same(item: Item, *names: str) -> bool:
        return all(given.get(n) is not None and given.get(n) == plain(getattr(item, n)) for n in names)

    ids = {given.get("utm_content"), given.get("utm_id"), given.get("activity_id")} - {None}
    landing, referrer = plain_url(touch.landing_url), plain_url(touch.referrer)
    triple = [item for item in eligible if same(item, "utm_source", "utm_medium", "utm_campaign")]
    rules = [
        ("activity_id", [i for i in eligible if {plain(i.source_activity_id), plain(i.content_id)} & ids], "1"),
        ("utm_content", [i for i in eligible if same(i, "utm_content")], "0.95"),
        ("landing_url", [i for i in eligible if landing and plain_url(i.canonical_url) == landing], "0.8"),
        ("utm_triple", triple, "0.7"),
        ("referrer_url", [i for i in eligible if referrer and plain_url(i.canonical_url) == referrer], "0.6"),
        ("utm_campaign", [i for i in eligible if same(i, "utm_campaign")], "0.55"),
    ]
    for rule, items, confidence in rules:
        if len(items) == 1:
            ours, theirs = given.get("utm_campaign"), plain(items[0].utm_campaign)
            clash = rule == "utm_content" and ours and theirs and ours != theirs
            return rule, items[0].content_id, Decimal("0.85" if clash else confidence)
    if triple:
        latest = max(item.published_at for item in triple)
        chosen = min(item.content_id for item in triple if item.published_at == latest)
        return "utm_triple_ambiguous", chosen, Decimal("0.4")
    return "none", None, Decimal(0)


def credited(contents: list[str | None]) -> list[int]:
    """Return the places of the touches that take credit: those with content, or else the creation (the last one)."""
    return [place for place, content in enumerate(contents) if content] or [len(contents) - 1]


def credits_of(touches: list[tuple[datetime, str | None]]) -> dict[str, list[Decimal]]:
    """Return model → the credits of one or two credited touches, oldest first."""
    if len(touches) == 1:
        return {model: [Decimal(1)] for model in MODELS}
    (first, _), (last, _) = touches
    half_lives = Decimal((last - first).total_seconds()) / (7 * 86400)
    decayed = Decimal(1) / (1 + Decimal(2) ** half_lives)
    decayed = decayed.quantize(Decimal("1e-10"), ROUND_HALF_UP)
    half = Decimal("0.5")
    return {
        "first_touch": [Decimal(1), Decimal(0)],
        "last_touch": [Decimal(0), Decimal(1)],
        "linear": [half, half],
        "position_based": [half, half],
        "time_decay": [decayed, 1 - decayed],
    }
