"""Which pages may show a tenant's pages in a frame and receive their messages: exact origins."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from sqlalchemy import select

from zoho_pipeline.channels.database.database import Database
from zoho_pipeline.channels.database.upsert import insert_or
from zoho_pipeline.channels.errors import InvalidSetting
from zoho_pipeline.channels.registry.platform_tables import TENANT
from zoho_pipeline.channels.registry.platform_tables import tenants as table
from zoho_pipeline.setting_checks import is_host
from zoho_pipeline.zoho.accounts.data_centers import origin as plain_origin


class Tenants:
    """The origins of each tenant."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def origins(self, tenant: str) -> tuple[str, ...]:
        """The origins of a tenant; none if it is unknown."""
        with self._database.read() as transaction:
            found = transaction.scalar(select(table.c.origins).where(table.c.tenant == tenant))
        return tuple(found or ())

    def set_origins(self, tenant: str, origins: Iterable[str]) -> tuple[str, ...]:
        """Replace the origins of a tenant; the stored ones, as browsers write them.

        Raises:
            InvalidSetting: one of them is no origin, or the tenant's name is empty or too long. Nothing was stored.
        """
        checked = tuple(dict.fromkeys(check_origin(origin) for origin in origins))
        check_tenant(tenant)
        with self._database.write() as transaction:
            values = {"origins": list(checked), "updated_at": self._database.now_in(transaction)}
            first = insert_or(transaction, table).values(tenant=tenant, **values)
            transaction.execute(first.on_conflict_do_update(index_elements=["tenant"], set_=values))
        return checked


def check_tenant(tenant: str) -> str:
    """The name of a tenant, if it can be used.

    Raises:
        InvalidSetting: it is empty, too long, or holds control characters.
    """
    if not tenant or len(tenant) > TENANT or not tenant.isprintable() or tenant != tenant.strip():
        raise InvalidSetting(
            f"{tenant[:50]!r} cannot be the name of a tenant. Use 1 to {TENANT} printable characters, without spaces "
            "at the ends."
        )
    return tenant


def check_origin(given: str) -> str:
    """An origin as browsers write it: `https://app.example.com`, without a path and a default port.

    Raises:
        InvalidSetting: it is none, or it is http beyond this machine.
    """
    try:
        found = plain_origin(given)
    except ValueError:
        found = ""
    # it goes into a header of each page in a frame, so it must be the name of a host and nothing more
    if not found or not is_host(urlsplit(found).hostname or ""):
        ascii_form = "" if given.isascii() else " Write a host as browsers send it, in ASCII letters: xn--…"
        raise InvalidSetting(
            f"{given[:100]!r} is not an origin. Use https://host[:port] without a path. Plain http is for loopback."
            + ascii_form
        )
    return found
