"""Benchmarks: how fast the pipeline is, compared with the plainest way to do the same work.

`python -m benchmarks [name …]` (`make bench`) runs every module here that has a `measure()` or a `main()`, or the
named ones. It prints one line per figure, and fails if a bar does not hold. README.md says what is measured.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One measured figure.

    Attributes:
        what: what was done.
        ours, against: what each side took, as a text (`12.3 s`).
        ratio: our value divided by the other one.
        bar: the largest ratio that is allowed (with `at_least`: the smallest). None: the ratio is only printed.
        at_least: the bar is a lower limit.
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
