"""The run failure sensor and its webhook."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import dagster as dg
import pytest

from tests.orchestration.conftest import Deployment
from zoho_pipeline.orchestration import build
from zoho_pipeline.orchestration.automation.failure_sensor import post_message
from zoho_pipeline.settings import Secret, SettingsError, load_settings


@contextmanager
def webhook() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A webhook on loopback: its URL, and the messages that it received."""
    received: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook/s3cret", received
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def evaluate(deployment: Deployment, defs: dg.Definitions, run: dg.DagsterRun, event: dg.DagsterEvent) -> None:
    context = dg.build_run_status_sensor_context(
        sensor_name="run_failures",
        dagster_event=event,
        dagster_instance=deployment.instance,
        dagster_run=run,
        resources=deployment.services,
    ).for_run_failure()
    defs.resolve_sensor_def("run_failures")(context)


def test_a_failed_run_is_posted_once_and_not_when_dagster_will_retry_it(deployment: Deployment) -> None:
    org = deployment.orgs["acme"]
    org.deactivate_user(org.admin)
    result = deployment.sync("acme")
    event = next(e for e in result.all_events if e.event_type == dg.DagsterEventType.RUN_FAILURE)
    run = deployment.instance.get_run_by_id(result.run_id)
    assert run is not None
    with webhook() as (url, received):
        defs = build(replace(deployment.settings, failure_webhook=Secret(url)))
        evaluate(deployment, defs, run, event)
        assert len(received) == 1
        assert received[0]["job"] == "sync_channels"
        assert received[0]["run_id"] == run.run_id
        assert "acme" in received[0]["text"]
        evaluate(deployment, defs, run.with_tags({**run.tags, "dagster/will_retry": "true"}), event)
        assert len(received) == 1, "a run that Dagster will retry is not reported"


def test_a_webhook_that_does_not_answer_is_reported_without_its_url() -> None:
    problem = post_message(Secret("http://127.0.0.1:9/hook/s3cret"), {"text": "x"})
    assert problem is not None
    assert "s3cret" not in problem


@pytest.mark.parametrize("url", ["http://example.com/hook", "ftp://127.0.0.1/x", "nonsense"])
def test_a_webhook_must_be_https_or_on_loopback(settings_env: Callable[..., dict[str, str]], url: str) -> None:
    with pytest.raises(SettingsError, match="FAILURE_WEBHOOK") as error:
        build(replace(load_settings(settings_env()), failure_webhook=Secret(url)))
    assert url not in str(error.value)
