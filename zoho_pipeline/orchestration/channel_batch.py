"""One run works on many channels, at the same time where it syncs them, and a failure stops no other channel.

A channel with a transient failure is retried at the end of the batch, after every other channel had its first turn.
A channel with a permanent failure (a revoked token, a spent credit budget) is not retried. When other runs are
queued, a run does not wait: it ends, and Dagster's retry of the run, which queues behind them, repeats the channels
that failed.
"""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from threading import Event

import dagster as dg
from pydantic import Field

from zoho_pipeline.channels.errors import ChannelBusy, ChannelError, LockLost, RegistryError, UnknownChannel, of_channel
from zoho_pipeline.channels.registry.model import PAUSED, RECONNECT_NEEDED, Channel
from zoho_pipeline.ingest.sync.side_by_side import Ended, side_by_side
from zoho_pipeline.logs import redact
from zoho_pipeline.orchestration.channel_summaries import channels_synced_since
from zoho_pipeline.orchestration.services import Services
from zoho_pipeline.settings import PipelineError, UsageError
from zoho_pipeline.transform.errors import ModelFailed, ProjectError
from zoho_pipeline.zoho.errors import Permanent, ReconnectNeeded, TokenThrottled

log = logging.getLogger(__name__)

MAX_RETRIES_TAG = "dagster/max_retries"
_QUEUED_RUNS = dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED])
_QUEUE_POLL_SECONDS = 5.0
_MAX_REASON_CHARACTERS = 500
_PERMANENT_ERRORS = (Permanent, ReconnectNeeded, TokenThrottled, UsageError, ProjectError, ModelFailed)
"""TokenThrottled is one of them, because each further request makes Zoho's throttle last longer."""


@dataclass(frozen=True)
class ChannelFailure:
    """Why a channel failed.

    Attributes:
        permanent: a retry within the same night cannot help.
        known: the channel is registered. One that is not gets no check result: it has no page to show it on.
    """

    reason: str
    permanent: bool
    known: bool = True


ChannelTask = Callable[[str], ChannelFailure | None]
"""Works on the channel with this id, and returns the failure if there was one. Several threads may call it."""

ChannelEnd = Callable[[str, ChannelFailure | None], None]
"""Logs the end of a turn to Dagster, in the thread of the op: Dagster's context belongs to that thread."""

RetryWait = Callable[[float], bool]
"""Waits this many seconds. Returns False when another run is queued: then there are no further retries."""


class BatchConfig(dg.Config):
    """The channels that a run works on, and the waits before its retries."""

    channels: list[str] = Field(default=[], description="Channel ids. When empty, the partitions of the run are used.")
    retry_waits: list[float] = Field(
        default=[20.0, 60.0],
        description="Seconds to wait before each retry of the channels whose failure is transient.",
    )


def channels_of_run(context: dg.OpExecutionContext, config: BatchConfig) -> list[str]:
    """The channel ids of a run, in order, each once.

    A run that names none is cancelled. The launchpad offers `channels: []`, so this is one slip of a person. As a
    failed run it would be retried, and Dagster would show each check that the run planned as failed.

    Raises:
        dg.DagsterExecutionInterruptedError: neither the config nor the partitions of the run name a channel.
    """
    if config.channels:
        return list(dict.fromkeys(config.channels))
    if context.has_partition_key or context.has_partition_key_range:
        return list(context.partition_keys)
    message = "This run names no channel. Select partitions, or set `channels: [id, …]` in the config of the op."
    context.log.error(message)
    context.instance.report_run_canceling(context.run, message=message)  # else the interruption counts as a crash
    raise dg.DagsterExecutionInterruptedError(message)


