"""The event log keeps a few connections open and loses no event."""

import logging
from threading import Thread

import dagster as dg
import pytest
from dagster._core.events import StepMaterializationData

from tests.orchestration.conftest import Deployment
from zoho_pipeline.orchestration.instance.sqlite_event_log import MAX_OPEN_DATABASES, EmbeddedEventLog


@pytest.mark.long
def test_the_event_log_keeps_few_databases_open_and_loses_nothing(deployment: Deployment) -> None:
    log = deployment.instance.event_log_storage
    assert isinstance(log, EmbeddedEventLog)
    runs = []
    for number in range(MAX_OPEN_DATABASES + 2):

        @dg.job(name=f"job_{number}")
        def job() -> None:
            pass

        runs.append(job.execute_in_process(instance=deployment.instance).run_id)
    assert len(log._engines) == MAX_OPEN_DATABASES
    for run in runs:
        assert deployment.instance.all_logs(run)[-1].dagster_event_type == dg.DagsterEventType.RUN_SUCCESS
    with dg.DagsterInstance.from_config(str(deployment.settings.home / "dagster")) as other:
        assert {run.run_id for run in other.get_runs()} == set(runs)
        assert other.all_logs(runs[0])


def test_events_of_one_commit_become_visible_together(deployment: Deployment) -> None:
    @dg.job
    def job() -> None:
        pass

    instance = deployment.instance
    run = job.execute_in_process(instance=instance)
    before, log = len(instance.all_logs(run.run_id)), instance.event_log_storage
    assert isinstance(log, EmbeddedEventLog)

    def store(name: str) -> None:
        event = dg.DagsterEvent(
            event_type_value="ASSET_MATERIALIZATION",
            job_name="job",
            event_specific_data=StepMaterializationData(dg.AssetMaterialization(name)),
        )
        instance.report_dagster_event(event, run.run_id)

    with dg.DagsterInstance.from_config(str(deployment.settings.home / "dagster")) as other:
        with log.one_commit():
            store("first")
            store("second")
            assert len(other.all_logs(run.run_id)) == before
        assert len(other.all_logs(run.run_id)) == before + 2
        assert other.get_latest_materialization_event(dg.AssetKey("second")) is not None

    def break_off() -> None:
        with log.one_commit():
            store("third")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        break_off()
    assert len(instance.all_logs(run.run_id)) == before + 2
    store("fourth")
    assert len(instance.all_logs(run.run_id)) == before + 3


def test_a_line_of_another_thread_does_not_wait_for_the_end_of_a_block(deployment: Deployment) -> None:
    """It holds the lock of Dagster's log handler while it is stored. The next event of the block waited for that lock,
    the line waited for the block, and the run hung for ever.
    """

    @dg.op
    def work(context: dg.OpExecutionContext) -> None:
        log = context.instance.event_log_storage
        assert isinstance(log, EmbeddedEventLog)
        line = Thread(target=lambda: logging.getLogger("zoho_pipeline.other").error("a line of another thread"))
        with log.one_commit():
            context.log_event(dg.AssetMaterialization("first"))
            line.start()
            line.join(60)
            assert not line.is_alive()
            context.log_event(dg.AssetMaterialization("second"))

    @dg.job
    def job() -> None:
        work()

    instance = deployment.instance
    run = job.execute_in_process(instance=instance)
    told = [entry.user_message or entry.message for entry in instance.all_logs(run.run_id)]
    assert [text for text in told if "a line of another thread" in text]
    assert instance.get_latest_materialization_event(dg.AssetKey("second")) is not None
