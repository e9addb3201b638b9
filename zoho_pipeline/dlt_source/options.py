"""What the user of the source chose, checked once."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from zoho_pipeline.ingest.catalog.tables import BY_MODULE
from zoho_pipeline.ingest.limits import SyncLimits
from zoho_pipeline.settings import UsageError
from zoho_pipeline.zoho.accounts.data_centers import DataCenter

from .credentials import ZohoCredentials

Deletions = Literal["tombstones", "hard"]
"""Whether a deleted record keeps its row beside a row in `deleted_records`, or loses it."""

_CHANNEL = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


@dataclass(frozen=True)
class Options:
    """The arguments of `zoho_crm`.

    Attributes:
        channel: the value of `channel_id` in each row.
        modules: Zoho's API names. None: all that the connection can read.
        max_rows: a run ends after about so many rows of modules. None: it reads everything.
        lag_seconds: the seconds that a write at Zoho may take to become visible.
        reconcile: every module is compared with Zoho id by id.
    """

    center: DataCenter
    credentials: ZohoCredentials = field(repr=False)
    channel: str
    modules: tuple[str, ...] | None
    max_rows: int | None
    deletions: Deletions
    lag_seconds: float
    reconcile: bool
    limits: SyncLimits

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name in BY_MODULE if name) if self.modules is None else self.modules


def checked_modules(modules: Sequence[str] | None) -> tuple[str, ...] | None:
    """The modules in the order in which they were given, each once.

    Raises:
        UsageError: there is no table for a module. The message names those that there are.
    """
    if modules is None:
        return None
    given = (modules,) if isinstance(modules, str) else tuple(dict.fromkeys(modules))
    known = [name for name in BY_MODULE if name]
    if unknown := [name for name in given if name not in known]:
        listed = ", ".join(map(str, unknown))
        raise UsageError(f"zoho_crm has no table for module {listed}. Choose from: {', '.join(known)}.")
    if not given:
        raise UsageError(f"`modules` is empty. Leave it out to read all, or choose from: {', '.join(known)}.")
    return given


def checked_channel(channel: str) -> str:
    """UsageError: the text cannot be a `channel_id`."""
    if not _CHANNEL.fullmatch(channel):
        raise UsageError(
            f"`channel` is {channel[:70]!r}. Use up to 63 small letters, digits, dots, - and _, and begin with a letter"
            " or a digit."
        )
    return channel


def checked_deletions(deletions: str) -> Deletions:
    """UsageError: it is none of the ways."""
    for known in get_args(Deletions):
        if deletions == known:
            return known  # type: ignore[no-any-return]
    raise UsageError(f"`deletions` is {deletions[:50]!r}. Choose 'tombstones' or 'hard'.")


def checked_limits(limits: SyncLimits | None, max_rows: int | None) -> SyncLimits:
    """The limits of a sync, with checkpoints that are no larger than a step.

    Raises:
        UsageError: `max_rows` is no positive number.
    """
    limits = limits or SyncLimits()
    if max_rows is None:
        return limits
    if isinstance(max_rows, bool) or max_rows < 1:
        raise UsageError(f"`max_rows` is {max_rows}. Give a number from 1 on, or leave it out to read everything.")
    names = ("rows_per_table", "rows_per_checkpoint", "rows_per_bulk_batch", "rows_per_load")
    return replace(limits, **{name: min(getattr(limits, name), max_rows) for name in names})
