"""The registry, on SQLite and on Postgres."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import event, insert, select

from tests.channels.conftest import CONNECTION, REFRESH
from tests.sync_records import record_sync
from zoho_pipeline.channels.errors import ChannelError, DecryptionError, InvalidSetting, OtherOrg, UnknownChannel
from zoho_pipeline.channels.registry import tables
from zoho_pipeline.channels.registry.identity import check_id
from zoho_pipeline.channels.registry.model import Channel, ModuleSync, longest_waiting_first
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.settings import Secret, Settings
from zoho_pipeline.zoho.accounts.oauth import AccessToken

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
Add = Callable[..., Channel]


def test_an_added_channel_comes_back_as_it_went_in(registry: Registry) -> None:
    before = datetime.now(UTC)
    registry.add("acme", REFRESH, CONNECTION, tenant="t1", timezone="Europe/Berlin")
    channel = registry.get("acme")
    for field in fields(CONNECTION):
        if field.name != "timezone":
            assert getattr(channel, field.name) == getattr(CONNECTION, field.name), field.name
    assert (channel.tenant, channel.timezone, channel.timezone_is_set) == ("t1", "Europe/Berlin", True)
    assert (channel.status, channel.modules, channel.credits_used) == ("active", {}, 0.0)
    assert before <= channel.connected_at <= datetime.now(UTC)
    assert registry.list() == (channel,)
    assert registry.token_store.refresh_token("acme") == REFRESH


def test_the_channel_that_waited_longest_is_first_whatever_its_result(registry: Registry, add: Add) -> None:
    for name in ("done-early", "new", "failed-late", "another-new"):
        add(name)
    record_sync(registry, "done-early", "Leads", NOON, "complete")
    record_sync(registry, "failed-late", "Leads", None, "failed")
    order = ["another-new", "new", "done-early", "failed-late"]
    assert [channel.id for channel in longest_waiting_first(registry.list())] == order
    record_sync(registry, "done-early", "Deals", NOON, "complete")
    assert longest_waiting_first(registry.list())[-1].id == "done-early"


def test_an_unknown_channel_is_named_with_the_known_ones(registry: Registry, add: Add) -> None:
    with pytest.raises(UnknownChannel, match="No channel is registered yet"):
        registry.get("acme")
    add("beta")
    add("acme")
    for call in (
        registry.get,
        registry.pause,
        registry.remove,
        registry.token_store.refresh_token,
        registry.credits_used,
    ):
        with pytest.raises(UnknownChannel, match="acme2"):
            call("acme2")
    with pytest.raises(UnknownChannel, match="Known channels: acme, beta"):
        registry.get("acme2")


@pytest.mark.parametrize("bad", ["", "a b", "a/b", "../x", "a..b", "-a", "x" * 65, "ä", "a\n"])
def test_an_id_that_could_not_name_a_file_is_refused(bad: str) -> None:
    with pytest.raises(InvalidSetting, match="cannot be a channel id"):
        check_id(bad)


def test_a_refused_id_is_not_stored(registry: Registry) -> None:
    with pytest.raises(InvalidSetting):
        registry.add("a/b", REFRESH, CONNECTION)
    assert registry.list() == ()


def test_adding_again_reconnects_and_keeps_what_was_set(registry: Registry, add: Add) -> None:
    add()
    registry.store_settings("acme", field_map={"gclid": "GCLID"}, set_timezone="Europe/Berlin")
    record_sync(registry, "acme", "Leads", NOON, "complete", rows=5)
    registry.add_missing_scopes("acme", ("ZohoCRM.coql.READ",))
    registry.set_reconnect_needed("acme", "revoked")
    first = registry.get("acme")
    assert (first.status, first.status_detail) == ("reconnect_needed", "revoked")

    newer = Secret("1000.newer.token")
    again = add(token=newer, user_id="62", scopes=("ZohoCRM.modules.ALL",))
    assert (again.status, again.status_detail, again.user_id) == ("active", None, "62")
    assert again.scopes == ("ZohoCRM.modules.ALL",)
    assert again.missing_scopes == ()
    assert (again.field_map, again.timezone, again.created_at) == (first.field_map, "Europe/Berlin", first.created_at)
    assert again.modules == first.modules
    assert registry.token_store.refresh_token("acme") == newer


def test_a_paused_channel_stays_paused_through_a_reconnect(registry: Registry, add: Add) -> None:
    add()
    registry.pause("acme")
    registry.set_reconnect_needed("acme", "revoked")
    assert registry.get("acme").status == "paused"
    assert add().status == "paused"
    registry.resume("acme")
    assert registry.get("acme").status == "active"


def test_resume_does_not_replace_a_reconnect(registry: Registry, add: Add) -> None:
    add()
    registry.set_reconnect_needed("acme", "the token was revoked.")
    with pytest.raises(ChannelError, match=r"connected again first.*the token was revoked"):
        registry.resume("acme")
    registry.clear_reconnect_needed("acme")
    assert registry.get("acme").status == "active"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"org_id": "7000", "org_name": "Other"}),
        ({}, {"data_center": "eu"}),
        ({}, {"org_id": None, "user_id": "99"}),
        ({"org_id": None}, {"org_id": "6000", "user_id": "99"}),
    ],
)
def test_another_org_is_refused_and_changes_nothing(
    registry: Registry, add: Add, before: dict[str, object], after: dict[str, object]
) -> None:
    add(**before)
    known = registry.get("acme")
    with pytest.raises(OtherOrg, match=r"channel acme is connected to .* Use another channel id"):
        add(token=Secret("1000.other.token"), **after)
    with pytest.raises(OtherOrg):
        registry.refresh_connection("acme", replace(CONNECTION, **after))  # type: ignore[arg-type]
    assert registry.get("acme") == known
    assert registry.token_store.refresh_token("acme") == REFRESH


def test_a_verification_that_finds_nothing_new_writes_nothing(registry: Registry, add: Add) -> None:
    """Each sync verifies. A write beside those of 50 other syncs would wait for each of them on SQLite."""
    known = add()
    registry.store_settings("acme", set_timezone="Asia/Dubai", set_currency="AED")
    before = _stored(registry)
    with _counted_writes(registry) as writes:
        same = registry.refresh_connection("acme", CONNECTION)
        assert not writes
        renamed = registry.refresh_connection("acme", replace(CONNECTION, org_name="Acme Ltd", scopes=None))
        assert writes
    assert (same.timezone, same.currency, same.scopes) == ("Asia/Dubai", "AED", known.scopes)
    assert renamed.org_name == "Acme Ltd"
    assert renamed.scopes == known.scopes
    assert _stored(registry) == before | {"org_name": "Acme Ltd"}
    registry.set_reconnect_needed("acme", "why")
    assert registry.refresh_connection("acme", replace(CONNECTION, org_name="Acme Ltd")).status == "active"


def _stored(registry: Registry) -> dict[str, object]:
    with registry.database.read() as transaction:
        return dict(transaction.execute(select(tables.channels)).mappings().one())


@contextmanager
def _counted_writes(registry: Registry) -> Iterator[list[str]]:
    writes: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.lower().startswith(("update", "insert", "delete")):
            writes.append(statement)

    event.listen(registry.database.engine, "before_cursor_execute", note)
    try:
        yield writes
    finally:
        event.remove(registry.database.engine, "before_cursor_execute", note)


def test_the_same_user_may_lose_and_gain_sight_of_the_org(registry: Registry, add: Add) -> None:
    add(org_id=None, org_name=None, currency=None, edition=None)
    assert add().org_id == "6000"
    assert add(org_id=None, org_name=None, currency=None, edition=None).currency == "INR"


def test_two_channels_may_hold_equal_org_ids_of_two_centres(registry: Registry, add: Add) -> None:
    add("a")
    add("b", data_center="eu", api_domain="https://www.zohoapis.eu")
    registry.add_credits("a", 7)
    assert registry.credits_used("b") == 0


def test_a_sync_moves_the_bound_only_forward_and_only_when_complete(registry: Registry, add: Add) -> None:
    add()
    ist = timezone(timedelta(hours=5, minutes=30))
    record_sync(registry, "acme", "Leads", NOON.astimezone(ist), "complete", 10, 4, route="coql")
    record_sync(registry, "acme", "Leads", NOON + timedelta(hours=1), "failed", 0, 1, "broke off")
    leads = registry.get("acme").modules["Leads"]
    assert (leads.upper_bound, leads.outcome, leads.detail) == (NOON, "failed", "broke off")
    record_sync(registry, "acme", "Leads", NOON - timedelta(hours=1), "complete")
    assert registry.get("acme").modules["Leads"].upper_bound == NOON
    assert registry.get("acme").credits_used == 5
    with pytest.raises(UnknownChannel):
        record_sync(registry, "nobody", "Leads", NOON, "complete")
    with pytest.raises(ValueError, match="outcome"):
        record_sync(registry, "acme", "Leads", NOON, "fine")


def test_a_bound_from_after_zohos_clock_is_moved_back(registry: Registry, add: Add) -> None:
    """The bound came from a clock that was ahead. A failed sync shows this too."""
    add("acme")
    record_sync(registry, "acme", "Leads", NOON + timedelta(days=1), "complete")
    record_sync(registry, "acme", "Calls", NOON - timedelta(days=1), "complete")
    parts = [ModuleSync(name, None, "failed", not_after=NOON) for name in ("Leads", "Calls")]
    registry.record_syncs("acme", parts)
    bounds = {name: part.upper_bound for name, part in registry.get("acme").modules.items()}
    assert bounds == {"Leads": NOON, "Calls": NOON - timedelta(days=1)}


def test_the_last_complete_sync_is_the_slowest_modules(registry: Registry, add: Add) -> None:
    add()
    assert registry.get("acme").last_complete_sync_at is None
    record_sync(registry, "acme", "Leads", NOON, "complete")
    record_sync(registry, "acme", "Calls", NOON - timedelta(hours=2), "complete")
    record_sync(registry, "acme", "Notes", None, "skipped", detail="scope ZohoCRM.modules.notes.READ is not granted")
    channel = registry.get("acme")
    assert channel.last_complete_sync_at == NOON - timedelta(hours=2)
    assert channel.leads_readable
    assert channel.problems == ("Notes: scope ZohoCRM.modules.notes.READ is not granted",)
    record_sync(registry, "acme", "Deals", None, "failed")
    assert registry.get("acme").last_complete_sync_at is None


def test_leads_that_cannot_be_read_hold_the_channel_back(registry: Registry, add: Add) -> None:
    add()
    record_sync(registry, "acme", "Leads", None, "skipped", detail="module Leads is missing")
    record_sync(registry, "acme", "Calls", NOON, "complete")
    assert registry.get("acme").leads_readable is False
    assert registry.get("acme").last_complete_sync_at is None


def test_credits_count_for_a_day_and_for_the_whole_org(registry: Registry, add: Add) -> None:
    add("a")
    add("b")
    add("c", org_id="7000")
    registry.add_credits("a", 2.5)
    record_sync(registry, "b", "Leads", NOON, "complete", credits=10)
    registry.add_credits("c", 100)
    with registry.database.write() as transaction:
        old = {"channel_id": "a", "spent_at": datetime.now(UTC) - timedelta(hours=24, seconds=1), "credits": 50.0}
        transaction.execute(insert(tables.credits).values(old))
    assert [channel.credits_used for channel in registry.list()] == [2.5, 10, 100]
    assert registry.credits_used("a") == registry.credits_used("b") == 12.5


def test_scopes_say_what_a_channel_may(registry: Registry, add: Add) -> None:
    channel = add(scopes=("ZohoCRM.modules.ALL", "ZohoCRM.users.READ"))
    assert channel.allows("records", "Leads")
    assert not channel.allows("coql", "Leads")
    unknown = add(scopes=None)
    assert unknown.allows("coql", "Leads")
    registry.add_missing_scopes("acme", ("ZohoCRM.coql.READ",))
    registry.add_missing_scopes("acme", ("ZohoCRM.bulk.READ",))
    learnt = registry.get("acme")
    assert learnt.missing_scopes == ("ZohoCRM.bulk.READ", "ZohoCRM.coql.READ")
    assert not learnt.allows("coql", "Leads")
    assert learnt.allows("records", "Leads")
    # a verification uses the same grant, so what was missing stays missing
    verified = registry.refresh_connection("acme", replace(CONNECTION, scopes=None))
    assert verified.missing_scopes == learnt.missing_scopes


def test_hints_name_what_the_connection_hides(add: Add) -> None:
    assert add().hints == ()
    hints = " ".join(add("low", is_admin=False, org_id=None, currency=None).hints)
    assert "Asha is no administrator" in hints
    assert "--currency" in hints


def test_removing_takes_tokens_and_states_along_and_nothing_of_others(registry: Registry, add: Add) -> None:
    add("a")
    kept = add("b", org_id="7000", user_id="71")
    token = AccessToken(Secret("1000.access.token"), NOON, "https://www.zohoapis.in")
    registry.token_store.store_access("a", token, NOON, registry.token_store.fingerprint("a"))
    record_sync(registry, "a", "Leads", NOON, "complete", credits=3)
    registry.remove("a")
    assert registry.list() == (kept,)
    again = add("a")
    assert (again.modules, again.credits_used) == ({}, 0)
    assert registry.token_store.access_token("a") is None


def test_an_access_token_of_an_earlier_connection_is_not_used(registry: Registry, add: Add) -> None:
    add()
    token = AccessToken(Secret("1000.access.token"), NOON, "https://www.zohoapis.in", ("ZohoCRM.modules.READ",))
    registry.token_store.store_access("acme", token, NOON, registry.token_store.fingerprint("acme"))
    assert registry.token_store.access_token("acme") == token
    add(token=Secret("1000.another.refresh"))
    assert registry.token_store.access_token("acme") is None


def test_settings_that_do_not_exist_are_not_stored(registry: Registry, add: Add) -> None:
    add()
    with pytest.raises(ValueError, match="not a setting"):
        registry.store_settings("acme", status="active")
    with pytest.raises(ValueError, match="status"):
        registry.set_status("acme", "happy")


def test_a_state_is_used_once(registry: Registry) -> None:
    assert registry.claim_nonce("n1")
    assert not registry.claim_nonce("n1")
    assert registry.claim_nonce("n2")


def test_opening_with_a_new_key_first_encrypts_everything_again(
    registry: Registry, add: Add, settings: Settings
) -> None:
    add()
    token = AccessToken(Secret("1000.access.token"), NOON, "https://www.zohoapis.in")
    registry.token_store.store_access("acme", token, NOON, registry.token_store.fingerprint("acme"))
    old, new = settings.secret_keys[0], Secret("n" * 40)

    Registry(replace(settings, given_keys=(new, old)))
    only_new = Registry(replace(settings, given_keys=(new,)))
    assert only_new.token_store.refresh_token("acme") == REFRESH
    assert only_new.token_store.access_token("acme") == token
    assert Registry(replace(settings, given_keys=(new, old))).token_store.encrypt_again() == 0
    with pytest.raises(DecryptionError, match="ZOHO_PIPELINE_SECRET_KEY"):
        registry.token_store.refresh_token("acme")  # this registry object still has only the old key
