"""How pages write numbers, money, times and names: in the habits of the channel.

No data is a dash, and never 0.
"""

from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal

from zoho_pipeline.logs import printable
from zoho_pipeline.setting_checks import known_zone

NONE = "–"
THIN = "\u00a0"
MOST_CHARACTERS = 120
INDIAN = "INR"
"""Who counts in this currency groups digits as 12,34,567."""

_SIGNS = {"INR": "₹", "USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "CNY": "CN¥", "AUD": "A$", "CAD": "C$"}
_SIGNS |= {"SGD": "S$", "NZD": "NZ$", "HKD": "HK$", "ZAR": "R", "BRL": "R$"}
_EXACT_FROM = 200
"""From this number of leads on, a percentage has a decimal: with fewer, it would show a precision that is not there."""


def whole(number: float | Decimal | None, currency: str | None = None) -> str:
    """`1,234,567`, or `12,34,567` where the channel counts in rupees."""
    if number is None:
        return NONE
    rounded = int(Decimal(str(number)).quantize(Decimal(1), ROUND_HALF_UP))
    if currency != INDIAN:
        return f"{rounded:,}"
    sign, digits = ("-" if rounded < 0 else ""), str(abs(rounded))
    head, tail = digits[:-3], digits[-3:]
    pairs: list[str] = []
    while head:
        head, pair = head[:-2], head[-2:]
        pairs.insert(0, pair)
    return sign + ",".join([*pairs, tail])


def money(amount: float | Decimal | None, currency: str | None) -> str:
    """`₹ 12,34,567`; in a currency without a known sign, its code."""
    if amount is None:
        return NONE
    sign = _SIGNS.get(currency or "", currency or "")
    return f"{sign}{THIN}{whole(amount, currency)}".strip(THIN)


def percent(rate: float | None, of: int | None = None) -> str:
    """`12.0 %`, or `12 %` of fewer than 200."""
    if rate is None:
        return NONE
    digits = 1 if of is not None and of >= _EXACT_FROM else 0
    return f"{100 * rate:.{digits}f}{THIN}%"


def between(low: float | None, high: float | None) -> str:
    """`14 to 61 %`: a range without a point in it; nothing where it is unknown."""
    return "" if low is None or high is None else f"{100 * low:.0f} to {100 * high:.0f}{THIN}%"


def hours(value: float | None) -> str:
    """`25 min`, `4.5 hours`, `24 hours`, `2.4 days`, `90 days`."""
    if value is None:
        return NONE
    if value < 1:
        return f"{60 * value:.0f}{THIN}min"
    if value < 48:
        return f"{_short(value)} hours"
    return f"{_short(value / 24)} days" if value < 240 else f"{value / 24:.0f} days"


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def day(value: date | str | None, *, year: bool = True) -> str:
    """`26 November 2026`; without the year `26 Nov`."""
    if value is None:
        return NONE
    found = date.fromisoformat(value[:10]) if isinstance(value, str) else value
    return f"{found.day} {found:%B %Y}" if year else f"{found.day} {found:%b}"


def moment(value: datetime | str | None, zone: str | None = None) -> str:
    """`26 November 2026, 07:59`, in the zone if one is given; a text without an offset is local already."""
    if value is None:
        return NONE
    found = _local(value, zone)
    return f"{found.day} {found:%B %Y, %H:%M}"


def short_moment(value: datetime | str | None, zone: str | None = None, *, year: int | None = None) -> str:
    """`26 Nov 2026, 07:59`, for tables; `26 Nov, 07:59` in the given year. See `moment`."""
    if value is None:
        return NONE
    found = _local(value, zone)
    day_of_year = f"{found:%b}" if found.year == year else f"{found:%b %Y}"
    return f"{found.day} {day_of_year}, {found:%H:%M}".replace(" ", THIN).replace(f",{THIN}", ", ")


def shown(text: object, most: int = MOST_CHARACTERS) -> str:
    """A name or a sentence of somebody else: in one line, without characters that control, and cut."""
    if text is None or (plain := printable(str(text), one_line=True).strip()) == "":
        return NONE
    return plain if len(plain) <= most else f"{plain[: most - 1].rstrip()}…"


def plural(count: int | None, noun: str) -> str:
    """`lead` for 1, `leads` for another number."""
    return noun if count == 1 else f"{noun}s"


def _local(value: datetime | str, zone: str | None) -> datetime:
    found = datetime.fromisoformat(value) if isinstance(value, str) else value
    if zone is None:
        return found
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(known_zone(zone) or UTC)
