"""Time in the simulator: one clock that can be set, moved and frozen, and instants in Zoho's form.

Zoho's resolution is one second, so an instant is an integer: seconds since 1970 in UTC. On the wire
it is `yyyy-MM-ddTHH:mm:ss±HH:mm` in the zone of the token's user (docs/zoho-facts.md, section 12).
"""

import time
from collections import deque
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from typing import ClassVar
from zoneinfo import ZoneInfo

_DAY = 86_400
_QUARTER = 900  # in every zone the offset changes only at a quarter of an hour


class Clock:
    """Runs with real time until somebody sets, moves or freezes it."""

    def __init__(self, shift: float = 0.0) -> None:
        self.shift = shift
        self.frozen: float | None = None

    def seconds(self) -> float:
        """Now, in seconds since 1970."""
        return time.time() + self.shift if self.frozen is None else self.frozen

    def epoch(self) -> int:
        """Now, in whole seconds since 1970, as Zoho shows it."""
        return int(self.seconds())

    def now(self) -> datetime:
        """Now, as an aware datetime in UTC."""
        return datetime.fromtimestamp(self.seconds(), UTC)

    def set(self, moment: datetime | str | int) -> None:
        """Set the clock to `moment`. It runs on from there, or stays there when it is frozen."""
        target = float(to_epoch(moment))
        if self.frozen is None:
            self.shift = target - time.time()
        else:
            self.frozen = target

    def advance(self, seconds: float) -> None:
        """Move the clock forward by seconds (backward when negative)."""
        if self.frozen is None:
            self.shift += seconds
        else:
            self.frozen += seconds

    def freeze(self, moment: datetime | str | int | None = None) -> None:
        """Stop the clock at `moment` (default: now); `advance` and `set` still move it."""
        self.frozen = self.seconds() if moment is None else float(to_epoch(moment))

    def resume(self) -> None:
        """Let a frozen clock run on from its present moment."""
        if self.frozen is not None:
            self.shift, self.frozen = self.frozen - time.time(), None

    def http_date(self, offset: float = 0.0) -> str:
        """The value of the `Date` header for an answer sent now, `offset` seconds ahead of this clock."""
        return format_datetime((self.now() + timedelta(seconds=offset)).replace(microsecond=0), usegmt=True)


def to_epoch(moment: datetime | str | int) -> int:
    """Convert an aware datetime or ISO text with an offset to whole seconds since 1970; seconds stay as they are.

    Raises ValueError for text that is not an ISO instant and for a time without an offset.
    """
    if isinstance(moment, bool):
        raise ValueError("a boolean is not an instant")
    if isinstance(moment, int):
        return moment
    parsed = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    if parsed.tzinfo is None:
        raise ValueError(f"{moment} has no offset from UTC")
    return (parsed - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)


class ZoneFormat:
    """Writes instants in one time zone. It caches days, times and offsets: one page holds a thousand instants."""

    _known: ClassVar[dict[str, "ZoneFormat"]] = {}
    _times: ClassVar[dict[int, str]] = {}

    def __init__(self, name: str) -> None:
        self._zone = ZoneInfo(name)
        self._offsets: dict[int, tuple[int, str]] = {}
        self._days: dict[int, str] = {}

    @classmethod
    def of(cls, name: str) -> "ZoneFormat":
        """The format of a time zone, cached; raises ZoneInfoNotFoundError for an unknown name."""
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
        """The offset of the zone at an instant in milliseconds, as GET /users shows it."""
        return self._offset_at(epoch)[0] * 1000


def forget_until(moments: deque[float], until: float) -> None:
    """Drop the moments up to `until` (seconds since 1970, inclusive) from a queue in ascending order."""
    while moments and moments[0] <= until:
        moments.popleft()
