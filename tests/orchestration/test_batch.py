"""A batch: every channel has its turn, passing trouble another one, lasting trouble none."""

import dagster as dg
import pytest
from dagster._core.remote_origin import GrpcServerCodeLocationOrigin, RemoteRepositoryOrigin
from hypothesis import given
from hypothesis import strategies as st

from zoho_pipeline.channels.errors import ChannelBusy, OtherOrg, RegistryError, UnknownChannel
from zoho_pipeline.ingest.report import ModuleReport, SyncReport
from zoho_pipeline.orchestration.assets.raw_assets import incomplete
from zoho_pipeline.orchestration.channel_batch import Trouble, guarded, is_lasting, patience, work_through
from zoho_pipeline.orchestration.partitions import batches
from zoho_pipeline.settings import PipelineError, SettingsError
from zoho_pipeline.zoho.errors import BudgetStop, ConnectionFailed, RefreshTokenRevoked, ServerFault, TokenThrottled

FATES = st.sampled_from(["works", "lasting", "always passing", "passes after 1", "passes after 2"])


@given(st.lists(FATES, max_size=30), st.integers(0, 3), st.integers(0, 4))
def test_every_channel_is_worked_on_and_tried_again_only_where_it_can_help(
    fates: list[str], waits: int, patience: int
) -> None:
    channels = [f"c{n}" for n in range(len(fates))]
    fate = dict(zip(channels, fates, strict=True))
    worked: list[str] = []
    slept: list[float] = []

    def work(channel: str) -> Trouble | None:
        worked.append(channel)
        match fate[channel]:
            case "works":
                return None
            case "lasting":
                return Trouble("revoked", lasting=True)
            case "always passing":
                return Trouble("down", lasting=False)
            case late:
                return None if worked.count(channel) > int(late[-1]) else Trouble("down", lasting=False)

    def pause(seconds: float) -> bool:
        slept.append(seconds)
        return len(slept) <= patience  # then others wait for the place

    troubles = work_through(channels, work, [0.5] * waits, pause)
    tries = min(waits, patience)
    assert worked[: len(channels)] == channels, "nobody is tried again before everybody had a turn"
    for channel in channels:
        most = {"works": 1, "lasting": 1, "always passing": 1 + tries}
        wanted = most.get(fate[channel], 1 + min(tries, int(fate[channel][-1]) if fate[channel][-1].isdigit() else 0))
        assert worked.count(channel) == wanted
    late = {c for c in channels if fate[c].startswith("passes") and int(fate[c][-1]) > tries}
    assert set(troubles) == {c for c in channels if fate[c] in ("lasting", "always passing")} | late
    assert len(slept) <= min(waits, patience + 1)


@pytest.mark.parametrize(
    ("error", "lasting"),
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
        (PipelineError("the warehouse is held"), False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_which_errors_last(error: PipelineError, lasting: bool) -> None:
    assert is_lasting(error) is lasting


def test_a_run_that_others_queue_for_does_not_sit_on_its_place() -> None:
    @dg.job
    def waiting() -> None:
        pass

    with dg.DagsterInstance.ephemeral() as instance, dg.build_op_context(instance=instance) as context:
        pause = patience(context)  # type: ignore[arg-type]
        assert pause(0.0), "nobody waits"
        server = GrpcServerCodeLocationOrigin(host="127.0.0.1", port=1, location_name="nobody")
        origin = RemoteRepositoryOrigin(server, "__repository__").get_job_origin("waiting")
        run = instance.create_run_for_job(waiting, remote_job_origin=origin, status=dg.DagsterRunStatus.QUEUED)
        assert not pause(3_600.0), "an hour of waiting is not begun"
        instance.delete_run(run.run_id)
        assert pause(0.0)


def test_an_unexpected_error_stays_with_its_channel_and_shows_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> None:
        raise RuntimeError("refresh_token=1000.0123456789abcdef0123.456789abcdef is odd")

    trouble = guarded("acme", broken)
    assert trouble is not None
    assert not trouble.lasting
    assert "RuntimeError" in trouble.reason
    assert "456789abcdef" not in trouble.reason
    assert "acme" in caplog.text


def test_a_spent_budget_lasts_and_a_failed_module_may_pass() -> None:
    def report(*outcomes: str) -> SyncReport:
        modules = [ModuleReport(f"M{n}", outcome=o, detail=f"why {n}") for n, o in enumerate(outcomes)]  # type: ignore[arg-type]
        return SyncReport("acme", "run", modules)

    assert incomplete(report("complete", "skipped")) is None
    assert incomplete(report("complete", "stopped")) == Trouble("M1: why 1", lasting=True)
    assert incomplete(report("failed", "stopped")) == Trouble("M0: why 0; M1: why 1", lasting=False)


@given(st.integers(0, 500), st.integers(1, 60))
def test_batches_hold_every_channel_once_in_order_and_are_even(count: int, size: int) -> None:
    channels = [f"c{n}" for n in range(count)]
    found = list(batches(channels, size))
    assert [c for batch in found for c in batch] == channels
    lengths = [len(batch) for batch in found]
    assert all(1 <= length <= size for length in lengths)
    assert not lengths or max(lengths) - min(lengths) <= 1