def run_batch(
    channels: Sequence[str],
    task: ChannelTask,
    retry_waits: Iterable[float],
    wait: RetryWait,
    *,
    at_once: int = 1,
    ended: ChannelEnd = lambda _, __: None,
    stop: Event | None = None,
) -> dict[str, ChannelFailure]:
    """Run `task` once per channel, then retry the transient failures after each wait.

    Args:
        at_once: the most channels that are worked on at the same time. With 1, `task` runs in this thread.
        ended: is called after each turn, in this thread.
        stop: is set when the run is interrupted, for the channels that are still worked on.

    Returns:
        Channel id → its last failure, for the channels that did not succeed in the end, in the order of the channels.
    """
    failures: dict[str, ChannelFailure] = {}

    def attempt_each(channels: Sequence[str]) -> None:
        alone = (Ended(channel, task(channel)) for channel in channels)
        for turn in alone if at_once == 1 else side_by_side(channels, task, at_once, stop):
            failure = turn.value()
            ended(turn.channel_id, failure)
            if failure is None:
                failures.pop(turn.channel_id, None)
            else:
                failures[turn.channel_id] = failure

    attempt_each(channels)
    for seconds in retry_waits:
        to_retry = [channel for channel in channels if channel in failures and not failures[channel].permanent]
        if not to_retry or not wait(seconds):
            break
        attempt_each(to_retry)
    return {channel: failures[channel] for channel in channels if channel in failures}


def wait_while_queue_is_empty(context: dg.OpExecutionContext) -> RetryWait:
    """A `RetryWait` that stops waiting as soon as another run is queued."""

    def wait(seconds: float) -> bool:
        until = time.monotonic() + seconds
        while not context.instance.get_runs_count(_QUEUED_RUNS):
            left = until - time.monotonic()
            if left <= 0:
                return True
            time.sleep(min(left, _QUEUE_POLL_SECONDS))
        context.log.info("Other runs are queued. A retry of this run, behind them, will repeat the failed channels.")
        return False

    return wait


def attempt(channel_id: str, action: Callable[[], ChannelFailure | None]) -> ChannelFailure | None:
    """Run `action` and turn any exception into a failure. The log gets a traceback for an unexpected one."""
    try:
        return action()
    except PipelineError as error:
        failure = ChannelFailure(redact(str(error)), is_permanent(error), known=not isinstance(error, UnknownChannel))
        log.error("%s", of_channel(channel_id, failure.reason))
    except Exception as error:
        reason = redact(f"unexpected {type(error).__name__}: {error}")[:_MAX_REASON_CHARACTERS]
        failure = ChannelFailure(reason, permanent=False)
        log.exception("channel %s: unexpected error", channel_id)
    return failure


def is_permanent(error: PipelineError) -> bool:
    """Whether a retry within the same night is pointless. A busy channel, a lost lock and an unreachable
    registry are transient."""
    if isinstance(error, ChannelError):
        return not isinstance(error, ChannelBusy | LockLost | RegistryError)
    return isinstance(error, _PERMANENT_ERRORS)


def reason_to_skip(channel: Channel) -> str | None:
    """Why a batch skips a channel without a call to Zoho; None when it works on it."""
    if channel.status == PAUSED:
        return "is paused"
    if channel.status == RECONNECT_NEEDED:
        return "must be connected again"
    return None


def channels_left_to_do(context: dg.OpExecutionContext, services: Services, channels: list[str]) -> list[str]:
    """The channels that a retried run still has to do: it skips those that its earlier attempts completed."""
    root = context.run.root_run_id
    record = context.instance.get_run_record_by_id(root) if root else None
    if record is None:
        return channels
    done = channels_synced_since(services.registry, channels, record.create_timestamp)
    context.log.info("Earlier attempts of this run completed %d of %d channels.", len(done), len(channels))
    return [channel for channel in channels if channel not in done]


def raise_if_any_failed(
    context: dg.OpExecutionContext, channels: Sequence[str], failures: dict[str, ChannelFailure]
) -> None:
    """End the run as failed when a channel failed. When every failure is permanent, Dagster does not retry the run.

    Raises:
        dg.Failure: names each failed channel with its reason, in the message and in the metadata.
    """
    if not failures:
        return
    if all(failure.permanent for failure in failures.values()):
        forbid_run_retries(context)
    reasons = "; ".join(
        f"{channel}: {failure.reason.removeprefix(f'channel {channel}: ')}" for channel, failure in failures.items()
    )
    raise dg.Failure(
        f"{len(failures)} of {len(channels)} channels failed: {reasons}",
        metadata={channel: failure.reason for channel, failure in failures.items()},
        allow_retries=False,
    )


def forbid_run_retries(context: dg.OpExecutionContext) -> None:
    """Let this run have no retry when it fails.

    `dg.Failure(allow_retries=False)` forbids retries of the op only. Dagster decides about the whole run by this tag.
    """
    context.instance.add_run_tags(context.run_id, {MAX_RETRIES_TAG: "0"})
