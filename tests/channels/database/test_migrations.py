"""A registry that an earlier release filled: opening it keeps everything and adds what is new."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, DateTime, bindparam, text

from tests.channels.conftest import REFRESH
from zoho_pipeline.channels.database.database import Database
from zoho_pipeline.channels.registry import migrations
from zoho_pipeline.channels.registry.encryption import Encryptor, fingerprint
from zoho_pipeline.channels.registry.migrate import HEAD, VERSION_TABLE
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.channels.registry.token_budget import LIMIT, RequestInFlight
from zoho_pipeline.settings import Secret, Settings
from zoho_pipeline.zoho.errors import TokenThrottled

THEN = datetime(2026, 5, 1, 12, tzinfo=UTC)
STORED = THEN.replace(tzinfo=None)
ACCESS = Secret("1000.access.token")


@contextmanager
def revision(settings: Settings, number: str) -> Iterator[Connection]:
    """A transaction on a registry of that revision."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.set_main_option("path_separator", "os")
    with Database(settings).write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, number)
        assert connection.scalar(text(f"select version_num from {VERSION_TABLE}")) == number
        yield connection


def insert(connection: Connection, table: str, **values: object) -> None:
    names = ", ".join(values)
    places = ", ".join(f":{name}" for name in values)
    times = [bindparam(name, type_=DateTime) for name, value in values.items() if isinstance(value, datetime)]
    connection.execute(text(f"insert into {table} ({names}) values ({places})").bindparams(*times), values)


@pytest.fixture
def filled(settings: Settings) -> Settings:
    """A registry of revision 0001 with a channel, its tokens, a module, credits, a used consent, and ten requests."""
    encryptor, name = Encryptor(settings.secret_keys), fingerprint(REFRESH)
    with revision(settings, "0001") as connection:
        insert(
            connection, "registry_channels",
            channel_id="acme", data_center="in", accounts_server="https://accounts.zoho.in",
            api_domain="https://www.zohoapis.in", timezone="Asia/Kolkata", status="paused", missing_scopes="[]",
            field_map='{"gclid": "GCLID"}', lead_source_map="{}", parameters='{"trend_z": "2.5"}', org_id="6000",
            refresh_seal=encryptor.encrypt(REFRESH, "acme", "refresh"), refresh_fingerprint=name,
            connected_at=STORED, created_at=STORED,
        )  # fmt: skip
        insert(
            connection, "registry_modules",
            channel_id="acme", module="Leads", upper_bound=STORED, outcome="complete", rows=5, credits=3.0,
            synced_at=STORED,
        )  # fmt: skip
        insert(
            connection, "registry_access_tokens",
            channel_id="acme", seal=encryptor.encrypt(ACCESS, "acme", "access"), api_domain="https://www.zohoapis.in",
            refresh_fingerprint=name, minted_at=STORED, expires_at=STORED,
        )  # fmt: skip
        insert(connection, "registry_states", nonce="n1", used_at=datetime.now(UTC).replace(tzinfo=None))
        for second in range(LIMIT):
            insert(
                connection, "registry_mints",
                refresh_fingerprint=name, requested_at=STORED + timedelta(seconds=second),
            )  # fmt: skip
    return settings


def test_opening_a_filled_registry_of_the_first_revision_keeps_its_rows(filled: Settings) -> None:
    registry = Registry(filled)
    with registry.database.read() as connection:
        assert connection.scalar(text(f"select version_num from {VERSION_TABLE}")) == HEAD
    (channel,) = registry.list()
    assert (channel.id, channel.status, channel.org_id, channel.created_at) == ("acme", "paused", "6000", THEN)
    assert (channel.field_map, channel.parameters) == ({"gclid": "GCLID"}, {"trend_z": "2.5"})
    assert channel.chosen_modules == {}
    assert (channel.modules["Leads"].upper_bound, channel.modules["Leads"].rows) == (THEN, 5)
    assert registry.token_store.refresh_token("acme") == REFRESH
    token = registry.token_store.access_token("acme")
    assert token is not None
    assert (token.value, token.expires_at) == (ACCESS, THEN)
    assert not registry.claim_nonce("n1")


def test_the_requests_of_an_earlier_release_count_and_none_of_them_is_in_flight(filled: Settings) -> None:
    registry = Registry(filled)
    budget, name = registry.token_budget, registry.token_store.fingerprint("acme")
    assert budget.requests(name, THEN) == LIMIT
    with pytest.raises(TokenThrottled):
        budget.spend(name, THEN + timedelta(minutes=5), in_flight=True)
    later = THEN + timedelta(hours=1)
    number = budget.spend(name, later, in_flight=True)
    with pytest.raises(RequestInFlight):
        budget.spend(name, later)
    budget.finish(number)
    budget.spend(name, later)
