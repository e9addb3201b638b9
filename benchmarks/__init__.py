"""Races: how fast the pipeline is beside the plainest way to do the same.

`python -m benchmarks [name …]` (`make bench`) runs every module here that has a `race()` or `main()`, or the named
ones, prints a line a figure and fails where a bar does not hold. README.md says what is raced.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One measured figure.

    Attributes:
        what: what was done; ours and against: what each side took, in words (`12.3 s`).
        ratio: ours by the other's; bar: the most (or, with `at_least`, the least) it may be. None: told only.
    """

    what: str
    ours: str
    against: str
    ratio: float
    bar: float | None = None
    at_least: bool = False

    @property
    def holds(self) -> bool:
        if self.bar is None:
            return True
        return self.ratio >= self.bar if self.at_least else self.ratio <= self.bar
