"""Form keys, salts and the queue in the registry."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import select, text

from tests.channels.conftest import CONNECTION
from tests.registries import new_registry
from zoho_pipeline.channels.errors import ChannelError, DecryptionError, InvalidSetting, UnknownChannel
from zoho_pipeline.channels.forms import person_keys, salts, submissions
from zoho_pipeline.channels.forms.form_keys import FormKeys
from zoho_pipeline.channels.forms.submissions import Submission
from zoho_pipeline.channels.platform.purges import Purges
from zoho_pipeline.channels.registry import tables as form_tables
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.settings import Secret, load_settings

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
SALT = Secret("a" * 64)


@pytest.fixture(params=["sqlite", "postgres"])
def registry(request: pytest.FixtureRequest, settings_env: Callable[..., dict[str, str]]) -> Registry:
    postgres = request.param == "postgres"
    url = {"ZOHO_PIPELINE_REGISTRY": request.getfixturevalue("postgres_registry_url")} if postgres else {}
    made = new_registry(load_settings(settings_env(**url)))
    made.add("acme", Secret("1000.a"), CONNECTION)
    return made


def submission(submission_id: str = "", **values: object) -> Submission:
    id_ = submission_id or str(uuid4())
    plain: dict[str, object] = {"submitted_at": None, "email_key": "e", "phone_key": None, "elapsed_ms": None}
    return Submission(id_, person_keys.id_hash(SALT, id_), **(plain | {"touch": {}} | values))  # type: ignore[arg-type]


def put(registry: Registry, *given: Submission, channel: str = "acme", now: datetime = NOW) -> list[str]:
    with registry.database.write() as transaction:
        return list(submissions.store(transaction, [(channel, one) for one in given], now))


def test_a_channel_gets_one_salt_that_no_table_shows(registry: Registry) -> None:
    assert salts.salt_of(registry, "acme") is None
    first, secret = FormKeys(registry).add("acme", ["https://www.acme.in:443", "http://localhost:8000"])
    salt = salts.salt_of(registry, "acme")
    FormKeys(registry).add("acme", [])
    assert salt is not None
    assert salts.salt_of(registry, "acme") == salt
    assert first.origins == ("http://localhost:8000", "https://www.acme.in")
    with registry.database.read() as transaction:
        seen = repr(transaction.execute(select(form_tables.form_channels)).all())
        seen += repr(transaction.execute(select(form_tables.form_keys)).all())
    assert salt.reveal() not in seen
    assert secret.reveal() not in seen
    assert salts.channels_with_forms(registry) == ["acme"]


def test_an_open_form_has_the_secrets(registry: Registry) -> None:
    made, secret = FormKeys(registry).add("acme", ["https://www.acme.in"])
    form = FormKeys(registry).open(made.form_key)
    assert form is not None
    assert (form.channel_id, form.secret, form.salt) == ("acme", secret, salts.salt_of(registry, "acme"))
    assert secret.reveal() not in repr(form)
    assert FormKeys(registry).open("fk_0") is None


def test_bad_input_changes_nothing(registry: Registry) -> None:
    keys = FormKeys(registry)
    with pytest.raises(InvalidSetting):
        keys.add("acme", ["https://www.acme.in/page"])
    with pytest.raises(UnknownChannel):
        keys.add("nobody", [])
    with pytest.raises(ChannelError, match="forms list"):
        keys.remove("fk_0")
    assert keys.list("acme") == []
    assert salts.salt_of(registry, "acme") is None


def test_a_new_key_of_the_registry_encrypts_again(
    registry: Registry, settings_env: Callable[..., dict[str, str]]
) -> None:
    made, secret = FormKeys(registry).add("acme", [])
    salt = salts.salt_of(registry, "acme")
    old = registry.settings.secret_keys[0].reveal()
    env = settings_env(ZOHO_PIPELINE_REGISTRY=registry.settings.registry_url)
    Registry(load_settings({**env, "ZOHO_PIPELINE_SECRET_KEY": f"{'n' * 40},{old}"}))
    later = Registry(load_settings({**env, "ZOHO_PIPELINE_SECRET_KEY": "n" * 40}))
    assert salts.salt_of(later, "acme") == salt
    form = FormKeys(later).open(made.form_key)
    assert form is not None
    assert form.secret == secret


def test_without_the_key_of_the_registry_a_new_salt_is_made_on_request_only(
    registry: Registry, settings_env: Callable[..., dict[str, str]]
) -> None:
    """The key may only be missing for a while. Each message names a cure that works without it."""
    made, _ = FormKeys(registry).add("acme", [])
    salt = salts.salt_of(registry, "acme")
    env = settings_env(ZOHO_PIPELINE_REGISTRY=registry.settings.registry_url)
    later = Registry(load_settings({**env, "ZOHO_PIPELINE_SECRET_KEY": "n" * 40}))
    keys = FormKeys(later)
    for call in (lambda: keys.add("acme", []), lambda: keys.open(made.form_key), lambda: salts.salt_of(later, "acme")):
        with pytest.raises(DecryptionError, match="Or make a new one: zoho-pipeline forms keys add acme --new-salt"):
            call()
    assert [key.form_key for key in keys.list("acme")] == [made.form_key]
    assert salts.salt_of(registry, "acme") == salt
    other, _ = keys.add("acme", [], new_salt=True)
    assert salts.salt_of(later, "acme") not in (None, salt)
    assert keys.open(other.form_key) is not None
    with pytest.raises(DecryptionError, match=f"zoho-pipeline forms keys remove {made.form_key}"):
        keys.open(made.form_key)
    keys.remove(made.form_key)
    kept = salts.salt_of(later, "acme")
    keys.add("acme", [], new_salt=True)  # a salt that can be read is never replaced
    assert salts.salt_of(later, "acme") == kept


def test_what_comes_twice_is_stored_once_also_in_one_transaction(registry: Registry) -> None:
    one = submission()
    other = submission(one.submission_id, email_key="f")
    assert put(registry, one, one, other) == ["stored", "replay", "conflict"]
    assert put(registry, one, other) == ["replay", "conflict"]
    assert put(registry, one, channel="other") == ["stored"]  # a row of a removed channel needs no channel


def test_a_known_id_is_recognised_however_late_it_comes(registry: Registry) -> None:
    one = submission(submitted_at=NOW)
    assert put(registry, one) == ["stored"]
    later = NOW + timedelta(days=8)
    assert put(registry, one, now=later) == ["replay"]
    assert put(registry, submission(submitted_at=NOW), now=later) == ["bad_time"]
    with registry.database.write() as transaction:
        submissions.forget(transaction, "acme", [one.id_hash], later)
    assert put(registry, one, now=later) == ["gone"]


def test_many_at_once(registry: Registry) -> None:
    many = [submission() for _ in range(500)]
    assert put(registry, *many) == ["stored"] * 500
    assert put(registry, *many) == ["replay"] * 500
    with registry.database.read() as transaction:
        assert len(submissions.waiting(transaction, "acme", 1000)) == 500
    with registry.database.write() as transaction:
        submissions.note_loaded(transaction, "acme", [one.submission_id for one in many])
        kept = transaction.execute(select(form_tables.form_submissions)).mappings().all()
    assert {(row["row"], row["email_key"], row["phone_key"]) for row in kept} == {(None, None, None)}


def test_a_channel_is_loaded_first_and_then_when_something_waits(registry: Registry) -> None:
    assert salts.channels_to_load(registry) == []
    FormKeys(registry).add("acme", [])
    assert salts.channels_to_load(registry) == ["acme"]
    with registry.database.write() as transaction:
        salts.note_tidied(transaction, "acme", NOW)
    assert salts.channels_to_load(registry) == []
    put(registry, submission(), submission(), channel="removed")
    assert salts.channels_to_load(registry) == []
    put(registry, submission(), submission())
    assert salts.channels_to_load(registry) == ["acme"]


def test_the_salt_outlives_a_removal_and_not_a_purge(registry: Registry) -> None:
    FormKeys(registry).add("acme", [])
    salt = salts.salt_of(registry, "acme")
    put(registry, submission())
    registry.remove("acme")
    assert salts.salt_of(registry, "acme") == salt
    assert salts.channels_with_forms(registry) == []
    Purges(registry.database).done("acme")
    assert salts.salt_of(registry, "acme") is None
    with registry.database.read() as transaction:
        for name in ("form_channels", "form_keys", "form_submissions"):
            assert transaction.scalar(text(f"select count(*) from registry_{name}")) == 0
