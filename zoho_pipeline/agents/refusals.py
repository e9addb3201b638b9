"""The refusals that an agent gets. Each message says what to do, and repeats no text of the agent or of a tenant."""

from typing import Literal

from zoho_pipeline.agents.limits import CHARACTERS, PER_MINUTE, SECONDS

Code = Literal["no_such_channel", "too_many_calls", "too_slow", "too_large", "unknown_metric", "wrong_value"]


class Refused(Exception):
    """A call that is not answered. `wait` is the number of seconds after which it may come again."""

    def __init__(self, code: Code, message: str, wait: float | None = None) -> None:
        super().__init__(message)
        self.code, self.wait = code, wait


def no_such_channel() -> Refused:
    """The same for a channel that does not exist and for one that the caller may not see."""
    return Refused("no_such_channel", "There is no such channel. The tool list_channels names those that you may read.")


def too_many_calls(wait: float) -> Refused:
    seconds = max(1, int(-(-wait // 1)))
    return Refused("too_many_calls", f"The limit is {PER_MINUTE} calls per minute. Try again in {seconds} s.", seconds)


def too_slow() -> Refused:
    return Refused("too_slow", f"The limit is {SECONDS:g} seconds per call. Ask for less, or try again.", SECONDS)


def too_large(cure: str) -> Refused:
    """Args: cure: a sentence that says how to ask for less."""
    return Refused("too_large", f"The limit is {CHARACTERS:,} characters per answer. {cure}")
