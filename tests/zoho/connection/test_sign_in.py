"""Sign-in: newer tokens, missing scopes, and accounts servers that fail."""

from typing import Any

import pytest

from tests.zoho.wire import Tokens, Wire, answer, client_on, error
from zoho_pipeline.zoho import errors

LEADS = "/crm/v7/Leads"
OK = answer({"data": []})


def test_one_new_look_when_a_token_is_refused() -> None:
    wire, tokens = Wire(error("INVALID_TOKEN", 401), OK), Tokens()
    assert client_on(wire, tokens).get(LEADS).status == 200
    assert tokens.refusals == [f"1000.{1:032x}.{1:032x}"]
    assert [r.headers["Authorization"][-1] for r in wire.seen] == ["1", "2"]


def test_a_token_that_died_meanwhile_gets_one_more_look() -> None:
    refusal = error("INVALID_TOKEN", 401)
    wire = Wire(refusal, refusal, OK)
    assert client_on(wire).get(LEADS).status == 200
    assert [r.headers["Authorization"][-1] for r in wire.seen] == ["1", "2", "3"]


def test_a_post_keeps_its_body_over_the_new_look() -> None:
    wire = Wire(error("INVALID_TOKEN", 401), OK)
    client_on(wire).post("/crm/v7/coql", json={"select_query": "x"})
    assert [r.content for r in wire.seen] == [b'{"select_query":"x"}'] * 2


@pytest.mark.parametrize("code", ["INVALID_TOKEN", "INVALID_OAUTHTOKEN"])
def test_a_fresh_token_refused_as_well_ends_it(code: str) -> None:
    wire, tokens = Wire(error(code, 401)), Tokens()
    with pytest.raises(errors.TokenRefused, match="deactivated"):
        client_on(wire, tokens).get(LEADS)
    assert (len(wire.seen), tokens.minted) == (3, 3)


def test_a_missing_scope_never_mints() -> None:
    wire, tokens = Wire(error("OAUTH_SCOPE_MISMATCH", 401)), Tokens()
    with pytest.raises(errors.ScopeMissing, match=r"scope ZohoCRM\.modules\.leads\.READ is not granted") as caught:
        client_on(wire, tokens).get(LEADS)
    assert caught.value.scopes == ("ZohoCRM.modules.leads.READ",)
    assert (len(wire.seen), tokens.minted, tokens.refusals) == (1, 1, [])


MISMATCH = error("OAUTH_SCOPE_MISMATCH", 401)
COQL = "/crm/v7/coql"


def test_a_scope_found_missing_is_not_asked_for_again() -> None:
    told: list[str] = []
    wire = Wire(MISMATCH)
    client = client_on(wire, on_lacking=told.append)
    for view in (client, client.metered(), client.metered()):
        with pytest.raises(errors.ScopeMissing, match=r"ZohoCRM\.coql\.READ"):
            view.post(COQL, json={})
    assert (len(wire.seen), told) == (1, ["ZohoCRM.coql.READ"])
    with pytest.raises(errors.ScopeMissing):
        client_on(wire, lacking=told).post(COQL, json={})
    assert len(wire.seen) == 1


@pytest.mark.parametrize("path", ["/crm/v7/Leads", "/crm/v7/Leads/1/Notes", "/crm/v7/settings/holidays", COQL])
def test_a_refusal_that_shows_no_missing_scope_is_not_remembered(path: str) -> None:
    """Of a record it is the module's; a query is refused for its module where the scope of queries is granted."""
    told: list[str] = []
    wire = Wire(MISMATCH)
    client = client_on(wire, granted=("ZohoCRM.coql.ALL",), on_lacking=told.append)
    for _ in range(2):
        with pytest.raises(errors.ScopeMissing):
            client.get(path)
    assert (len(wire.seen), told) == (2, [])


def test_a_foreign_401_neither_mints_nor_passes() -> None:
    wire, tokens = Wire(answer(b"<html>proxy</html>", 401, Content_Type="text/html")), Tokens()
    with pytest.raises(errors.BadAnswer):
        client_on(wire, tokens).get(LEADS)
    assert tokens.minted == 1


class Unable(Tokens):
    def __init__(self, *failures: Exception) -> None:
        super().__init__()
        self._failures = list(failures)

    def current(self) -> Any:
        if self._failures:
            raise self._failures.pop(0)
        return super().current()


def test_a_source_that_needs_a_person_is_not_asked_twice() -> None:
    for failure in (errors.RefreshTokenRevoked("gone"), errors.TokenThrottled("later", 600)):
        wire = Wire(OK)
        with pytest.raises(type(failure)):
            client_on(wire, Unable(failure, failure)).get(LEADS)
        assert wire.seen == []


def test_an_accounts_server_that_stumbles_is_waited_for() -> None:
    wire = Wire(OK)
    client = client_on(wire, Unable(errors.ServerFault("500")))
    client.get(LEADS)
    assert client.naps == [1.0]  # type: ignore[attr-defined]
