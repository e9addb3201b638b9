"""Settings of the services around the pipeline: the web server and the worker.

Like `settings`, it checks each value once, at the start of a command.
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from zoho_pipeline.setting_checks import LOOPBACK_HOSTS, PREFIX
from zoho_pipeline.settings import SettingsError, choice, number, origin, read_values, whole

METRICS = ("loopback", "off", "key")
AGENTS_PII = ("none", "masked")
RETRIES = "5,300,1800,7200,18000,36000,36000"
LONGEST_WAIT = 7 * 86_400.0

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class ServiceSettings:
    """What the web server and the worker must know about their environment. Durations are seconds.

    Attributes:
        public_url: the origin that browsers and Zoho reach, without a slash at the end.
        session_seconds: the longest life of a session token.
        embed_seconds: the life of a link to the page in an iframe.
        connect_seconds: how long a consent can be finished.
        webhook_retries: the waits between the tries of a delivery.
        metrics: `loopback` (only 127.0.0.1 may read /metrics), `key` (scope `metrics`) or `off`.
        trusted_proxies: whose X-Forwarded-For is believed.
        push_debounce: how long no delivery of a channel came before its records are read; 5 times that at most.
        push_sync_interval: between the end of a whole sync and the next one that notifications cause.
        push_credit_share: the share of the day's credits that notifications may spend, from 0 to 1.
        agents_pii: the most that an agent can be shown of a person: `none`, or `masked` (initials).
    """

    public_url: str = "http://localhost:8480"
    session_seconds: int = 1800
    embed_seconds: int = 600
    connect_seconds: int = 600
    webhook_retries: tuple[float, ...] = tuple(float(part) for part in RETRIES.split(","))
    metrics: str = "loopback"
    trusted_proxies: tuple[Network, ...] = ()
    push_debounce: float = 2.0
    push_sync_interval: float = 300.0
    push_credit_share: float = 0.10
    agents_pii: str = "none"

    @property
    def redirect_uri(self) -> str:
        """The URI that must be registered in Zoho's API console."""
        return f"{self.public_url}/zohoCrm/callback"

    @property
    def browser_origin(self) -> str:
        """The origin as browsers name it: they leave out the port that its scheme has by default."""
        usual = ":443" if self.is_https else ":80"
        return self.public_url.removesuffix(usual)

    @property
    def is_https(self) -> bool:
        return self.public_url.startswith("https://")

    @property
    def is_loopback(self) -> bool:
        return urlsplit(self.public_url).hostname in LOOPBACK_HOSTS

    def require_safe_host(self, host: str) -> None:
        """Refuse to listen on other machines' networks without https.

        Raises:
            SettingsError: the host is no loopback address, and the public URL is http.
        """
        if host not in LOOPBACK_HOSTS and not self.is_https:
            raise SettingsError(
                f"Other machines reach the host {host}, and {PREFIX}PUBLIC_URL is {self.public_url}, which is not "
                f"encrypted. Set {PREFIX}PUBLIC_URL to the https origin of your proxy, or listen on 127.0.0.1."
            )


def load_service_settings(env: Mapping[str, str] | None = None, dotenv: Path | None = None) -> ServiceSettings:
    """The settings from the environment and from `.env`; the environment wins.

    Raises:
        SettingsError: a variable is wrong; the message names it.
    """
    values = read_values(env, dotenv)
    given = (values.get(f"{PREFIX}PUBLIC_URL") or "").strip()
    return ServiceSettings(
        public_url=origin(f"{PREFIX}PUBLIC_URL", given) if given else ServiceSettings.public_url,
        session_seconds=whole(values, "WEB_SESSION_SECONDS", 1800, 60, 1800),
        embed_seconds=whole(values, "WEB_EMBED_SECONDS", 600, 60, 600),
        connect_seconds=whole(values, "WEB_CONNECT_SECONDS", 600, 60, 600),
        webhook_retries=_waits(values.get(f"{PREFIX}WEBHOOK_RETRIES")),
        metrics=choice(values, "METRICS", METRICS, "loopback"),
        trusted_proxies=_networks(values.get(f"{PREFIX}TRUSTED_PROXIES")),
        push_debounce=number(values, "PUSH_DEBOUNCE", 2.0, 0.0, 60.0),
        push_sync_interval=number(values, "PUSH_SYNC_INTERVAL", 300.0, 0.0, 86_400.0),
        push_credit_share=number(values, "PUSH_CREDIT_SHARE", 0.10, 0.0, 1.0),
        agents_pii=choice(values, "AGENTS_PII", AGENTS_PII, "none"),
    )


def _waits(given: str | None) -> tuple[float, ...]:
    text = (given or "").strip() or RETRIES
    try:
        waits = tuple(float(part) for part in text.split(","))
    except ValueError:
        waits = ()
    if not waits or not all(0 <= wait <= LONGEST_WAIT for wait in waits):
        raise SettingsError(
            f"{PREFIX}WEBHOOK_RETRIES is {text!r}. It takes the seconds between the tries, separated by commas, such "
            f"as {RETRIES}."
        )
    return waits


def _networks(given: str | None) -> tuple[Network, ...]:
    parts = [part.strip() for part in (given or "").split(",") if part.strip()]
    try:
        return tuple(ipaddress.ip_network(part, strict=False) for part in parts)
    except ValueError as error:
        raise SettingsError(
            f"{PREFIX}TRUSTED_PROXIES is {given!r} ({error}). It takes networks, separated by commas, such as "
            "10.0.0.0/8,192.0.2.7."
        ) from error
