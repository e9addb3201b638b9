"""The command `connect`: the consent in the browser, then the first sync."""

import click

from zoho_pipeline.cli.channel_views import describe, print_notes
from zoho_pipeline.cli.channels import again_option
from zoho_pipeline.cli.data import fail_if_any, print_reports, run_sync
from zoho_pipeline.cli.output import say
from zoho_pipeline.cli.session import Session


@click.command(short_help="Connect a Zoho CRM org in the browser, then sync it.")
@click.argument("channel_id", metavar="ID")
@click.option(
    "--data-center",
    metavar="DC",
    help="The data center where the login starts. Zoho then forwards you to the one of your account, except from cn.",
)
@click.option("--tenant", metavar="T", help="The customer that the channel belongs to. Any text.")
@click.option("--timezone", metavar="Z", help="IANA name of a time zone. It replaces the zone of the org.")
@click.option(
    "--minimal-scopes",
    is_flag=True,
    help="Request only the scopes for modules and users. Syncs then cost more credits.",
)
@click.option("--push", "with_push", is_flag=True, help="Request the scopes of notifications too (see `push on`).")
@click.option("--write-back", is_flag=True, help="Request the scope that updates leads too.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8414,
    show_default=True,
    help="The port of the redirect URI on this machine.",
)
@click.option("--no-browser", is_flag=True, help="Print the URL and do not open a browser.")
@click.option("--no-sync", is_flag=True, help="Do not run the first sync.")
@again_option
def connect(
    channel_id: str,
    data_center: str | None,
    tenant: str | None,
    timezone: str | None,
    minimal_scopes: bool,
    with_push: bool,
    write_back: bool,
    port: int,
    no_browser: bool,
    no_sync: bool,
    again: bool,
) -> None:
    """Connect a Zoho CRM org: log in to Zoho in the browser, accept the scopes, then run the first sync.

    Before the first connection, register the redirect URI http://localhost:8414/callback for your client
    in Zoho's API console. If the ID is known, the channel is connected again. It keeps its rows and
    settings.

    \b
    Examples:
      zoho-pipeline connect acme
      zoho-pipeline connect acme --data-center in --no-browser
      zoho-pipeline connect acme --push --write-back
    """
    import webbrowser

    from zoho_pipeline.channels.consent.connect import connect as consent
    from zoho_pipeline.zoho.accounts.scopes import (
        DEFAULT_SCOPES,
        MINIMAL_SCOPES,
        NOTIFICATION_SCOPES,
        WRITE_BACK_SCOPES,
        all_covered,
    )

    session = Session()
    known = next((c for c in session.registry.list() if c.id == channel_id), None)
    granted = (known.scopes or ()) if known else ()
    scopes = MINIMAL_SCOPES if minimal_scopes else DEFAULT_SCOPES
    # a new grant replaces the old one, so what the channel may do already is requested again
    scopes += NOTIFICATION_SCOPES if with_push or all_covered(granted, NOTIFICATION_SCOPES) else ()
    scopes += WRITE_BACK_SCOPES if write_back or all_covered(granted, WRITE_BACK_SCOPES) else ()
    channel = consent(
        session.registry,
        channel_id,
        data_center=data_center,
        scopes=scopes,
        tenant=tenant,
        timezone=timezone,
        port=port,
        again=again,
        announce=lambda url: say(f"To connect {channel_id}, open this page:\n\n  {url}\n"),
        open_browser=(lambda _: False) if no_browser else webbrowser.open,
    )
    say(f"Connected: {describe(channel)}.")
    print_notes(channel)
    if not no_sync:
        report = run_sync(session, channel.id)
        print_reports([report], "table")
        fail_if_any([], [report])
    say(f"Next: zoho-pipeline transform && zoho-pipeline insight {channel.id}")
