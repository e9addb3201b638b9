"""Nothing that a run writes contains a secret: logs of every library at DEBUG, exceptions, URLs, the server's log."""

import logging
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from tests.zoho.conftest import ALL_SCOPES, CLIENT_ID, CLIENT_SECRET, MintingTokens
from tests.zoho.connection.test_faults import LASTING, PASSING, READS, lead_20
from zoho_pipeline.settings import Secret
from zoho_pipeline.zoho import errors
from zoho_pipeline.zoho.accounts import oauth
from zoho_pipeline.zoho.accounts.data_centers import DataCenters
from zoho_pipeline.zoho.accounts.oauth import AccessToken
from zoho_pipeline.zoho.connection.client import ZohoClient
from zoho_pipeline.zoho.connection.pacing import Pacing
from zoho_pipeline.zoho.connection.rate_limits import OrgLimits


class Remembering(MintingTokens):
    """Keeps every access token that it handed out, so that the test can search for them."""

    def __init__(self, *of: Any) -> None:
        super().__init__(*of)
        self.given: set[str] = set()

    def _mint(self) -> AccessToken:
        token = super()._mint()
        self.given.add(token.value.reveal())
        return token


def attempt(call: Callable[[], Any], written: list[str]) -> None:
    try:
        call()
    except Exception as error:
        written += traceback.format_exception(error)
        written.append(repr(error) + str(error.args))
        for linked in (error.__context__, error.__cause__):
            written.append(repr(linked))


def test_no_secret_in_anything_that_was_written(
    filled: tuple[Any, Any], caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("httpx", "httpcore", "hpack", "zoho_pipeline"):
        caplog.set_level(logging.DEBUG, name)
    simulator, org = filled
    written: list[str] = []
    secrets = {CLIENT_SECRET, "wrong-client-secret-9876", "1000.fedcba9876543210.0123456789abcdef"}

    refresh_token = org.grant(CLIENT_ID, CLIENT_SECRET, " ".join(ALL_SCOPES))
    secrets.add(refresh_token)
    center = DataCenters.with_added({"sim": simulator.url}).get("sim")
    tokens = Remembering(center, CLIENT_ID, Secret(CLIENT_SECRET), Secret(refresh_token))
    client = ZohoClient(simulator.url, tokens, limits=OrgLimits(20), sleep=lambda _: None, pacing=Pacing(attempts=2))

    lead = lead_20(client)
    for path, call in READS.values():
        attempt(lambda call=call: call(client, lead), written)  # type: ignore[misc]
        for kind in (*PASSING, *LASTING):
            if kind == "slow":
                continue
            simulator.faults.next(2, kind, path)
            attempt(lambda call=call: call(client, lead), written)  # type: ignore[misc]
            simulator.faults.clear()
    with oauth.new_http(center.accounts_server) as http:
        bad_secret, bad_token = Secret("wrong-client-secret-9876"), Secret("1000.fedcba9876543210.0123456789abcdef")
        attempt(lambda: oauth.refresh(http, center, CLIENT_ID, bad_secret, Secret(refresh_token)), written)
        attempt(lambda: oauth.refresh(http, center, CLIENT_ID, Secret(CLIENT_SECRET), bad_token), written)
        attempt(lambda: oauth.exchange_code(http, center, CLIENT_ID, Secret(CLIENT_SECRET), bad_token, None), written)
        attempt(lambda: oauth.revoke(http, center, bad_token), written)
        attempt(lambda: oauth.revoke(http, center, Secret(refresh_token)), written)
    client.close()

    secrets |= tokens.given
    assert len(secrets) > 5
    written = caplog.text + "".join(written) + "".join(capfd.readouterr()) + repr(simulator.hub.requests)
    assert "httpx" in caplog.text
    assert "httpcore" in caplog.text
    assert "zoho_pipeline.zoho.connection.client" in caplog.text
    found = [
        secret[:9] for secret in secrets for part in {secret, *secret.split(".")} if len(part) > 8 and part in written
    ]
    assert found == []


def test_every_zoho_error_is_one_line() -> None:
    """Each class of ZohoError gives one line that a terminal can show."""
    samples: list[errors.ZohoError] = [
        errors.ScopeMissing("GET /x", ("ZohoCRM.org.READ",)),
        errors.ScopeMissing("GET /x"),
        errors.ModuleMissing("Leads", "INVALID_MODULE"),
        errors.NoPermission("GET /x", ("A", "B")),
        errors.ConnectionFailed("no", sent=True),
        errors.TokenThrottled("later"),
    ]
    for error in samples:
        assert "\n" not in str(error)
        assert str(error)
        assert error.exit_code == 1
    assert errors.UnknownDataCenter("x").exit_code == 2


def test_scrubbing() -> None:
    text = "got 1000.0123456789abcdef0123456789abcdef.fedcba9876543210fedcba9876543210 and my-secret\nover lines"
    assert errors.scrub(text, "my-secret", "") == "got *** and *** over lines"
    assert len(errors.scrub("x" * 5_000)) == 301
