"""A batch: one run works through many channels, each channel's fate its own.

A failure that may pass is tried again at the end of the batch, after the others have had their turn;
one that cannot pass (a revoked token, the day's credits) is not. Whatever a channel raises, the next
one is worked on. A run that other runs wait for does not wait itself: its troubled channels are left
to the repetition of the run, which queues behind them.
"""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import dagster as dg
from pydantic import Field

from zoho_pipeline.channels.errors import ChannelBusy, ChannelError, LockLost, RegistryError
from zoho_pipeline.channels.registry.model import PAUSED, RECONNECT_NEEDED, Channel
from zoho_pipeline.logs import redact
from zoho_pipeline.orchestration.channel_summaries import synced_since
from zoho_pipeline.orchestration.services import Rooms
from zoho_pipeline.settings import PipelineError, UsageError
from zoho_pipeline.zoho.errors import Permanent, ReconnectNeeded, TokenThrottled

log = logging.getLogger(__name__)

_QUEUED = dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED])
_LOOK_EVERY = 5.0
MAX_RETRIES_TAG = "dagster/max_retries"
_LASTING = (Permanent, ReconnectNeeded, TokenThrottled, UsageError)
"""TokenThrottled among them: every further try prolongs Zoho's throttle."""


@dataclass(frozen=True)
class Trouble:
    """Why a channel failed; `lasting`: trying again within the night cannot help."""

    reason: str
    lasting: bool


Work = Callable[[str], Trouble | None]
"""Works on one channel, tells Dagster what came of it, and says what went wrong."""

Pause = Callable[[float], bool]
"""Waits so many seconds; False: others wait for this run's place, no further try."""


class BatchConfig(dg.Config):
    """Which channels a run works on, and how patiently."""

    channels: list[str] = Field(default=[], description="Ids of channels; none: the partitions of the run.")
    retry_waits: list[float] = Field(
        default=[20.0, 60.0], description="Seconds before each further try of a channel whose failure may pass."
    )


def channels_of(context: dg.OpExecutionContext, config: BatchConfig) -> list[str]:
    """The channels of a run, in order; dg.Failure where neither config nor partitions name any."""
    if config.channels:
        return list(dict.fromkeys(config.channels))
    if not context.has_partition_key and not context.has_partition_key_range:
        raise dg.Failure(
            "No channel was named: pick partitions, or give the op's config `channels: [id, …]`.", allow_retries=False
        )
    return list(context.partition_keys)


def work_through(channels: Sequence[str], work: Work, waits: Iterable[float], pause: Pause) -> dict[str, Trouble]:
    """Every channel once, then those with passing trouble again after each wait; the troubles that stayed."""
    troubles: dict[str, Trouble] = {}
    _round(channels, work, troubles)
    for wait in waits:
        again = [channel for channel in channels if channel in troubles and not troubles[channel].lasting]
        if not again or not pause(wait):
            break
        _round(again, work, troubles)
    return troubles


def _round(channels: Iterable[str], work: Work, troubles: dict[str, Trouble]) -> None:
    for channel in channels:
        trouble = work(channel)
        if trouble is None:
            troubles.pop(channel, None)
        else:
            troubles[channel] = trouble


def patience(context: dg.OpExecutionContext) -> Pause:
    """Waits for as long as no other run is queued."""

    def pause(seconds: float) -> bool:
        until = time.monotonic() + seconds
        while not context.instance.get_runs_count(_QUEUED):
            left = until - time.monotonic()
            if left <= 0:
                return True
            time.sleep(min(left, _LOOK_EVERY))
        context.log.info("other runs wait: what failed is tried again by a repetition of this run, behind them")
        return False

    return pause


def guarded(channel_id: str, action: Callable[[], Trouble | None]) -> Trouble | None:
    """Run `action`; an expected error is told by its message, an unexpected one with its traceback in the log."""
    try:
        return action()
    except PipelineError as error:
        trouble = Trouble(redact(str(error)), is_lasting(error))
        log.error("channel %s: %s", channel_id, trouble.reason)
    except Exception as error:
        trouble = Trouble(redact(f"unexpected {type(error).__name__}: {error}")[:500], lasting=False)
        log.exception("channel %s: unexpected error", channel_id)
    return trouble


def is_lasting(error: PipelineError) -> bool:
    """Whether trying again within the night is pointless. What a busy channel, a lost lock or an unreachable
    registry stopped may go well."""
    if isinstance(error, ChannelError):
        return not isinstance(error, ChannelBusy | LockLost | RegistryError)
    return isinstance(error, _LASTING)


def is_left_out(channel: Channel) -> str | None:
    """Why a batch passes over a channel without a word to Zoho; None where it does not."""
    if channel.status == PAUSED:
        return "is paused"
    if channel.status == RECONNECT_NEEDED:
        return "waits for a reconnect"
    return None


def remaining(context: dg.OpExecutionContext, rooms: Rooms, channels: list[str]) -> list[str]:
    """What a repetition of a run still has to do: channels its earlier tries finished are not done twice."""
    root = context.run.root_run_id
    record = context.instance.get_run_record_by_id(root) if root else None
    if record is None:
        return channels
    done = synced_since(rooms.registry, channels, record.create_timestamp)
    context.log.info("%d of %d channels were done by the earlier tries of this run", len(done), len(channels))
    return [channel for channel in channels if channel not in done]


def conclude(context: dg.OpExecutionContext, channels: Sequence[str], troubles: dict[str, Trouble]) -> None:
    """End the run: dg.Failure naming the failed channels, never retried where no retry can help."""
    if not troubles:
        return
    if all(trouble.lasting for trouble in troubles.values()):
        context.instance.add_run_tags(context.run_id, {MAX_RETRIES_TAG: "0"})
    told = "; ".join(f"{channel}: {trouble.reason}" for channel, trouble in troubles.items())
    raise dg.Failure(
        f"{len(troubles)} of {len(channels)} channels failed: {told}",
        metadata={channel: trouble.reason for channel, trouble in troubles.items()},
        allow_retries=False,
    )
