"""`connect`: the browser's consent, then the first sync."""

import click

from zoho_pipeline.cli.channels import describe
from zoho_pipeline.cli.data import fail_if_any, print_reports, run_sync
from zoho_pipeline.cli.output import say
from zoho_pipeline.cli.session import Session


@click.command(short_help="Connect a Zoho CRM org in the browser, then sync.")
@click.argument("channel_id", metavar="ID")
@click.option(
    "--data-center", metavar="DC", help="Where to begin; Zoho sends you on to your home centre (not from cn)."
)
@click.option("--tenant", metavar="T", help="Whose channel it is; a name of your own.")
@click.option("--timezone", metavar="Z", help="IANA name; wins over the org's own zone.")
@click.option("--minimal-scopes", is_flag=True, help="Ask for modules and users alone: fewer rights, dearer reads.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8414, show_default=True, help="Of the callback on loopback."
)
@click.option("--no-browser", is_flag=True, help="Only print the URL.")
@click.option("--no-sync", is_flag=True, help="Leave the first sync for later.")
def connect(
    channel_id: str,
    data_center: str | None,
    tenant: str | None,
    timezone: str | None,
    minimal_scopes: bool,
    port: int,
    no_browser: bool,
    no_sync: bool,
) -> None:
    """Connect a Zoho CRM org: opens Zoho's consent page, receives the callback, verifies, syncs.

    The redirect URI http://localhost:8414/callback must be registered for your client in Zoho's API
    console. A known ID is connected anew; its rows and settings stay.

    \b
    Examples:
      zoho-pipeline connect acme
      zoho-pipeline connect acme --data-center in --no-browser
    """
    import webbrowser

    from zoho_pipeline.channels.consent.connect import connect as consent
    from zoho_pipeline.zoho.accounts.scopes import DEFAULT_SCOPES, MINIMAL_SCOPES

    session = Session()
    channel = consent(
        session.registry,
        channel_id,
        data_center=data_center,
        scopes=MINIMAL_SCOPES if minimal_scopes else DEFAULT_SCOPES,
        tenant=tenant,
        timezone=timezone,
        port=port,
        announce=lambda url: say(f"Open this page to connect {channel_id}:\n\n  {url}\n"),
        open_browser=(lambda _: False) if no_browser else webbrowser.open,
    )
    say(f"Connected: {describe(channel)}.")
    if not no_sync:
        report = run_sync(session, channel.id)
        print_reports([report], "table")
        fail_if_any([], [report])
    say(f"Next: zoho-pipeline transform && zoho-pipeline insight {channel.id}")
