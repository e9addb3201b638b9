"""`channels …`: who is connected, how they stand, and what is set for each."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoho_pipeline.cli.channel_views import channel_dict, print_channel, print_channels
from zoho_pipeline.cli.output import format_option, print_json, say
from zoho_pipeline.cli.session import Session
from zoho_pipeline.settings import Secret, UsageError

if TYPE_CHECKING:
    from zoho_pipeline.channels.registry.model import Channel

channel_argument = click.argument("channel_id", metavar="ID")


@click.group()
def channels() -> None:
    """Register, look at and set up channels: connected Zoho CRM orgs."""


@channels.command(short_help="Register a channel from a token at hand.")
@channel_argument
@click.option("--data-center", metavar="DC", required=True, help="us, eu, in, au, jp, cn, ca, sa, uk, ae, sg.")
@click.option("--refresh-token-file", metavar="FILE", help="A file that holds the refresh token; - reads stdin.")
@click.option(
    "--grant-code-file", metavar="FILE", help="Instead: a self client's grant code, minutes old; - reads stdin."
)
@click.option("--tenant", metavar="T", help="Whose channel it is; a name of your own.")
@click.option("--timezone", metavar="Z", help="IANA name; wins over the org's own zone.")
@format_option
def add(
    channel_id: str,
    data_center: str,
    refresh_token_file: str | None,
    grant_code_file: str | None,
    tenant: str | None,
    timezone: str | None,
    output: str,
) -> None:
    """Register a channel from a refresh token at hand, and verify it; a known ID is connected anew.

    \b
    Examples:
      zoho-pipeline channels add acme --data-center in --refresh-token-file token.txt
      pass show zoho/acme | zoho-pipeline channels add acme --data-center eu --refresh-token-file -
      zoho-pipeline channels add acme --data-center us --grant-code-file code.txt
    """
    from zoho_pipeline.channels.consent import register

    if (refresh_token_file is None) == (grant_code_file is None):
        raise click.UsageError("give either --refresh-token-file or --grant-code-file.")
    session = Session()
    secret = read_secret(refresh_token_file or grant_code_file or "")
    if refresh_token_file:
        channel = register.register_from_refresh_token(
            session.registry, channel_id, secret, data_center=data_center, tenant=tenant, timezone=timezone
        )
    else:
        channel = register.register_from_grant_code(
            session.registry, channel_id, secret, data_center=data_center, tenant=tenant, timezone=timezone
        )
    _print_one(channel, output, f"Channel {channel.id} is registered: {describe(channel)}.")


@channels.command("list")
@format_option
def list_(output: str) -> None:
    """All channels: status, org, last complete sync, credits.

    \b
    Example:
      zoho-pipeline channels list --format json
    """
    found = Session().registry.list()
    if output == "json":
        print_json([channel_dict(channel) for channel in found])
    elif found:
        print_channels(found)
    else:
        say("No channel yet. Connect one: zoho-pipeline connect ID")


@channels.command(short_help="Everything about one channel.")
@channel_argument
@format_option
def show(channel_id: str, output: str) -> None:
    """Everything about one channel: connection, scopes, settings, last sync per module, credits used.

    \b
    Example:
      zoho-pipeline channels show acme
    """
    channel = Session().registry.get(channel_id)
    print_json(channel_dict(channel)) if output == "json" else print_channel(channel)


@channels.command(short_help="Ask Zoho whether the connection works.")
@channel_argument
@format_option
def verify(channel_id: str, output: str) -> None:
    """Ask Zoho whether the connection works, and store what it says (org, zone, scopes).

    \b
    Example:
      zoho-pipeline channels verify acme
    """
    from zoho_pipeline.channels.access.verify import verify as ask

    channel = ask(Session().registry, channel_id)
    _print_one(channel, output, f"Channel {channel.id} works: {describe(channel)}.")


@channels.command(short_help="Leave a channel out of every sync.")
@channel_argument
@format_option
def pause(channel_id: str, output: str) -> None:
    """Leave a channel out of every sync until it is resumed.

    \b
    Example:
      zoho-pipeline channels pause acme
    """
    registry = Session().registry
    registry.pause(channel_id)
    _print_one(registry.get(channel_id), output, f"Channel {channel_id} is paused.")


@channels.command()
@channel_argument
@format_option
def resume(channel_id: str, output: str) -> None:
    """Take a paused channel into the syncs again.

    \b
    Example:
      zoho-pipeline channels resume acme
    """
    registry = Session().registry
    registry.resume(channel_id)
    _print_one(registry.get(channel_id), output, f"Channel {channel_id} is active.")


@channels.command(short_help="Revoke the token and forget the channel.")
@channel_argument
@click.option("--purge", is_flag=True, help="Delete the channel's rows in the warehouse too.")
@format_option
def remove(channel_id: str, purge: bool, output: str) -> None:
    """Revoke the channel's token at Zoho and forget the channel; rows stay unless --purge.

    \b
    Examples:
      zoho-pipeline channels remove acme
      zoho-pipeline channels remove acme --purge
    """
    session = Session()
    detail, revoked = _forget(session, channel_id, also_unknown=purge)
    deleted = _purge(session, channel_id) if purge else None
    if output == "json":
        print_json({"channel_id": channel_id, "revoked": revoked, "detail": detail, "deleted_rows": deleted})
        return
    rows = "its rows stay in the warehouse" if deleted is None else f"{deleted} of its rows were deleted"
    say(f"Channel {channel_id} is removed; {detail}; {rows}.")


def _forget(session: Session, channel_id: str, also_unknown: bool) -> tuple[str, bool]:
    """Revoke and forget; a channel that is forgotten already may still have rows to purge."""
    from zoho_pipeline.channels.consent.remove import remove as forget
    from zoho_pipeline.channels.errors import UnknownChannel

    try:
        done = forget(session.registry, channel_id)
    except UnknownChannel:
        if not also_unknown:
            raise
        return "it had been removed before", False
    return done.detail, done.revoked


def _purge(session: Session, channel_id: str) -> int:
    """Delete a channel's raw rows, and take it out of the published marts."""
    from zoho_pipeline.cli.marts import run_transform
    from zoho_pipeline.ingest.load.purge import purge_alone
    from zoho_pipeline.reading.published import connect as published
    from zoho_pipeline.transform.errors import NotPublished

    deleted = purge_alone(session.settings, session.warehouse, channel_id)
    try:
        with published(session.warehouse):
            pass
    except NotPublished:
        return deleted
    run_transform(session)
    return deleted


