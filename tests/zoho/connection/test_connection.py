"""A connection to the simulator: tokens, refusals, limits, credits, and Zoho's clock."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.zoho.conftest import CLIENT_ID, CLIENT_SECRET, Zoho
from tests.zoho.walks import count_records, walk_changes, walk_records
from zoho_pipeline.settings import Secret
from zoho_pipeline.zoho import errors
from zoho_pipeline.zoho.accounts import oauth
from zoho_pipeline.zoho.accounts.data_centers import DataCenter, DataCenters
from zoho_pipeline.zoho.accounts.scopes import DEFAULT_SCOPES, MINIMAL_SCOPES
from zoho_pipeline.zoho.connection.credits import ENTERPRISE, FREE
from zoho_pipeline.zoho.connection.rate_limits import OrgLimits
from zoho_pipeline.zoho.read import bulk, coql, deleted, metadata, records, users
from zoho_pipeline.zoho.read import org as orgs

Connected = Callable[..., Zoho]
FIELDS = ("Last_Name", "Modified_Time")


def center_of(simulator: Any) -> DataCenter:
    return DataCenters.with_added({"sim": simulator.url}).get("sim")


def mint(simulator: Any, refresh_token: str, secret: str = CLIENT_SECRET) -> oauth.AccessToken:
    center = center_of(simulator)
    with oauth.new_http(center.accounts_server) as http:
        return oauth.refresh(http, center, CLIENT_ID, Secret(secret), Secret(refresh_token))


# Tokens


def test_a_grant_names_its_scopes(simulator: Any, org: Any) -> None:
    token = mint(simulator, org.grant(CLIENT_ID, CLIENT_SECRET, " ".join(DEFAULT_SCOPES)))
    assert token.scopes == DEFAULT_SCOPES
    assert token.api_domain == simulator.url


@pytest.mark.parametrize("status", [200, 400])
def test_every_refusal_of_a_mint(simulator: Any, org: Any, status: int) -> None:
    simulator.switches.token_error_status = status
    refresh_token = org.grant(CLIENT_ID, CLIENT_SECRET, "ZohoCRM.modules.ALL")
    with pytest.raises(errors.ClientRejected, match="ZOHO_CLIENT_SECRET"):
        mint(simulator, refresh_token, "wrong")
    with pytest.raises(errors.RefreshTokenRevoked, match="Connect the channel again"):
        mint(simulator, "1000.never.given")
    center = center_of(simulator)
    with oauth.new_http(center.accounts_server) as http:
        assert oauth.revoke(http, center, Secret(refresh_token)) is True
        assert oauth.revoke(http, center, Secret(refresh_token)) is False
    with pytest.raises(errors.RefreshTokenRevoked):
        mint(simulator, refresh_token)


@pytest.mark.parametrize("status", [200, 400])
def test_the_eleventh_mint_is_throttled(simulator: Any, org: Any, status: int) -> None:
    simulator.switches.throttle_status = status
    refresh_token = org.grant(CLIENT_ID, CLIENT_SECRET, "ZohoCRM.modules.ALL")
    for _ in range(10):
        mint(simulator, refresh_token)
    with pytest.raises(errors.TokenThrottled):
        mint(simulator, refresh_token)


def test_legacy_lives_in_milliseconds(simulator: Any, org: Any) -> None:
    simulator.switches.legacy_expires_in = True
    token = mint(simulator, org.grant(CLIENT_ID, CLIENT_SECRET, "ZohoCRM.modules.ALL"))
    life = token.expires_at - datetime.now(token.expires_at.tzinfo)
    assert timedelta(minutes=50) < life <= timedelta(hours=1)


def test_a_foreign_api_domain_never_gets_the_token(simulator: Any, org: Any) -> None:
    """Two servers: the first names the second as its API. The second receives no request."""
    from zoho_pipeline.simulator import Simulator

    with Simulator.start() as foreign:
        simulator.switches.api_domain = foreign.url
        with pytest.raises(errors.ForeignApiDomain, match="Nothing was sent"):
            mint(simulator, org.grant(CLIENT_ID, CLIENT_SECRET, "ZohoCRM.modules.ALL"))
        assert foreign.hub.requests == []


def test_a_forged_accounts_server_never_gets_the_secret(simulator: Any) -> None:
    """The server in a callback is looked up in the table before anything is sent to it."""
    from zoho_pipeline.simulator import Simulator

    centers = DataCenters.with_added({"sim": simulator.url})
    with Simulator.start() as forged:
        with oauth.new_http() as http, pytest.raises(errors.UnknownDataCenter, match="nothing was sent"):
            oauth.exchange_code(
                http, centers.by_accounts_server(forged.url), CLIENT_ID, Secret(CLIENT_SECRET), "1000.code", None
            )
        assert forged.hub.requests == []


def test_a_token_that_dies_in_the_middle_of_a_walk(org: Any, connected: Connected) -> None:
    org.insert_many("Leads", [{"Last_Name": str(n)} for n in range(450)])
    zoho = connected(org)
    zoho.simulator.faults.next(1, "expired_token", "/Leads", after=1)
    rows = [row["id"] for page in walk_records(zoho.client, "Leads", FIELDS) for row in page.rows]
    assert len(set(rows)) == 450
    assert zoho.tokens.minted == 2
    assert zoho.naps == []


def test_a_token_that_expires_by_the_clock(org: Any, connected: Connected) -> None:
    org.insert("Leads", {"Last_Name": "A"})
    zoho = connected(org)
    zoho.simulator.clock.advance(3_700)
    assert len(records.get_page(zoho.client, "Leads", FIELDS).rows) == 1
    assert zoho.tokens.minted == 2


def test_many_threads_that_lose_one_token_mint_one(org: Any, connected: Connected) -> None:
    org.insert("Leads", {"Last_Name": "A"})
    zoho = connected(org)
    zoho.simulator.clock.advance(3_700)
    gate = threading.Barrier(8)

    def read(_: int) -> int:
        gate.wait(10)
        return len(records.get_page(zoho.client, "Leads", FIELDS).rows)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(read, range(8))) == [1] * 8
    assert zoho.tokens.minted == 2


def test_missing_scopes_are_named_and_never_mint(org: Any, connected: Connected) -> None:
    zoho = connected(org, scopes=MINIMAL_SCOPES)
    records.get_page(zoho.client, "Leads", FIELDS)
    users.current(zoho.client)
    for call, scope in (
        (lambda: coql.count(zoho.client, "Leads"), "ZohoCRM.coql.READ"),
        (lambda: orgs.get(zoho.client), "ZohoCRM.org.READ"),
        (lambda: metadata.fields(zoho.client, "Leads"), "ZohoCRM.settings.fields.READ"),
        (lambda: metadata.pipelines(zoho.client), "ZohoCRM.settings.layouts.READ"),
        (lambda: metadata.business_hours(zoho.client), "ZohoCRM.settings.business_hours.READ"),
    ):
        with pytest.raises(errors.ScopeMissing, match=scope):
            call()
    assert zoho.tokens.minted == 1


def test_a_deactivated_user_needs_a_person(org: Any, connected: Connected) -> None:
    user = org.add_user(first_name="Dev", profile="Administrator")
    zoho = connected(org, user=user)
    org.deactivate_user(user)
    with pytest.raises(errors.ReconnectNeeded):
        records.get_page(zoho.client, "Leads", FIELDS)


def test_an_old_page_token_is_its_own_error(org: Any, connected: Connected) -> None:
    org.insert_many("Leads", [{"Last_Name": str(n)} for n in range(5)])
    zoho = connected(org)
    page = records.get_page(zoho.client, "Leads", FIELDS, per_page=2)
    zoho.simulator.clock.advance(86_500)
    later = connected(org)  # otherwise the first client would see the clock jump
    with pytest.raises(errors.PageTokenExpired):
        records.get_page(later.client, "Leads", FIELDS, per_page=2, page_token=page.next_page_token)


# Modules and people


def test_a_module_the_user_may_not_see(org: Any, connected: Connected) -> None:
    user = org.add_user(first_name="Dev")
    user.hide_module("Deals")
    user.deny_module("Calls")
    zoho = connected(org, user=user)
    with pytest.raises(errors.ModuleMissing, match="module Deals"):
        records.get_page(zoho.client, "Deals", FIELDS)
    with pytest.raises(errors.NoPermission, match="Crm_Implied_View_Calls"):
        records.get_page(zoho.client, "Calls", FIELDS)
    assert not users.is_admin(users.current(zoho.client))


def test_deleted_users_are_only_in_their_own_list(org: Any, connected: Connected) -> None:
    gone = org.add_user(first_name="Gone")
    org.delete_user(gone)
    zoho = connected(org)
    assert gone.id not in {row["id"] for row in users.list_users(zoho.client, "AllUsers")}
    assert gone.id in {row["id"] for row in users.list_users(zoho.client, "DeletedUsers")}


def test_more_users_than_a_page(org: Any, connected: Connected) -> None:
    for n in range(230):
        org.add_user(first_name=f"U{n}")
    assert len(users.list_users(connected(org).client)) == 231


def test_custom_fields_and_trackers_are_found(org: Any, connected: Connected) -> None:
    org.add_custom_field("Leads", "UTM_Source", "UTM Source", "text")
    org.enable_status_history("Lead_Status_History")
    zoho = connected(org)
    fields = {field.api_name: field for field in metadata.fields(zoho.client, "Leads")}
    assert fields["UTM_Source"].custom
    assert fields["UTM_Source"].label == "UTM Source"
    assert metadata.history_modules(metadata.modules(zoho.client)) == ("DealHistory", "Lead_Status_History")


# Limits


def ask_org(zoho: Zoho, times: int) -> None:
    for _ in range(times):
        orgs.get(zoho.client)


def test_calls_at_once_stay_within_the_edition(simulator: Any, connected: Connected) -> None:
    acme = simulator.add_org(name="Small", time_zone="UTC", currency="USD", edition="Free")
    simulator.switches.latency = 0.01
    zoho = connected(acme, limits=OrgLimits.for_edition(FREE))
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: records.get_page(zoho.client, "Leads", FIELDS), range(48)))
    assert acme.peak[CLIENT_ID][0] <= FREE.concurrency
    assert zoho.naps == [], "never refused, so never waited"


def test_sorted_reads_stay_within_the_sub_limit(simulator: Any, org: Any, connected: Connected) -> None:
    simulator.switches.latency = 0.01
    zoho = connected(org, limits=OrgLimits.for_edition(ENTERPRISE))
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: records.get_page(zoho.client, "Leads", FIELDS, sort_by="Modified_Time"), range(48)))
    assert org.peak[CLIENT_ID][1] <= 10
    assert zoho.naps == []


def test_our_count_of_credits_is_never_below_zohos(org: Any, connected: Connected, tmp_path: Path) -> None:
    """If sources differ, we assume the higher price. So the budget can only stop too early."""
    org.insert_many("Leads", [{"Last_Name": str(n)} for n in range(250)])
    zoho = connected(org)
    zoho.simulator.switches.sorted_read_credits = 3
    list(walk_records(zoho.client, "Leads", FIELDS, sort_by="Modified_Time"))
    records.get_page(zoho.client, "Leads", FIELDS)
    deleted.get_page(zoho.client, "Leads")
    users.current(zoho.client)
    orgs.get(zoho.client)
    metadata.modules(zoho.client)
    since, until = datetime(2020, 1, 1, tzinfo=UTC), zoho.client.server_time + timedelta(days=1)
    list(walk_changes(zoho.client, "Leads", FIELDS, since=since, until=until))
    count_records(zoho.client, "Leads", criteria="(Last_Name:equals:1)")
    job = bulk.create_job(zoho.client, "Leads", FIELDS)
    bulk.poll(zoho.client, job.id)
    bulk.download(zoho.client, job.id, tmp_path / "x.zip")
    assert org.credits_used <= zoho.client.meter.credits <= org.credits_used + 1
    assert zoho.client.meter.requests == 13


def test_the_budget_leaves_the_rest_to_others(org: Any, connected: Connected) -> None:
    org.credit_limit_override = 20
    zoho = connected(org, limits=OrgLimits(concurrency=5, daily_credits=20, budget=0.8))
    with pytest.raises(errors.BudgetStop, match="The rest is for other tools"):
        ask_org(zoho, 50)
    assert org.credits_used == 16


def test_the_credits_of_others_are_counted_through_the_header(org: Any, connected: Connected) -> None:
    org.credit_limit_override = 20
    ours = connected(org, limits=OrgLimits(concurrency=5, daily_credits=20, budget=0.8))
    theirs = connected(org, limits=OrgLimits(concurrency=5))
    ask_org(theirs, 13)
    with pytest.raises(errors.BudgetStop):
        ask_org(ours, 50)
    assert ours.client.meter.credits == 3
    assert ours.client.limits.remaining == 4


def test_used_up_credits_differ_from_a_busy_moment(org: Any, connected: Connected) -> None:
    org.credit_limit_override = 3
    zoho = connected(org, limits=OrgLimits(concurrency=5, budget=1.0))
    with pytest.raises(errors.CreditsExhausted):
        ask_org(zoho, 5)
    assert zoho.naps == []


# Proxies


def test_a_proxy_of_the_environment_never_sees_loopback(
    org: Any, connected: Connected, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    zoho = connected(org)
    assert orgs.get(zoho.client).name == "Acme"


# Zoho's clock


def test_the_clock_is_zohos_not_ours(org: Any, connected: Connected) -> None:
    zoho = connected(org)
    zoho.simulator.clock.set("2026-02-03T04:05:06+00:00")
    page = records.get_page(zoho.client, "Leads", FIELDS)
    assert timedelta(0) <= page.server_time - datetime.fromisoformat("2026-02-03T04:05:06+00:00") < timedelta(minutes=1)
    assert zoho.client.server_time >= page.server_time


@pytest.mark.parametrize("code", ["INVALID_TOKEN", "INVALID_OAUTHTOKEN"])
def test_a_newer_token_is_taken_whatever_zoho_calls_a_bad_one(org: Any, connected: Connected, code: str) -> None:
    """Zoho's page on token validity names another code than its page of status codes."""
    zoho = connected(org)
    zoho.simulator.switches.unauthorized_code = code
    zoho.simulator.expire_access_tokens()
    assert records.get_page(zoho.client, "Leads", FIELDS).rows == []
    assert zoho.tokens.minted == 2
