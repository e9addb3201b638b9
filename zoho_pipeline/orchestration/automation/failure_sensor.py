"""The run-failure hook: a line in the log, and a message to a webhook where one is set."""

import json
import logging
from typing import Any
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener, getproxies

import dagster as dg

from zoho_pipeline.logs import redact
from zoho_pipeline.orchestration.services import Rooms
from zoho_pipeline.settings import LOOPBACK_HOSTS, Secret, SettingsError

log = logging.getLogger(__name__)

TIMEOUT_SECONDS = 10.0
_LONGEST = 2_000


def checked_webhook(url: Secret | None) -> Secret | None:
    """The webhook if it is one we send to: https, or plain http on loopback. It may carry a token: never shown.

    Raises:
        SettingsError: it is neither.
    """
    if url is None:
        return None
    parts = urlsplit(url.reveal())
    if not parts.hostname or not (
        parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS)
    ):
        raise SettingsError("ZOHO_PIPELINE_FAILURE_WEBHOOK takes an https:// URL (plain http for loopback alone).")
    return url


def build_failure_hook(webhook: Secret | None) -> dg.SensorDefinition:
    """The sensor `run_failures`. A run that will be tried again is not told: only what stays failed is."""

    @dg.run_failure_sensor(
        name="run_failures",
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=30,
        description="Each run that failed for good: a log line, and a POST to ZOHO_PIPELINE_FAILURE_WEBHOOK if set.",
    )
    def run_failures(context: dg.RunFailureSensorContext, rooms: dg.ResourceParam[Rooms]) -> dg.SkipReason | None:  # noqa: ARG001
        run = context.dagster_run
        if run.tags.get("dagster/will_retry") == "true":
            return dg.SkipReason(f"Run {run.run_id} will be tried again.")
        message = describe(run, context.failure_event)
        context.log.error("%s", message["text"])
        log.error("%s", message["text"])
        if webhook is not None and (problem := post(webhook, message)):
            context.log.error("the failure webhook was not reached: %s", problem)
            log.error("the failure webhook was not reached: %s", problem)
        return None

    return run_failures


def describe(run: dg.DagsterRun, event: dg.DagsterEvent) -> dict[str, str]:
    """What a person on call needs: which job, which run, why. `text` is what chat webhooks show."""
    why = redact(_reason(event))[:_LONGEST]
    text = f"{run.job_name} failed (run {run.run_id}): {why}"
    return {"text": text, "job": run.job_name, "run_id": run.run_id, "reason": why}


def _reason(event: dg.DagsterEvent) -> str:
    data: Any = event.event_specific_data
    step = getattr(data, "first_step_failure_event", None)
    failed = getattr(step, "event_specific_data", None)
    user = getattr(failed, "user_failure_data", None)
    if user is not None and user.description:
        return str(user.description)
    error = getattr(failed, "error", None) or getattr(data, "error", None)
    if error is None:
        return event.message or "no reason is known"
    return str(error.cause.message if error.cause else error.message)


class _NoRedirects(HTTPRedirectHandler):
    """A redirect could carry the message, and the URL's token, to another host."""

    def redirect_request(self, *_args: Any, **_options: Any) -> None:
        return None


def post(webhook: Secret, message: dict[str, str]) -> str | None:
    """Send the message as JSON; None, or what went wrong (the URL is not in it)."""
    url = webhook.reveal()
    proxies = {} if urlsplit(url).hostname in LOOPBACK_HOSTS else getproxies()
    opener = build_opener(ProxyHandler(proxies), _NoRedirects)
    request = Request(url, json.dumps(message).encode(), {"Content-Type": "application/json"}, method="POST")  # noqa: S310
    try:
        with opener.open(request, timeout=TIMEOUT_SECONDS):
            return None
    except (URLError, OSError, ValueError) as error:
        return f"{type(error).__name__} {getattr(error, 'code', '') or getattr(error, 'reason', '')}".strip()
