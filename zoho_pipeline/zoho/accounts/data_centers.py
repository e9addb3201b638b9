"""The table of Zoho's data centres, and two checks that keep secrets away from other hosts.

An attacker controls a callback's `accounts-server`, and the client secret is posted to it: only servers of the table
are accepted. The `api_domain` of a token answer receives access tokens: it must be a host of that centre. Hosts are
listed and never derived: Canada signs in at zohocloud.ca and has its API at zohoapis.ca.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from zoho_pipeline.zoho.errors import ForeignApiDomain, UnknownDataCenter

ENVIRONMENT_HOSTS = {"production": "www", "sandbox": "sandbox", "developer": "developer"}
"""The first label of each environment's API host. A token works only in the environment of its consent."""

_LOOPBACK = re.compile(r"127(\.\d{1,3}){3}|localhost|::1")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_DEFAULT_PORTS = {"https": 443, "http": 80}


def origin(url: str) -> str:
    """`scheme://host[:port]` in lower case, without a default port.

    Raises:
        ValueError: it is no origin (it has user info, a path, a query or a fragment), or plain http beyond loopback.
    """
    parts = _split(url)
    host = parts.hostname
    extras = parts.username or parts.password or parts.path.strip("/") or parts.query or parts.fragment
    if parts.scheme not in _DEFAULT_PORTS or not host or extras or "@" in parts.netloc or "\\" in url:
        raise ValueError("not a plain https origin")
    if parts.scheme == "http" and not _LOOPBACK.fullmatch(host):
        raise ValueError("plain http is accepted for loopback alone")
    port = parts.port
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + ("" if port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{port}")


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises for a bad port
    except ValueError:
        raise ValueError("not a URL") from None
    return parts


@dataclass(frozen=True)
class DataCenter:
    """A data centre. `name` is Zoho's `location`; `api_domain` is the production host.

    An `added` centre comes from the settings: its API must have the same origin as its accounts server.
    """

    name: str
    accounts_server: str
    api_domain: str
    added: bool = False

    @property
    def api_origins(self) -> tuple[str, ...]:
        """All origins that may receive an access token of this centre."""
        if self.added:
            return (self.api_domain,)
        suffix = self.api_domain.removeprefix("https://www.")
        return tuple(f"https://{label}.{suffix}" for label in ENVIRONMENT_HOSTS.values())

    def api_for(self, environment: str) -> str:
        """The API origin of 'production', 'sandbox' or 'developer'."""
        if self.added:
            return self.api_domain
        return self.api_domain.replace("https://www.", f"https://{ENVIRONMENT_HOSTS[environment]}.")

    def check_api_domain(self, api_domain: str) -> str:
        """The normalised api_domain, if it belongs to this centre.

        Raises:
            ForeignApiDomain: it does not. Nothing may be sent there.
        """
        try:
            candidate = origin(api_domain)
        except ValueError:
            candidate = ""
        if candidate not in self.api_origins:
            allowed = ", ".join(self.api_origins)
            raise ForeignApiDomain(
                f"data center {self.name} named an API domain that is not its own ({api_domain[:100]!r}). Its own are "
                f"{allowed}. Nothing was sent there."
            )
        return candidate


def _zoho(name: str, accounts_host: str, api_suffix: str) -> DataCenter:
    return DataCenter(name, f"https://{accounts_host}", f"https://www.zohoapis.{api_suffix}")


BUILT_IN = (
    _zoho("us", "accounts.zoho.com", "com"),
    _zoho("eu", "accounts.zoho.eu", "eu"),
    _zoho("in", "accounts.zoho.in", "in"),
    _zoho("au", "accounts.zoho.com.au", "com.au"),
    _zoho("jp", "accounts.zoho.jp", "jp"),
    _zoho("cn", "accounts.zoho.com.cn", "com.cn"),
    _zoho("ca", "accounts.zohocloud.ca", "ca"),
    _zoho("sa", "accounts.zoho.sa", "sa"),
    _zoho("uk", "accounts.zoho.uk", "uk"),
    _zoho("ae", "accounts.zoho.ae", "ae"),
    # A public client names Singapore's accounts server, but none names its API host. Any other host is refused.
    _zoho("sg", "accounts.zoho.sg", "sg"),
)


class DataCenters:
    """The built-in table and the centres of the settings."""

    def __init__(self, centers: tuple[DataCenter, ...] = BUILT_IN) -> None:
        self._by_name = {center.name: center for center in centers}
        self._by_server = {center.accounts_server: center for center in reversed(centers)}

    @classmethod
    def with_added(cls, added: Mapping[str, str]) -> "DataCenters":
        """The table with the centres of `added` (name → accounts server).

        Raises:
            UnknownDataCenter: a name or address cannot be added. The message says which one and why.
        """
        return cls((*BUILT_IN, *(_added(name, server) for name, server in added.items())))

    def __iter__(self) -> Iterator[DataCenter]:
        return iter(self._by_name.values())

    def get(self, name: str) -> DataCenter:
        """The centre of that name (`us`, `eu`, …; in any case); else UnknownDataCenter, which lists the known ones."""
        center = self._by_name.get(name.strip().lower())
        if center is None:
            known = ", ".join(self._by_name)
            raise UnknownDataCenter(
                f"unknown data center {name[:50]!r}. Known: {known}. Add your own with ZOHO_PIPELINE_DATA_CENTERS."
            )
        return center

    def by_accounts_server(self, url: str) -> DataCenter:
        """The centre with this accounts server; UnknownDataCenter if the table does not have it."""
        try:
            center = self._by_server.get(origin(url))
        except ValueError:
            center = None
        if center is None:
            raise UnknownDataCenter(
                f"{url[:100]!r} is not an accounts server of Zoho, so nothing was sent to it. Add your own data "
                "centers with ZOHO_PIPELINE_DATA_CENTERS."
            )
        return center


def _added(name: str, server: str) -> DataCenter:
    key = name.strip().lower()
    if not _NAME.fullmatch(key):
        raise UnknownDataCenter(
            f"ZOHO_PIPELINE_DATA_CENTERS: {name!r} is not a valid name. Use letters, digits, - and _."
        )
    if any(center.name == key for center in BUILT_IN):
        raise UnknownDataCenter(f"ZOHO_PIPELINE_DATA_CENTERS: {key} is a data center of Zoho. Choose another name.")
    try:
        address = origin(server)
    except ValueError as error:
        raise UnknownDataCenter(f"ZOHO_PIPELINE_DATA_CENTERS: {key}: {server[:100]!r} is {error}.") from None
    return DataCenter(key, address, address, added=True)
