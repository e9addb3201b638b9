"""When each kind of work of a loop was last begun."""

import time


class Rounds:
    """Says which work of a loop is due. It belongs to the thread of the loop."""

    def __init__(self) -> None:
        self._begun: dict[str, float] = {}

    def is_due(self, what: str, seconds: float) -> bool:
        """Whether `what` was not begun within the last `seconds`; then it counts as begun now."""
        now = time.monotonic()
        if now - self._begun.get(what, float("-inf")) < seconds:
            return False
        self._begun[what] = now
        return True
