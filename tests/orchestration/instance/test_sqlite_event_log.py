"""The event log keeps a few connections open and loses no event."""

import dagster as dg

from tests.orchestration.conftest import Deployment
from zoho_pipeline.orchestration.instance.sqlite_event_log import MAX_OPEN_DATABASES, EmbeddedEventLog


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