@channels.command("set", short_help="Set zone, field map, sources, hours, parameters.")
@channel_argument
@click.option("--timezone", metavar="Z", help="IANA name, such as Asia/Kolkata.")
@click.option("--currency", metavar="ISO", help="The home currency, where the scopes do not show the org: INR.")
@click.option("--tenant", metavar="T", help="Whose channel it is.")
@click.option("--field-map", metavar="FILE", type=click.Path(path_type=Path), help="JSON: which field holds what.")
@click.option("--lead-source-map", metavar="FILE", type=click.Path(path_type=Path), help="CSV: raw_value,lead_source.")
@click.option(
    "--business-hours", metavar="FILE", type=click.Path(path_type=Path), help="JSON in the shape of Zoho's answer."
)
@click.option(
    "--param", "parameters", metavar="NAME=VALUE", multiple=True, help="A parameter of the models; may be repeated."
)
@format_option
def set_(channel_id: str, output: str, **given: Any) -> None:
    """Set what a channel's reports need and Zoho does not tell.

    The field map is a JSON object with keys out of utm_source, utm_medium, utm_campaign, utm_content,
    utm_term, utm_id, activity_id, landing_url, referrer, first_visited_url, first_visited_time, gclid, and
    API names as values; it wins over what is found by name.

    \b
    Examples:
      zoho-pipeline channels set acme --timezone Asia/Kolkata --param topic_min_leads=1
      zoho-pipeline channels set acme --field-map fields.json --lead-source-map sources.csv
    """
    from zoho_pipeline.channels.settings.set_settings import set_settings

    wanted = {name: value for name, value in given.items() if value not in (None, ())}
    if not wanted:
        raise UsageError("nothing to set. See zoho-pipeline channels set --help")
    channel = set_settings(Session().registry, channel_id, **wanted)
    _print_one(channel, output, f"Channel {channel_id} is set; the next transform uses it.")


def describe(channel: "Channel") -> str:
    """Org, user, zone and currency in one phrase; says where a token sees less than an administrator's."""
    org = channel.org_name or channel.org_id or "an org the scopes do not show"
    limited = ", not an administrator: it sees only what its role shows" if channel.is_admin is False else ""
    currency = channel.currency or "currency unknown"
    return f"{org}, as {channel.user_name or channel.user_id}{limited}, {channel.timezone}, {currency}"


def read_secret(file: str) -> Secret:
    """The one secret a file (or `-`, standard input) holds, blanks around it cut off."""
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        raise UsageError(f"cannot read {file}: {reason}. It should hold the token alone.") from error
    secret = text.strip()
    if not secret or len(secret.split()) != 1:
        where = "standard input" if file == "-" else file
        raise UsageError(f"{where} should hold one token and nothing else; it holds {len(secret.split())} words.")
    return Secret(secret)


def _print_one(channel: "Channel", output: str, sentence: str) -> None:
    if output == "json":
        print_json(channel_dict(channel))
        return
    say(sentence)
    for problem in channel.problems:
        say(f"note: {problem}", err=True)
