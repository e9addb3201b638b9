"""The commands `push …`: Zoho's notifications of a channel."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from zoho_pipeline.cli.channels import channel_argument
from zoho_pipeline.cli.output import format_option, print_json, print_list, say
from zoho_pipeline.cli.progress import working
from zoho_pipeline.cli.session import Session

if TYPE_CHECKING:
    from zoho_pipeline.push.status import PushStatus
    from zoho_pipeline.push.subscribe import Subscriber

_SHOWN = ("channel_id", "state", "expires_at", "last_event_at", "p95_seconds", "missed", "idle", "waiting")

_ASKING = "Asking Zoho"
_LANES = {"record": "single records", "insight": "whole syncs"}


@click.group(short_help="Zoho's notifications, so that a change is read within seconds.")
def push() -> None:
    """Let Zoho tell of changes, so that a new lead is in the list within seconds.

    A notification is only a hint. The pipeline reads each record again, and the syncs find every change
    without notifications too. A worker must run (see `zoho-pipeline work`).
    """


@push.command(short_help="Subscribe a channel to notifications.")
@channel_argument
@click.option("--module", "modules", metavar="M", multiple=True, help="Only this module of Zoho. Repeat it.")
@format_option
def on(channel_id: str, modules: tuple[str, ...], output: str) -> None:
    """Subscribe a channel to the changes of its modules, and print what a workflow in Zoho may send besides.

    The grant must have the scopes of notifications (connect ID --push), and ZOHO_PIPELINE_PUBLIC_URL must be an
    https origin that Zoho reaches. The worker renews the subscription. If the channel is subscribed already, it gets
    a new subscription.

    \b
    Examples:
      zoho-pipeline push on acme
      zoho-pipeline push on acme --module Leads --module Deals
    """
    session, subscriber = _opened()
    with working(_ASKING, output == "table"):
        subscriber.turn_on(channel_id, modules)
    _print(session, channel_id, output, with_workflow=True)


@push.command(short_help="End the subscription of a channel.")
@channel_argument
@format_option
def off(channel_id: str, output: str) -> None:
    """End the subscription of a channel at Zoho, and refuse its URLs from then on.

    \b
    Example:
      zoho-pipeline push off acme
    """
    _, subscriber = _opened()
    with working(_ASKING, output == "table"):
        said = subscriber.turn_off(channel_id)
    if output == "json":
        print_json({"channel_id": channel_id, "state": "off", "was_on": said is not None, "detail": said})
    else:
        say(f"Push of {channel_id} is off: {said or 'it was off before'}.")


@push.command(short_help="The subscriptions, and what they bring.")
@click.argument("channel_id", metavar="[ID]", required=False)
@format_option
def status(channel_id: str | None, output: str) -> None:
    """Show the subscription of a channel, or those of all channels: state, expiry, speed, missed changes, credits.

    \b
    Examples:
      zoho-pipeline push status
      zoho-pipeline push status acme --format json
    """
    from zoho_pipeline.push.status import read_status
    from zoho_pipeline.service_settings import load_service_settings

    service, session = load_service_settings(), Session()
    if channel_id is not None:
        session.registry.get(channel_id)
        _print(session, channel_id, output, with_workflow=True)
        return
    found = [asdict(read_status(session.registry, service, channel)) for channel in session.registry.list()]
    print_list(found, output, "There is no channel. Connect one with: zoho-pipeline connect ID --push", _SHOWN)


@push.command(short_help="Renew the subscription of a channel now.")
@channel_argument
@format_option
def renew(channel_id: str, output: str) -> None:
    """Renew the subscription of a channel now. The worker does this when half of its life is over.

    \b
    Example:
      zoho-pipeline push renew acme
    """
    session, subscriber = _opened()
    with working(_ASKING, output == "table"):
        subscriber.renew(channel_id)
    _print(session, channel_id, output, with_workflow=False)


def _opened() -> "tuple[Session, Subscriber]":
    from zoho_pipeline.push.subscribe import Subscriber
    from zoho_pipeline.service_settings import load_service_settings

    service, session = load_service_settings(), Session()
    return session, Subscriber(session.settings, session.registry, service)


def _print(session: Session, channel_id: str, output: str, *, with_workflow: bool) -> None:
    from zoho_pipeline.push.status import read_status, workflow_fields
    from zoho_pipeline.service_settings import load_service_settings

    service = load_service_settings()
    found = read_status(session.registry, service, session.registry.get(channel_id))
    workflow = workflow_fields(session.registry, service, channel_id) if with_workflow else None
    if output == "json":
        print_json(asdict(found) | ({"workflow": workflow} if with_workflow else {}))
        return
    _say(found)
    if workflow is not None:
        _say_workflow(workflow)


def _say(found: "PushStatus") -> None:
    if found.state == "off":
        say(f"Push of {found.channel_id} is off. Switch it on with: zoho-pipeline push on {found.channel_id}")
        return
    say(f"Push of {found.channel_id}: {found.state}{f' ({found.detail})' if found.detail else ''}.")
    for event, outcome in (found.events or {}).items():
        say(f"  {event}: {outcome}")
    ends = f"{found.expires_at:%Y-%m-%d %H:%M} UTC" if found.expires_at else "unknown"
    say(f"It ends at {ends}, and the worker renews it before.")
    if found.last_event_at:
        say(f"The last notification came at {found.last_event_at:%Y-%m-%d %H:%M:%S} UTC.")
    if found.p95_seconds is not None:
        say(f"95 % of the records of the last 24 hours were loaded within {found.p95_seconds:.1f} s.")
    if found.missed is not None:
        say(f"The last whole sync found {found.missed} changes without a notification, and {found.idle} needless ones.")
    if found.waiting:
        say(f"Records that are not read yet: {found.waiting}.")
    if found.credits:
        spent = ", ".join(f"{credits:g} for {_LANES[lane]}" for lane, credits in found.credits.items())
        say(f"API credits of the last 24 hours: {spent}.")
    if found.is_hourly:
        say("The share of the day's credits is used up: whole syncs come once per hour.")


def _say_workflow(workflow: dict[str, Any]) -> None:
    say("A workflow in Zoho may send a webhook too. Paste this URL (method POST):")
    say(f"\n  {workflow['url']}\n")
    say("with these parameters of the body (the id is Zoho's merge field of the record id):")
    for name, value in workflow["fields"].items():
        say(f"  {name} = {value}")
