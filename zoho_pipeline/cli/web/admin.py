"""The commands `web keys`, `web origins` and `web login`: who may use the web server."""

from typing import TYPE_CHECKING, Any

import click

from zoho_pipeline.cli.output import format_option, print_json, print_rows, say
from zoho_pipeline.cli.session import Session
from zoho_pipeline.web.auth.principal import SCOPES

if TYPE_CHECKING:
    from zoho_pipeline.channels.platform.keys import ApiKey


@click.group(short_help="API keys for the backend of your platform.")
def keys() -> None:
    """Make, list and revoke API keys. A key is for the backend of your platform, never for a browser."""


@keys.command(short_help="Make an API key. It is shown once.")
@click.argument("name")
@click.option(
    "--tenant", "tenants", metavar="T", multiple=True, help="A tenant whose channels the key sees. Repeat it."
)
@click.option("--all-tenants", is_flag=True, help="The key sees the channels of all tenants.")
@click.option("--scope", "scopes", type=click.Choice(SCOPES), multiple=True, help="What the key may do. Repeat it.")
@click.option(
    "--days", type=click.IntRange(1, 3650), help="The key ends after so many days. Without it, it does not end."
)
@format_option
def add(
    name: str, tenants: tuple[str, ...], all_tenants: bool, scopes: tuple[str, ...], days: int | None, output: str
) -> None:
    """Make an API key and print it. It is stored as a hash, so nobody can print it again.

    \b
    Examples:
      zoho-pipeline web keys add backend --tenant acme-inc --scope read --scope sync
      zoho-pipeline web keys add metrics --all-tenants --scope metrics --days 90
    """
    from zoho_pipeline.channels.platform.audit import Audit
    from zoho_pipeline.channels.platform.keys import ApiKeys
    from zoho_pipeline.channels.platform.tenants import check_tenant

    if bool(tenants) == all_tenants:
        raise click.UsageError("give --tenant once or more, or --all-tenants.")
    if not scopes:
        raise click.UsageError(f"give --scope once or more: {', '.join(SCOPES)}.")
    if not name.strip():
        raise click.UsageError("give the key a name, such as: backend")
    chosen = None if all_tenants else [check_tenant(tenant) for tenant in tenants]
    database = Session().registry.database
    key, secret = ApiKeys(database).add(name, tenants=chosen, scopes=scopes, days=days)
    Audit(database).record("operator", "key.added", detail=f"key:{key.id}")
    if output == "json":
        print_json(_shown(key) | {"key": secret.reveal()})
        return
    say(f"Key {key.id} ({key.name}) is made. Copy it now; it is not shown again:\n\n  {secret.reveal()}\n")


@keys.command("list", short_help="List all API keys and their last use.")
@format_option
def list_(output: str) -> None:
    """List all API keys with tenants, scopes, end and last use. The keys themselves are not stored.

    \b
    Example:
      zoho-pipeline web keys list --format json
    """
    from zoho_pipeline.channels.platform.keys import ApiKeys

    found = [_shown(key) for key in ApiKeys(Session().registry.database).list()]
    if output == "json":
        print_json(found)
    elif found:
        print_rows([row | {"tenants": "all" if row["tenants"] is None else row["tenants"]} for row in found])
    else:
        say("There is no API key. Make one with: zoho-pipeline web keys add NAME --tenant T --scope read")


@keys.command(short_help="End an API key at once.")
@click.argument("key_id", metavar="ID")
@format_option
def revoke(key_id: str, output: str) -> None:
    """End an API key at once, with every session token that it made.

    \b
    Example:
      zoho-pipeline web keys revoke 0a1b2c3d4e5f
    """
    from zoho_pipeline.channels.platform.audit import Audit
    from zoho_pipeline.channels.platform.keys import ApiKeys

    database = Session().registry.database
    key = ApiKeys(database).revoke(key_id)
    Audit(database).record("operator", "key.revoked", detail=f"key:{key.id}")
    print_json(_shown(key)) if output == "json" else say(f"Key {key.id} ({key.name}) is revoked.")


@click.group(short_help="Pages that may embed those of a tenant.")
def origins() -> None:
    """Say which pages may show a tenant's pages in a frame and receive their messages."""


@origins.command("set", short_help="Replace the origins of a tenant.")
@click.argument("tenant")
@click.argument("given", metavar="ORIGIN ...", nargs=-1, required=True)
@format_option
def set_(tenant: str, given: tuple[str, ...], output: str) -> None:
    """Replace the origins of a tenant: https://host[:port], or http on loopback.

    \b
    Example:
      zoho-pipeline web origins set acme-inc https://app.example.com https://staging.example.com
    """
    from zoho_pipeline.channels.platform.audit import Audit
    from zoho_pipeline.channels.platform.tenants import Tenants

    database = Session().registry.database
    stored = Tenants(database).set_origins(tenant, given)
    Audit(database).record("operator", "origins.set", tenant=tenant, detail=" ".join(stored))
    if output == "json":
        print_json({"tenant": tenant, "origins": stored})
        return
    say(f"Pages of {', '.join(stored)} may embed those of tenant {tenant}.")


@click.command(short_help="Print a link that opens the operator's pages.")
@format_option
def login(output: str) -> None:
    """Print a link that lets one browser into /ui. It works once, within ten minutes.

    The browser stays in for 12 hours.

    \b
    Example:
      zoho-pipeline web login
    """
    from zoho_pipeline.channels.database.clock import DatabaseClock
    from zoho_pipeline.service_settings import load_service_settings
    from zoho_pipeline.web.auth.operator import login_link
    from zoho_pipeline.web.auth.tokens import Tokens

    service = load_service_settings()
    session = Session()
    clock = DatabaseClock(session.registry.database)
    link = login_link(Tokens(session.settings.secret_keys, service.public_url, clock))
    print_json({"url": link}) if output == "json" else say(f"Open this page within ten minutes:\n\n  {link}\n")


def _shown(key: "ApiKey") -> dict[str, Any]:
    names = ("id", "name", "tenants", "scopes", "created_at", "expires_at", "revoked_at", "last_used_at")
    return {name: getattr(key, name) for name in names}
