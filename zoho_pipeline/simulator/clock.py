"""Time in the simulator: one clock that can be set, moved and frozen, and Zoho's wire format.

Zoho's resolution is one second, so an instant is an integer: seconds since 1970 in UTC. On the wire
it is `yyyy-MM-ddTHH:mm:ss±HH:mm` in the zone of the token's user (facts, section 12).
"""

import time
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from typing import ClassVar
from zoneinfo import ZoneInfo

_DAY = 86_400
_QUARTER = 900  # every zone's clock changes fall on a quarter of an hour


class Clock:
    """Runs with real time until it is set, moved or frozen."""

    def __init__(self, shift: float = 0.0) -> None:
        self.shift = shift
        self.frozen: float | None = None

    def seconds(self) -> float:
        """Now, in seconds since 1970."""
        return time.time() + self.shift if self.frozen is None else self.frozen

    def epoch(self) -> int:
        """Now, cut to the whole second Zoho would show."""
        return int(self.seconds())

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds(), UTC)

    def set(self, moment: datetime | str | int) -> None:
        """Make it `moment` now; the clock goes on from there (or stays, if frozen)."""
        target = float(to_epoch(moment))
        if self.frozen is None:
            self.shift = target - time.time()
        else:
            self.frozen = target

    def advance(self, seconds: float) -> None:
        if self.frozen is None:
            self.shift += seconds
        else:
            self.frozen += seconds

    def freeze(self, moment: datetime | str | int | None = None) -> None:
        """Stop the clock at `moment` (default: now); `advance` and `set` still move it."""
        self.frozen = self.seconds() if moment is None else float(to_epoch(moment))

    def resume(self) -> None:
        """Let a frozen clock run on from where it stands."""
        if self.frozen is not None:
            self.shift, self.frozen = self.frozen - time.time(), None

    def http_date(self, offset: float = 0.0) -> str:
        """The value of the `Date` header of an answer given now, `offset` seconds beside this clock."""
        return format_datetime((self.now() + timedelta(seconds=offset)).replace(microsecond=0), usegmt=True)


def to_epoch(moment: datetime | str | int) -> int:
    """Whole seconds since 1970 of an aware datetime, ISO text with an offset, or seconds already.

    Raises ValueError for text that is no ISO instant and for times without an offset.
    """
    if isinstance(moment, bool):
        raise ValueError("a truth value is no instant")
    if isinstance(moment, int):
        return moment
    parsed = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    if parsed.tzinfo is None:
        raise ValueError(f"{moment} carries no offset")
    return (parsed - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)


class ZoneFormat:
    """Writes instants in one zone. Remembers days, times and offsets: a page has a thousand of them."""

    _known: ClassVar[dict[str, "ZoneFormat"]] = {}
    _times: ClassVar[dict[int, str]] = {}

    def __init__(self, name: str) -> None:
        self._zone = ZoneInfo(name)
        self._offsets: dict[int, tuple[int, str]] = {}
        self._days: dict[int, str] = {}

    @classmethod
    def of(cls, name: str) -> "ZoneFormat":
        if name not in cls._known:
            cls._known[name] = cls(name)
        return cls._known[name]

    def __call__(self, epoch: int) -> str:
        quarter = epoch // _QUARTER
        try:
            offset, suffix = self._offsets[quarter]
        except KeyError:
            offset, suffix = self._offsets[quarter] = self._offset_at(epoch)
        day, second = divmod(epoch + offset, _DAY)
        try:
            calendar = self._days[day]
        except KeyError:
            calendar = self._days[day] = f"{date(1970, 1, 1) + timedelta(days=day)}T"
        try:
            clock = self._times[second]
        except KeyError:
            clock = self._times[second] = f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
        return calendar + clock + suffix

    def _offset_at(self, epoch: int) -> tuple[int, str]:
        delta = datetime.fromtimestamp(epoch, self._zone).utcoffset()
        # Zoho writes whole minutes; offsets with seconds exist only before 1970.
        minutes = 0 if delta is None else int(delta.total_seconds()) // 60
        sign = "-" if minutes < 0 else "+"
        return minutes * 60, f"{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"

    def offset_ms(self, epoch: int) -> int:
        """The zone's offset at an instant in milliseconds, as users carry it."""
        return self._offset_at(epoch)[0] * 1000
