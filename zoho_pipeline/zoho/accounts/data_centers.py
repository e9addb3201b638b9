"""The table of Zoho's data centres, and the two refusals that keep secrets at home.

A callback's `accounts-server` is under an attacker's control and the client secret is posted to it: only
exact members of the table pass. The `api_domain` of a token answer receives access tokens: it must be a
host of that centre. Hosts are listed, never derived: Canada signs in at zohocloud.ca and serves zohoapis.ca.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from zoho_pipeline.zoho.errors import ForeignApiDomain, UnknownDataCenter

ENVIRONMENT_HOSTS = {"production": "www", "sandbox": "sandbox", "developer": "developer"}
"""First label of the API host of each environment; a token works only in the one chosen at consent."""

_LOOPBACK = re.compile(r"127(\.\d{1,3}){3}|localhost|::1")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_DEFAULT_PORTS = {"https": 443, "http": 80}


def origin(url: str) -> str:
    """`scheme://host[:port]` in lower case, default port dropped.

    Raises:
        ValueError: not an origin (user info, path, query or fragment in it), or http beyond loopback.
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
        _ = parts.port  # a bad port raises here and nowhere later
    except ValueError:
        raise ValueError("not a URL") from None
    return parts


@dataclass(frozen=True)
class DataCenter:
    """One centre: `name` is Zoho's `location`; `api_domain` is the production host.

    `added` centres come from the settings: their API must live on the accounts server's own origin.
    """

    name: str
    accounts_server: str
    api_domain: str
    added: bool = False

    @property
    def api_origins(self) -> tuple[str, ...]:
        """Every origin that may be given an access token of this centre."""
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
            ForeignApiDomain: it does not; nothing may be sent there.
        """
        try:
            candidate = origin(api_domain)
        except ValueError:
            candidate = ""
        if candidate not in self.api_origins:
            allowed = ", ".join(self.api_origins)
            raise ForeignApiDomain(
                f"data center {self.name} answered with an API domain that is not its own ({api_domain[:100]!r}); "
                f"it has {allowed}. Nothing was sent there."
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
    # One public code names Singapore's accounts server and none its API host: another host than this is refused.
    _zoho("sg", "accounts.zoho.sg", "sg"),
)


class DataCenters:
    """The built-in table plus the centres the settings add."""

    def __init__(self, centers: tuple[DataCenter, ...] = BUILT_IN) -> None:
        self._by_name = {center.name: center for center in centers}
        self._by_server = {center.accounts_server: center for center in reversed(centers)}

    @classmethod
    def with_added(cls, added: Mapping[str, str]) -> "DataCenters":
        """The table with `added` (name → accounts server).

        Raises:
            UnknownDataCenter: a name or address that cannot be added; the message says which and why.
        """
        return cls((*BUILT_IN, *(_added(name, server) for name, server in added.items())))

    def __iter__(self) -> Iterator[DataCenter]:
        return iter(self._by_name.values())

    def get(self, name: str) -> DataCenter:
        """The centre of that name (`us`, `eu`, …; any case); UnknownDataCenter lists the known ones."""
        center = self._by_name.get(name.strip().lower())
        if center is None:
            known = ", ".join(self._by_name)
            raise UnknownDataCenter(f"unknown data center {name[:50]!r}. Known: {known}.")
        return center

    def by_accounts_server(self, url: str) -> DataCenter:
        """The centre that owns this accounts server: an exact member of the table, or UnknownDataCenter."""
        try:
            center = self._by_server.get(origin(url))
        except ValueError:
            center = None
        if center is None:
            raise UnknownDataCenter(
                f"{url[:100]!r} is not an accounts server of Zoho; nothing was sent to it. "
                "Add a data center of your own with ZOHO_PIPELINE_DATA_CENTERS."
            )
        return center

    def check_api_domain(self, data_center: DataCenter | str, api_domain: str) -> str:
        """`DataCenter.check_api_domain` by name or centre."""
        center = self.get(data_center) if isinstance(data_center, str) else data_center
        return center.check_api_domain(api_domain)


def _added(name: str, server: str) -> DataCenter:
    key = name.strip().lower()
    if not _NAME.fullmatch(key):
        raise UnknownDataCenter(f"ZOHO_PIPELINE_DATA_CENTERS: {name!r} is not a name of letters, digits, - and _.")
    if any(center.name == key for center in BUILT_IN):
        raise UnknownDataCenter(f"ZOHO_PIPELINE_DATA_CENTERS: {key} is a data center of Zoho; choose another name.")
    try:
        address = origin(server)
    except ValueError as error:
        raise UnknownDataCenter(f"ZOHO_PIPELINE_DATA_CENTERS: {key}: {server[:100]!r} is {error}.") from None
    return DataCenter(key, address, address, added=True)
