"""The commands `channels …`: register, show, check, configure and remove channels."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoho_pipeline.cli.channel_views import (
    channel_dict,
    describe,
    print_channel,
    print_channels,
    print_notes,
    print_shared_orgs,
)
from zoho_pipeline.cli.output import format_option, print_json, say
from zoho_pipeline.cli.progress import working
from zoho_pipeline.cli.session import Session, read_secret
from zoho_pipeline.settings import UsageError

if TYPE_CHECKING:
    from zoho_pipeline.channels.registry.model import Channel
    from zoho_pipeline.channels.registry.registry import Registry

channel_argument = click.argument("channel_id", metavar="ID")
again_option = click.option(
    "--again",
    is_flag=True,
    help="Register this channel although another channel has the same org. Sums over both channels then count every "
    "record twice.",
)


@click.group()
def channels() -> None:
    """Register, show and configure channels. A channel is one connected Zoho CRM org."""


@channels.command(short_help="Register a channel with a token that you have.")
@channel_argument
@click.option(
    "--data-center",
    metavar="DC",
    required=True,
    help="The Zoho data center of the org: us, eu, in, au, jp, cn, ca, sa, uk, ae or sg.",
)
@click.option(
    "--refresh-token-file",
    metavar="FILE",
    help="A file that contains only the refresh token. Use - for standard input.",
)
@click.option(
    "--grant-code-file",
    metavar="FILE",
    help="Instead of a refresh token: a file that contains only the grant code of a self client. Zoho accepts the "
    "code for a few minutes. Use - for standard input.",
)
@click.option("--tenant", metavar="T", help="The customer that the channel belongs to. Any text.")
@click.option("--timezone", metavar="Z", help="IANA name of a time zone. It replaces the zone of the org.")
@again_option
@format_option
def add(
    channel_id: str,
    data_center: str,
    refresh_token_file: str | None,
    grant_code_file: str | None,
    tenant: str | None,
    timezone: str | None,
    again: bool,
    output: str,
) -> None:
    """Register a channel with a refresh token or a grant code, and verify it at Zoho.

    If the ID is known, the channel is connected again. It keeps its rows and settings.

    \b
    Examples:
      zoho-pipeline channels add acme --data-center in --refresh-token-file token.txt
      zoho-pipeline channels add acme --data-center in --refresh-token-file - < token.txt
      zoho-pipeline channels add acme --data-center in --grant-code-file code.txt
    """
    from zoho_pipeline.channels.consent import register

    if (refresh_token_file is None) == (grant_code_file is None):
        raise click.UsageError("give exactly one of --refresh-token-file and --grant-code-file.")
    session = Session()
    secret = read_secret(refresh_token_file or grant_code_file or "")
    of_file = register.register_from_refresh_token if refresh_token_file else register.register_from_grant_code
    options: dict[str, Any] = {"data_center": data_center, "tenant": tenant, "timezone": timezone, "again": again}
    with working("Asking Zoho", output == "table"):
        channel = of_file(session.registry, channel_id, secret, **options)
    _print_one(channel, output, f"Channel {channel.id} is registered: {describe(channel)}.")


@channels.command("list", short_help="List all channels and their last complete sync.")
@format_option
def list_(output: str) -> None:
    """List all channels with status, org, last complete sync and credits.

    \b
    Example:
      zoho-pipeline channels list --format json
    """
    found = Session().registry.list()
    if output == "json":
        print_json([channel_dict(channel) for channel in found])
    elif found:
        print_channels(found)
        print_shared_orgs(found)
    else:
        say("No channel is registered. Connect one with: zoho-pipeline connect ID")


@channels.command(short_help="Show everything about one channel.")
@channel_argument
@format_option
def show(channel_id: str, output: str) -> None:
    """Show everything about one channel: connection, scopes, settings, last sync per module, credits.

    \b
    Example:
      zoho-pipeline channels show acme
    """
    channel = Session().registry.get(channel_id)
    print_json(channel_dict(channel)) if output == "json" else print_channel(channel)


@channels.command(short_help="Check at Zoho whether the connection works.")
@channel_argument
@format_option
def verify(channel_id: str, output: str) -> None:
    """Check at Zoho whether the connection works, and store the org, the time zone and the scopes.

    \b
    Example:
      zoho-pipeline channels verify acme
    """
    from zoho_pipeline.channels.access.verify import verify as verify_at_zoho

    with working("Asking Zoho", output == "table"):
        channel = verify_at_zoho(Session().registry, channel_id)
    _print_one(channel, output, f"Channel {channel.id} works: {describe(channel)}.")


@channels.command(short_help="Exclude a channel from every sync.")
@channel_argument
@format_option
def pause(channel_id: str, output: str) -> None:
    """Exclude a channel from every sync, until you resume it.

    \b
    Example:
      zoho-pipeline channels pause acme
    """
    registry = Session().registry
    registry.pause(channel_id)
    _print_one(registry.get(channel_id), output, f"Channel {channel_id} is paused.")


@channels.command(short_help="Include a paused channel in the syncs again.")
@channel_argument
@format_option
def resume(channel_id: str, output: str) -> None:
    """Include a paused channel in the syncs again.

    \b
    Example:
      zoho-pipeline channels resume acme
    """
    registry = Session().registry
    registry.resume(channel_id)
    _print_one(registry.get(channel_id), output, f"Channel {channel_id} is active.")


@channels.command(short_help="Revoke the token and remove the channel.")
@channel_argument
@click.option("--purge", is_flag=True, help="Also delete the rows of the channel from the warehouse.")
@format_option
def remove(channel_id: str, purge: bool, output: str) -> None:
    """Revoke the token of a channel at Zoho, and remove the channel from the registry.

    The rows of the channel stay in the warehouse, except with --purge. A purge writes the files of DuckDB
    anew, so that no byte of the rows is left in HOME. It needs free disk space of the size of the warehouse.

    \b
    Examples:
      zoho-pipeline channels remove acme
      zoho-pipeline channels remove acme --purge
    """
    session = Session()
    shown = output == "table"
    with working("Revoking the token at Zoho", shown):
        detail, revoked = _remove(session, channel_id, ignore_unknown=purge)
    deleted = _purge(session, channel_id, shown) if purge else None
    if output == "json":
        print_json({"channel_id": channel_id, "revoked": revoked, "detail": detail, "deleted_rows": deleted})
        return
    rows = "Its rows stay in the warehouse." if deleted is None else f"{deleted} rows were deleted."
    say(f"Channel {channel_id} is removed: {detail}. {rows}")


def _remove(session: Session, channel_id: str, ignore_unknown: bool) -> tuple[str, bool]:
    """Revoke the token and remove the channel. Returns what happened, and whether Zoho revoked the token.

    `ignore_unknown`: a channel that was removed before may still have rows to delete, so it is no error.
    """
    from zoho_pipeline.channels.consent.remove import remove as remove_channel
    from zoho_pipeline.channels.database.locks import channel_lock
    from zoho_pipeline.channels.errors import UnknownChannel
    from zoho_pipeline.push.subscribe import end_for_removal
    from zoho_pipeline.service_settings import load_service_settings

    service = load_service_settings()
    try:
        with channel_lock(session.settings, channel_id):  # a channel that is in use keeps its subscription too
            end_for_removal(session.settings, session.registry, service, channel_id)
            done = remove_channel(session.registry, channel_id)
    except UnknownChannel:
        if not ignore_unknown:
            raise
        return "it was removed before", False
    return done.detail, done.revoked


def _purge(session: Session, channel_id: str, shown: bool) -> int:
    """Delete everything of a channel, bring the marts up to date, and return the number of deleted raw rows."""
    from zoho_pipeline.channels.platform.purges import Purges
    from zoho_pipeline.cli.marts import run_transform
    from zoho_pipeline.ingest.load.purge import purge_alone
    from zoho_pipeline.reading.published import connect as connect_published
    from zoho_pipeline.transform.errors import NotPublished

    with working("Deleting the rows", shown):
        deleted = purge_alone(session.settings, session.warehouse, channel_id)
        session.registry.database.erase_deleted()
    Purges(session.registry.database).done(channel_id)
    try:
        with connect_published(session.warehouse):
            pass
    except NotPublished:
        return deleted
    run_transform(session, show=shown)
    return deleted


@channels.command("set", short_help="Set time zone, field map, sources, hours, parameters, modules.")
@channel_argument
@click.option("--timezone", metavar="Z", help="IANA name of a time zone, for example Asia/Kolkata.")
@click.option(
    "--currency",
    metavar="ISO",
    help="The home currency, for example INR. Needed when the scopes do not include the org.",
)
@click.option("--tenant", metavar="T", help="The customer that the channel belongs to. Any text.")
@click.option(
    "--field-map", metavar="FILE", type=click.Path(path_type=Path), help="JSON file: which field contains what."
)
@click.option(
    "--lead-source-map",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="CSV file with the columns raw_value and lead_source.",
)
@click.option(
    "--business-hours",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="JSON file in the format of Zoho's business hours API.",
)
@click.option(
    "--param",
    "parameters",
    metavar="NAME=VALUE",
    multiple=True,
    help="A parameter of the models. You can repeat this option.",
)
@click.option(
    "--module",
    "modules",
    metavar="NAME",
    multiple=True,
    help="Also read this module of Zoho, by its API name. With :subforms after the name, its subforms and multi-select "
    "lookups too, for one credit per changed record. You can repeat this option.",
)
@click.option("--without-module", metavar="NAME", multiple=True, help="Do not read this chosen module any more.")
@format_option
def set_(channel_id: str, output: str, **given: Any) -> None:
    """Set what the reports of a channel need and Zoho does not provide, and which other modules it reads.

    The field map is a JSON object. Its values are Zoho's API names of lead fields. Its keys are any of
    utm_source, utm_medium, utm_campaign, utm_content, utm_term, utm_id, activity_id, landing_url,
    referrer, first_visited_url, first_visited_time, gclid, gbraid, wbraid, msclkid, fbclid, li_fat_id,
    ttclid. Fields without a key are found by their name. A field that Zoho does not have is refused.

    A module that you add with --module is read by each sync into zoho_raw.module_records. After
    --without-module, the next sync deletes its rows there.

    \b
    Examples:
      zoho-pipeline channels set acme --timezone Asia/Kolkata --param topic_min_leads=1
      zoho-pipeline channels set acme --field-map fields.json --lead-source-map sources.csv
      zoho-pipeline channels set acme --module Products --module Webinars:subforms
    """
    from zoho_pipeline.channels.settings.set_settings import set_settings

    wanted = {name: value for name, value in given.items() if value not in (None, ())}
    if not wanted:
        raise UsageError("no setting was given. For the settings, see zoho-pipeline channels set --help")
    registry = Session().registry
    notes = _choose_modules(registry, channel_id, wanted)
    notes += _check_field_map(registry, channel_id, wanted.get("field_map"))
    channel = set_settings(registry, channel_id, **wanted)
    for note in notes:
        say(f"note: {note}", err=True)
    _print_one(channel, output, f"The settings of channel {channel_id} are stored. The next transform uses them.")


def _choose_modules(registry: "Registry", channel_id: str, wanted: dict[str, Any]) -> list[str]:
    """Replace the options about modules by the chosen modules. Returns what a person should know of them."""
    from zoho_pipeline.channels.access.org_modules import check_modules
    from zoho_pipeline.ingest.catalog.module_choice import chosen

    given, without = wanted.pop("modules", ()), wanted.pop("without_module", ())
    if not given and not without:
        return []
    channel = registry.get(channel_id)
    choose = wanted["choose_modules"] = partial(chosen, given=given, without=without)
    added = choose(channel.chosen_modules).keys() - channel.chosen_modules.keys()
    return check_modules(registry, channel, sorted(added))


def _check_field_map(registry: "Registry", channel_id: str, field_map: Path | None) -> list[str]:
    """Refuse a field that Zoho does not have. Returns why the fields could not be compared, if so."""
    from zoho_pipeline.channels.access.lead_fields import check_lead_fields
    from zoho_pipeline.channels.settings.setting_files import read_field_map

    if field_map is None:
        return []
    unchecked = check_lead_fields(registry, registry.get(channel_id), read_field_map(field_map))
    return [f"the fields were not compared with those of Zoho: {unchecked}"] if unchecked else []


def _print_one(channel: "Channel", output: str, sentence: str) -> None:
    if output == "json":
        print_json(channel_dict(channel))
        return
    say(sentence)
    print_notes(channel)
