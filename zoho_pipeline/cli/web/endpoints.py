"""The commands `web endpoints …`: where events of channels are sent."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from zoho_pipeline.cli.output import format_option, print_json, print_list, say
from zoho_pipeline.cli.session import Session
from zoho_pipeline.service_settings import load_service_settings
from zoho_pipeline.settings import PipelineError

if TYPE_CHECKING:
    from zoho_pipeline.channels.platform.webhook_endpoints import Endpoint

_SHOWN = ("id", "url", "tenant", "events", "state", "waiting", "dead", "last_problem")

endpoint_argument = click.argument("endpoint_id", metavar="ID")


@click.group(short_help="Where events of channels are sent.")
def endpoints() -> None:
    """Add, test and remove the URLs to which events are sent, signed by Standard Webhooks."""


@endpoints.command(short_help="Add a URL, and print its secret once.")
@click.argument("url", metavar="URL")
@click.option("--tenant", metavar="T", help="Send the events of this tenant's channels.")
@click.option("--all-tenants", is_flag=True, help="Send the events of all channels.")
@click.option(
    "--event", "events", metavar="E", multiple=True, help="Send only this type, such as sync.finished. Repeat it."
)
@format_option
def add(url: str, tenant: str | None, all_tenants: bool, events: tuple[str, ...], output: str) -> None:
    """Add an endpoint: an https URL that receives events. The command prints its secret (whsec_…) once.

    Plain http is accepted for this machine only, where ZOHO_PIPELINE_PUBLIC_URL is on this machine too. A
    worker sends the events (see `zoho-pipeline work`).

    \b
    Examples:
      zoho-pipeline web endpoints add https://platform.example/zoho --tenant acme-inc
      zoho-pipeline web endpoints add https://platform.example/zoho --all-tenants --event connection.broken
    """
    from zoho_pipeline.channels.platform.audit import Audit
    from zoho_pipeline.channels.platform.webhook_endpoints import Endpoints

    if (tenant is None) != all_tenants:
        raise click.UsageError("give exactly one of --tenant and --all-tenants.")
    service, session = load_service_settings(), Session()
    found, secret = Endpoints(session.registry).add(
        url, tenant=tenant, events=events or None, loopback=service.is_loopback
    )
    Audit(session.registry.database).record("operator", "endpoint.added", tenant=tenant, detail=found.id)
    if output == "json":
        print_json(_as_dict(found) | {"secret": secret.reveal()})
        return
    say(f"Endpoint {found.id} gets the events of {found.tenant or 'all tenants'}: {_events(found)}.")
    say(f"Its secret, which is shown only now:\n\n  {secret.reveal()}\n")
    say(f"Next: zoho-pipeline web endpoints test {found.id}")


@endpoints.command("list", short_help="The endpoints, and how their deliveries go.")
@format_option
def list_endpoints(output: str) -> None:
    """List the endpoints with their state: active, failing since when, or disabled and why.

    \b
    Examples:
      zoho-pipeline web endpoints list
      zoho-pipeline web endpoints list --format json
    """
    from zoho_pipeline.channels.platform.webhook_endpoints import Endpoints

    found = [_as_dict(endpoint) for endpoint in Endpoints(Session().registry).list()]
    none = "There is no endpoint. Add one with: zoho-pipeline web endpoints add URL --tenant T"
    print_list(found, output, none, _SHOWN)


@endpoints.command(short_help="Send a test event now.")
@endpoint_argument
@format_option
def test(endpoint_id: str, output: str) -> None:
    """Send one signed event of type `endpoint.test` now, and print what the endpoint answered.

    \b
    Example:
      zoho-pipeline web endpoints test ep_0a1b2c3d4e5f
    """
    from zoho_pipeline.channels.platform.audit import Audit
    from zoho_pipeline.channels.platform.webhook_endpoints import Endpoints
    from zoho_pipeline.cli.progress import working
    from zoho_pipeline.worker.sender import send_test

    service, session = load_service_settings(), Session()
    stored = Endpoints(session.registry)
    endpoint = stored.get(endpoint_id)
    with working("Waiting for the endpoint", output == "table"):
        result = send_test(service, endpoint, stored.secret(endpoint_id))
    Audit(session.registry.database).record(
        "operator", "endpoint.tested", tenant=endpoint.tenant, detail=f"{endpoint_id}: {result.detail}"
    )
    if output == "json":
        print_json({"id": endpoint_id, "delivered": result.delivered, "detail": result.detail})
    elif result.delivered:
        say(f"Endpoint {endpoint_id} took the test event: {result.detail}.")
    if not result.delivered:
        raise PipelineError(
            f"endpoint {endpoint_id} did not take the test event: {result.detail}. It must answer with a status from "
            "200 to 299 within 10 seconds."
        )


@endpoints.command(short_help="Remove an endpoint.")
@endpoint_argument
@format_option
def remove(endpoint_id: str, output: str) -> None:
    """Remove an endpoint. Events that wait for it are not sent.

    \b
    Example:
      zoho-pipeline web endpoints remove ep_0a1b2c3d4e5f
    """
    from zoho_pipeline.channels.platform.audit import Audit
    from zoho_pipeline.channels.platform.webhook_endpoints import Endpoints

    registry = Session().registry
    stored = Endpoints(registry)
    endpoint = stored.get(endpoint_id)
    stored.remove(endpoint_id)
    Audit(registry.database).record("operator", "endpoint.removed", tenant=endpoint.tenant, detail=endpoint_id)
    if output == "json":
        print_json({"id": endpoint_id, "removed": True})
    else:
        say(f"Endpoint {endpoint_id} is removed.")


def _as_dict(endpoint: "Endpoint") -> dict[str, Any]:
    return asdict(endpoint) | {"state": _state(endpoint)}


def _state(endpoint: "Endpoint") -> str:
    if endpoint.disabled_at:
        return f"disabled: {endpoint.disabled_reason}"
    if endpoint.failing_since:
        return f"failing since {endpoint.failing_since:%Y-%m-%d %H:%M} UTC"
    return "active"


def _events(endpoint: "Endpoint") -> str:
    return ", ".join(endpoint.events) if endpoint.events else "all types"
