"""A row of the registry that cannot be read, or decrypted, costs only its channel."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from tests.channels.conftest import CONNECTION, REFRESH
from tests.channels.registry.test_registry import NOON
from tests.params import combined, each_nth
from zoho_pipeline.channels.errors import DecryptionError, RegistryError
from zoho_pipeline.channels.registry.channel_events import newest_number
from zoho_pipeline.channels.registry.channel_rows import read_channel_page
from zoho_pipeline.channels.registry.model import Channel, ModuleSync
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.settings import Secret, Settings
from zoho_pipeline.zoho.accounts.oauth import AccessToken
from zoho_pipeline.zoho.errors import TokenThrottled

Add = Callable[..., Channel]
OTHER = Secret("1000.other0000000000000000000000000.00000000000000000000000000000000")
SEALS = ["", "x", "no-such-key:gAAAA", "ffffffff:" + "A" * 120, "é:ü", "12345"]


def spoil(registry: Registry, column: str, value: Any, table: str = "registry_channels") -> None:
    """Write a value into a column of channel acme, as nobody but a damaged disk or a person would."""
    with registry.database.write() as connection:
        statement = text(f"update {table} set {column} = :value where channel_id = 'acme'")
        connection.execute(statement, {"value": value})


@pytest.mark.parametrize("seal", each_nth(2, SEALS))
def test_a_refresh_token_that_no_key_decrypts_stops_only_its_channel(
    registry: Registry, add: Add, settings: Settings, seal: str
) -> None:
    add("acme")
    add("beta", OTHER, org_id="7000")
    spoil(registry, "refresh_seal", seal)
    keys = (Secret("n" * 40), settings.secret_keys[0])

    rotated = Registry(replace(settings, given_keys=keys))
    assert [channel.id for channel in rotated.list()] == ["acme", "beta"]
    with pytest.raises(DecryptionError, match="zoho-pipeline connect acme"):
        rotated.token_store.refresh_token("acme")
    only_new = Registry(replace(settings, given_keys=keys[:1]))
    assert only_new.token_store.refresh_token("beta") == OTHER, "the others were encrypted with the newest key"

    only_new.add("acme", REFRESH, CONNECTION)  # the cure
    assert only_new.token_store.refresh_token("acme") == REFRESH


@pytest.mark.parametrize("seal", each_nth(2, SEALS))
def test_an_access_token_that_no_key_decrypts_is_as_good_as_none(
    registry: Registry, add: Add, settings: Settings, seal: str
) -> None:
    add("acme")
    token = AccessToken(Secret("1000.access.token"), NOON, "https://www.zohoapis.in")
    registry.token_store.store_access("acme", token, NOON, registry.token_store.fingerprint("acme"))
    assert registry.token_store.access_token("acme") == token
    spoil(registry, "seal", seal, "registry_access_tokens")
    rotated = Registry(replace(settings, given_keys=(Secret("n" * 40), settings.secret_keys[0])))
    assert rotated.token_store.access_token("acme") is None
    assert rotated.token_store.refresh_token("acme") == REFRESH


COLUMNS = ("field_map", "lead_source_map", "parameters", "missing_scopes", "scopes", "chosen_modules")
NO_JSON = ('{"utm_source": ', "", "7", "\x01\x02")


@pytest.mark.parametrize(
    ("column", "value"), combined(COLUMNS, NO_JSON, quick=[*zip(COLUMNS, (*NO_JSON, *NO_JSON[2:]), strict=True)])
)
def test_a_row_that_cannot_be_read_stops_only_its_channel(
    registry: Registry, add: Add, column: str, value: str
) -> None:
    add("acme")
    add("beta", OTHER, org_id="7000")
    spoil(registry, column, value)

    damaged, whole = registry.list()
    assert (damaged.id, damaged.is_damaged, damaged.status, damaged.org_id) == (
        "acme",
        True,
        "reconnect_needed",
        "6000",
    )
    assert (whole.id, whole.is_damaged, whole.field_map) == ("beta", False, {})
    cure = r"row of channel acme is damaged\. Run zoho-pipeline channels remove acme"
    for call in (registry.get, registry.pause, lambda name: registry.add(name, REFRESH, CONNECTION)):
        with pytest.raises(RegistryError, match=cure):
            call("acme")
    assert registry.token_store.refresh_token("acme") == REFRESH, "it can still be revoked"

    registry.remove("acme")  # the cure
    registry.add("acme", REFRESH, CONNECTION)
    assert [channel.is_damaged for channel in registry.list()] == [False, False]


def test_a_time_that_cannot_be_read_stops_only_its_channel(registry: Registry, add: Add) -> None:
    add("acme")
    add("beta", OTHER, org_id="7000")
    if registry.database.is_postgres:
        pytest.skip("Postgres checks the type of a column")
    spoil(registry, "connected_at", "yesterday")
    assert [channel.is_damaged for channel in registry.list()] == [True, False]
    registry.remove("acme")
    assert [channel.id for channel in registry.list()] == ["beta"]


WRONG: list[tuple[str, Any]] = [
    ("registry_channels.users_licensed", "many"), ("registry_channels.edition", b"\xff\x00"),
    ("registry_channels.tenant", b"\xff"), ("registry_channels.data_center", b"\xff"),
    ("registry_channels.timezone", b"\xff"), ("registry_channels.set_timezone", b"\xff"),
    ("registry_channels.scopes", "[1, 2]"), ("registry_channels.missing_scopes", "[null]"),
    ("registry_channels.parameters", '{"topic_min_leads": [1]}'), ("registry_modules.credits", "none"),
    ("registry_modules.rows", b"1"), ("registry_channels.field_map", "[" * 100_000),
    ("registry_channels.chosen_modules", '{"Web inars": "flat"}'),
    ("registry_channels.chosen_modules", '{"Webinars": "all"}'),
]  # fmt: skip


@pytest.mark.parametrize(("place", "value"), WRONG)
def test_a_value_of_another_type_stops_only_its_channel(sqlite_settings: Settings, place: str, value: Any) -> None:
    """SQLite stores any value in any column. The removal, which is the cure, reads none of them."""
    registry = Registry(sqlite_settings)
    registry.add("acme", REFRESH, CONNECTION)
    registry.add("beta", OTHER, replace(CONNECTION, org_id="7000"))
    registry.record_syncs("acme", [ModuleSync("Leads", NOON, "complete")])
    table, _, column = place.partition(".")
    spoil(registry, column, value, table)
    assert [channel.is_damaged for channel in registry.list()] == [True, False]
    with pytest.raises(RegistryError, match="zoho-pipeline channels remove acme"):
        registry.get("acme")
    registry.remove("acme")
    registry.add("acme", REFRESH, CONNECTION)
    assert [channel.is_damaged for channel in registry.list()] == [False, False]


@pytest.mark.parametrize(("column", "value"), [("scopes", "-1"), ("scopes", "{"), ("expires_at", "never"), ("seal", 5)])
def test_a_damaged_access_token_is_as_good_as_none(sqlite_settings: Settings, column: str, value: Any) -> None:
    registry = Registry(sqlite_settings)
    registry.add("acme", REFRESH, CONNECTION)
    token = AccessToken(Secret("1000.access.token"), NOON, "https://www.zohoapis.in")
    registry.token_store.store_access("acme", token, NOON, registry.token_store.fingerprint("acme"))
    spoil(registry, column, value, "registry_access_tokens")
    assert registry.token_store.access_token("acme") is None


@pytest.mark.parametrize(("column", "value"), [("blocked_seconds", "x"), ("requested_at", "soon"), ("zoho_at", "{")])
def test_a_damaged_count_of_token_requests_heals_in_ten_minutes(
    sqlite_settings: Settings, column: str, value: str
) -> None:
    """It outlives the channel, so nobody could remove it. Until it is right again, no request is sent."""
    budget = Registry(sqlite_settings).token_budget
    for _ in range(9):
        budget.spend("fp", NOON)
    with Registry(sqlite_settings).database.write() as connection:
        connection.execute(text(f"update registry_mints set {column} = :value"), {"value": value})
    for minute in (0, 5):
        with pytest.raises(TokenThrottled):
            budget.spend("fp", NOON + timedelta(minutes=minute))
    for _ in range(10):
        budget.spend("fp", NOON + timedelta(minutes=11))
    with pytest.raises(TokenThrottled):
        budget.spend("fp", NOON + timedelta(minutes=11))


@pytest.mark.parametrize("stored", ["x", b"\xff", 1.5, -7, 0, 2**63 - 1])
def test_a_damaged_number_of_events_goes_on_beyond_all_that_were_seen(sqlite_settings: Settings, stored: Any) -> None:
    """It outlives the channel, so `channels remove` must get past it. A second event had the number of the first."""
    registry = Registry(sqlite_settings)
    registry.add("acme", REFRESH, CONNECTION)
    spoil(registry, "seq", stored, "registry_event_numbers")
    registry.pause("acme")
    registry.remove("acme")
    with registry.database.read() as transaction:
        rows = transaction.execute(text("select seq, type from registry_channel_events order by seq")).all()
        newest = newest_number(transaction, "acme")
    assert [row.type for row in rows][-1] == "connection.removed"
    assert (rows[-1].seq, rows[-2].seq) == (newest, newest - 1)
    assert newest > 1_000_000_000


def test_a_page_of_channels_has_the_damaged_one_and_the_others(registry: Registry, add: Add) -> None:
    for number, channel_id in enumerate(("acme", "beta", "gamma")):
        add(channel_id, Secret(f"1000.{number:032}.{number:032}"), org_id=str(7000 + number))
    spoil(registry, "field_map", "{")
    with registry.database.read() as connection:
        first = read_channel_page(registry.database, connection, limit=2)
        second = read_channel_page(registry.database, connection, limit=2, after="beta")
        empty = read_channel_page(registry.database, connection, limit=2, after="gamma")
    assert [(channel.id, channel.is_damaged) for channel in first] == [("acme", True), ("beta", False)]
    assert [(channel.id, channel.is_damaged) for channel in second] == [("gamma", False)]
    assert empty == ()
