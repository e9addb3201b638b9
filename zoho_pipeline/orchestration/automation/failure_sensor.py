"""The run failure sensor: writes each failed run to the log, and posts it to a webhook when one is set."""

import json
import logging
from collections.abc import Collection
from typing import Any
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener, getproxies

import dagster as dg

from zoho_pipeline.logs import redact
from zoho_pipeline.orchestration.naming import Naming
from zoho_pipeline.setting_checks import LOOPBACK_HOSTS
from zoho_pipeline.settings import Secret, SettingsError

log = logging.getLogger(__name__)

TIMEOUT_SECONDS = 10.0
_MAX_REASON_CHARACTERS = 2_000


def require_safe_webhook(url: Secret | None) -> Secret | None:
    """The webhook URL, when it is https, or plain http on loopback. It may hold a token, so no message shows it.

    Raises:
        SettingsError: the URL is neither.
    """
    if url is None:
        return None
    parts = urlsplit(url.reveal())
    if not parts.hostname or not (
        parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS)
    ):
        raise SettingsError(
            "ZOHO_PIPELINE_FAILURE_WEBHOOK must be an https:// URL. Plain http:// is allowed only for this machine "
            "(127.0.0.1)."
        )
    return url


def build_failure_sensor(
    naming: Naming, webhook: Secret | None, assets: Collection[dg.AssetKey]
) -> dg.SensorDefinition:
    """The sensor `run_failures`. It does not report a run that Dagster will retry, nor a run of somebody else.

    Args:
        assets: the keys of our assets. Dagster shows the sensor all runs of the code location, also those of a host.
    """

    @dg.run_failure_sensor(
        name=naming.name("run_failures"),
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=30,
        description="Reports each run that failed and will not be retried: a log line, and a POST to "
        "ZOHO_PIPELINE_FAILURE_WEBHOOK if it is set.",
    )
    def run_failures(context: dg.RunFailureSensorContext) -> dg.SkipReason | None:
        run = context.dagster_run
        if not naming.owns(run, assets):
            return dg.SkipReason(f"Run {run.run_id} is not one of the pipeline.")
        if run.tags.get("dagster/will_retry") == "true":
            return dg.SkipReason(f"Dagster will retry run {run.run_id}.")
        message = failure_message(run, context.failure_event)
        context.log.error("%s", message["text"])
        log.error("%s", message["text"])
        if webhook is not None and (problem := post_message(webhook, message)):
            context.log.error("the failure webhook did not accept the message: %s", problem)
            log.error("the failure webhook did not accept the message: %s", problem)
        return None

    return run_failures


def failure_message(run: dg.DagsterRun, event: dg.DagsterEvent) -> dict[str, str]:
    """What a person on call needs: `job`, `run_id`, `reason`, and `text`, the field that chat webhooks show."""
    reason = redact(_reason(event))[:_MAX_REASON_CHARACTERS]
    text = f"{run.job_name} failed (run {run.run_id}): {reason}"
    return {"text": text, "job": run.job_name, "run_id": run.run_id, "reason": reason}


def _reason(event: dg.DagsterEvent) -> str:
    """The message of our own dg.Failure, else of the exception, else of the event."""
    data: Any = event.event_specific_data
    step_event = getattr(data, "first_step_failure_event", None)
    step_failure = getattr(step_event, "event_specific_data", None)
    user_failure = getattr(step_failure, "user_failure_data", None)
    if user_failure is not None and user_failure.description:
        return str(user_failure.description)
    error = getattr(step_failure, "error", None) or getattr(data, "error", None)
    if error is None:
        return event.message or "the reason is unknown"
    return str(error.cause.message if error.cause else error.message)


class _NoRedirects(HTTPRedirectHandler):
    """Follows no redirect: it could send the message, and the token in the URL, to another host."""

    def redirect_request(self, *_args: Any, **_options: Any) -> None:
        return None


def post_message(webhook: Secret, message: dict[str, str]) -> str | None:
    """Send the message as JSON. Returns None, or what went wrong, without the URL."""
    url = webhook.reveal()
    proxies = {} if urlsplit(url).hostname in LOOPBACK_HOSTS else getproxies()
    opener = build_opener(ProxyHandler(proxies), _NoRedirects)
    request = Request(url, json.dumps(message).encode(), {"Content-Type": "application/json"}, method="POST")  # noqa: S310
    try:
        with opener.open(request, timeout=TIMEOUT_SECONDS):
            return None
    except (URLError, OSError, ValueError) as error:
        return f"{type(error).__name__} {getattr(error, 'code', '') or getattr(error, 'reason', '')}".strip()
