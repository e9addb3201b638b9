"""A batch: every channel has its turn, a transient failure is retried, a permanent one is not."""

import threading

import dagster as dg
import pytest
from dagster._core.remote_origin import GrpcServerCodeLocationOrigin, RemoteRepositoryOrigin
from hypothesis import given
from hypothesis import strategies as st

from zoho_pipeline.channels.errors import ChannelBusy, OtherOrg, RegistryError, UnknownChannel
from zoho_pipeline.orchestration.channel_batch import (
    ChannelFailure,
    attempt,
    is_permanent,
    run_batch,
    wait_while_queue_is_empty,
)
from zoho_pipeline.settings import PipelineError, SettingsError
from zoho_pipeline.zoho.errors import BudgetStop, ConnectionFailed, RefreshTokenRevoked, ServerFault, TokenThrottled

BEHAVIOURS = st.sampled_from(["succeeds", "permanent", "transient", "succeeds after 1", "succeeds after 2"])


@given(st.lists(BEHAVIOURS, max_size=30), st.integers(0, 3), st.integers(0, 4), st.sampled_from([1, 4]))
def test_every_channel_has_a_turn_and_only_transient_failures_are_retried(
    behaviours: list[str], waits: int, allowed_waits: int, at_once: int
) -> None:
    channels = [f"c{n}" for n in range(len(behaviours))]
    behaviour = dict(zip(channels, behaviours, strict=True))
    attempts: list[str] = []
    waited: list[float] = []

    def task(channel: str) -> ChannelFailure | None:
        attempts.append(channel)
        match behaviour[channel]:
            case "succeeds":
                return None
            case "permanent":
                return ChannelFailure("revoked", permanent=True)
            case "transient":
                return ChannelFailure("down", permanent=False)
            case late:
                return None if attempts.count(channel) > int(late[-1]) else ChannelFailure("down", permanent=False)

    def wait(seconds: float) -> bool:
        waited.append(seconds)
        return len(waited) <= allowed_waits  # after that, another run is queued

    ends: list[tuple[str, ChannelFailure | None]] = []

    def ended(channel: str, failure: ChannelFailure | None) -> None:
        assert threading.current_thread() is threading.main_thread(), "Dagster's context belongs to this thread"
        ends.append((channel, failure))

    failures = run_batch(channels, task, [0.5] * waits, wait, at_once=at_once, ended=ended)
    retries = min(waits, allowed_waits)
    first = attempts[: len(channels)]
    assert sorted(first) == sorted(channels), "no retry starts before every channel had its first turn"
    assert at_once > 1 or first == channels, "one after another, they keep their order"
    assert sorted(channel for channel, _ in ends) == sorted(attempts), "each turn is logged"
    assert list(failures) == [channel for channel in channels if channel in failures], "in the order of the channels"
    needed = {"succeeds": 0, "permanent": 0, "transient": retries, "succeeds after 1": 1, "succeeds after 2": 2}
    for channel in channels:
        assert attempts.count(channel) == 1 + min(retries, needed[behaviour[channel]])
    not_yet = {c for c in channels if behaviour[c].startswith("succeeds after") and needed[behaviour[c]] > retries}
    assert set(failures) == {c for c in channels if behaviour[c] in ("permanent", "transient")} | not_yet
    assert len(waited) <= min(waits, allowed_waits + 1)


@pytest.mark.parametrize(
    ("error", "permanent"),
    [
        (RefreshTokenRevoked("revoked"), True),
        (BudgetStop("80 % are spent"), True),
        (TokenThrottled("wait", 60), True),
        (UnknownChannel("x"), True),
        (OtherOrg("another org"), True),
        (SettingsError("ZOHO_CLIENT_ID is not set"), True),
        (ConnectionFailed("no answer", sent=False), False),
        (ServerFault("500"), False),
        (ChannelBusy("busy"), False),
        (RegistryError("unreachable"), False),
        (PipelineError("the warehouse is locked"), False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_which_errors_are_permanent(error: PipelineError, permanent: bool) -> None:
    assert is_permanent(error) is permanent


def test_a_run_does_not_wait_while_other_runs_are_queued() -> None:
    @dg.job
    def waiting() -> None:
        pass

    with dg.DagsterInstance.ephemeral() as instance, dg.build_op_context(instance=instance) as context:
        wait = wait_while_queue_is_empty(context)  # type: ignore[arg-type]
        assert wait(0.0), "no run is queued"
        server = GrpcServerCodeLocationOrigin(host="127.0.0.1", port=1, location_name="nobody")
        origin = RemoteRepositoryOrigin(server, "__repository__").get_job_origin("waiting")
        run = instance.create_run_for_job(waiting, remote_job_origin=origin, status=dg.DagsterRunStatus.QUEUED)
        assert not wait(3_600.0), "it does not start to wait for an hour"
        instance.delete_run(run.run_id)
        assert wait(0.0)


def test_an_unexpected_error_fails_its_channel_and_shows_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> None:
        raise RuntimeError("refresh_token=1000.0123456789abcdef0123.456789abcdef is odd")

    failure = attempt("acme", broken)
    assert failure is not None
    assert not failure.permanent
    assert "RuntimeError" in failure.reason
    assert "456789abcdef" not in failure.reason
    assert "acme" in caplog.text
