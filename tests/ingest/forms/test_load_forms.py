"""Submissions and keys of leads in the raw tables, by real syncs on both engines."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select, text, update

from tests.ingest.conftest import SyncBench
from tests.params import both_engines
from zoho_pipeline.channels.database.locks import channel_lock
from zoho_pipeline.channels.errors import ChannelBusy, ChannelError, RegistryError, UnknownChannel
from zoho_pipeline.channels.forms import person_keys, salts, submissions
from zoho_pipeline.channels.forms.form_keys import FormKeys
from zoho_pipeline.channels.forms.submissions import Submission
from zoho_pipeline.channels.registry.tables import form_channels, form_submissions
from zoho_pipeline.forms.forget import forget
from zoho_pipeline.forms.listing import COLUMNS, newest_submissions
from zoho_pipeline.forms.read_submission import TOUCH_FIELDS
from zoho_pipeline.ingest.catalog.tables import FORM_SUBMISSIONS
from zoho_pipeline.ingest.forms.load_forms import LOCK_KIND, delete_submissions, load_forms
from zoho_pipeline.ingest.load.channel_tables import publish
from zoho_pipeline.ingest.load.purge import purge_alone
from zoho_pipeline.settings import Secret


def salt_of(bench: SyncBench) -> Secret:
    found = salts.salt_of(bench.registry, "acme")
    assert found is not None
    return found


def put(bench: SyncBench, email: str = "asha@acme.in", phone: str = "", **values: Any) -> str:
    """Queue a submission as the web server does; its id."""
    salt, id_ = salt_of(bench), str(uuid4())
    plain: dict[str, Any] = {"submitted_at": None, "elapsed_ms": 9000, "touch": {"utm_source": "blog"}}
    plain |= {"email_key": person_keys.email_key(salt, email), "phone_key": person_keys.phone_key(salt, phone)}
    one = Submission(submission_id=id_, id_hash=person_keys.id_hash(salt, id_), **(plain | values))
    with bench.registry.database.write() as transaction:
        now = bench.registry.database.now_in(transaction)
        assert submissions.store(transaction, [("acme", one)], now) == ["stored"]
    return id_


def load(bench: SyncBench) -> int:
    return load_forms(bench.registry, bench.warehouse, "acme")


def loaded(bench: SyncBench) -> dict[str, dict[str, Any]]:
    return {row["submission_id"]: row for row in bench.rows("select * from zoho_raw.form_submissions")}


def keys(bench: SyncBench) -> dict[tuple[str, str], str]:
    """(lead, kind) → key."""
    rows = bench.rows("select * from zoho_raw.person_keys where module = 'Leads' and channel_id = 'acme'")
    found = {(row["id"], row["kind"]): row["key"] for row in rows}
    assert len(found) == len(rows)
    return found


def lead(**values: Any) -> dict[str, Any]:
    return {"Last_Name": "Rao", "Company": "Acme", **values}


@both_engines()
def test_a_sync_loads_submissions_and_makes_the_keys_of_leads(bench: SyncBench) -> None:
    FormKeys(bench.registry).add("acme", [])
    salt, at = salt_of(bench), datetime.now(UTC) - timedelta(days=2)
    values = lead(Email="Asha@Acme.in", Secondary_Email="a@home.in", Phone="+91 98765 43210", Mobile="12345")
    with_all = bench.org.insert("Leads", values)
    bench.org.insert("Leads", lead())
    submitted = put(bench, touch={"utm_source": "blog", "landing_url": "https://a.in/'x'"}, submitted_at=at)
    robot = put(bench, suspect_reason="honeypot")
    bench.sync()
    assert keys(bench) == {
        (with_all, "email"): person_keys.email_key(salt, "asha@acme.in"),
        (with_all, "secondary_email"): person_keys.email_key(salt, "a@home.in"),
        (with_all, "phone"): person_keys.phone_key(salt, "9876543210"),
    }
    rows = loaded(bench)
    row = rows[submitted]
    assert (row["submitted_at"], row["utm_source"], row["landing_url"]) == (at, "blog", "https://a.in/'x'")
    assert (row["is_suspect"], row["suspect_reason"], row["elapsed_ms"], row["gclid"]) == (False, None, 9000, None)
    assert row["email_key"] == keys(bench)[with_all, "email"]
    assert (rows[robot]["is_suspect"], rows[robot]["suspect_reason"]) == (True, "honeypot")


@both_engines()
def test_the_keys_follow_the_leads(bench: SyncBench) -> None:
    first, second, third = (bench.org.insert("Leads", lead(Email=f"{name}@acme.in")) for name in "abc")
    bench.sync()
    assert keys(bench) == {}  # no form key
    FormKeys(bench.registry).add("acme", [])
    publish(bench.settings, bench.registry, bench.warehouse)  # the step before a transform; Zoho is not asked
    salt = salt_of(bench)
    assert keys(bench) == {
        (id_, "email"): person_keys.email_key(salt, f"{name}@acme.in")
        for id_, name in zip((first, second, third), "abc", strict=True)
    }
    bench.sim.clock.advance(60)
    bench.org.update("Leads", first, {"Email": "new@acme.in", "Phone": "020 7946 0018"})
    bench.org.update("Leads", second, {"Email": None})
    bench.org.delete("Leads", third)
    bench.sync()
    assert keys(bench) == {
        (first, "email"): person_keys.email_key(salt, "new@acme.in"),
        (first, "phone"): person_keys.phone_key(salt, "020 7946 0018"),
    }
    bench.sim.clock.advance(60)
    bench.org.restore("Leads", third)
    bench.sync()
    assert (third, "email") in keys(bench)


@pytest.mark.long
def test_a_channel_without_forms_any_more_has_no_keys(bench: SyncBench) -> None:
    made, _ = FormKeys(bench.registry).add("acme", [])
    bench.org.insert("Leads", lead(Email="a@acme.in"))
    bench.sync()
    assert len(keys(bench)) == 1
    FormKeys(bench.registry).remove(made.form_key)
    load(bench)
    assert keys(bench) == {}


@pytest.mark.long
def test_a_removed_key_leaves_its_submissions_and_their_leads_linked(bench: SyncBench) -> None:
    made, _ = FormKeys(bench.registry).add("acme", [])
    bench.org.insert("Leads", lead(Email="asha@acme.in"))
    put(bench)
    bench.sync()
    FormKeys(bench.registry).remove(made.form_key)
    bench.sync()
    assert len(keys(bench)) == 1
    assert len(loaded(bench)) == 1


@both_engines()
def test_a_crash_between_the_two_databases_loads_nothing_twice(bench: SyncBench) -> None:
    """The rows are in the warehouse and still in the queue: this is the state that a kill leaves there."""
    FormKeys(bench.registry).add("acme", [])
    bench.sync()
    ids = {put(bench) for _ in range(3)}
    with bench.registry.database.read() as transaction:
        before = transaction.execute(select(form_submissions)).mappings().all()
    assert load(bench) == 3
    with bench.registry.database.write() as transaction:
        for row in before:
            again = update(form_submissions).where(form_submissions.c.id_hash == row["id_hash"])
            transaction.execute(again.values(state="waiting", row=row["row"]))
    ids.add(put(bench))
    assert load(bench) == 4
    assert load(bench) == 0
    assert len(bench.rows("select * from zoho_raw.form_submissions")) == 4
    assert loaded(bench).keys() == ids


def refused_beside_a_load(bench: SyncBench, work: Callable[[], object]) -> list[Exception]:
    """How work is refused in another thread while this one holds the lock of the channel's submissions."""
    refused: list[Exception] = []

    def try_it() -> None:
        try:
            work()
        except ChannelBusy as error:
            refused.append(error)

    with channel_lock(bench.settings, "acme", kind=LOCK_KIND):
        thread = threading.Thread(target=try_it)
        thread.start()
        thread.join()
    return refused


def test_while_another_process_loads_nobody_else_does(bench: SyncBench) -> None:
    FormKeys(bench.registry).add("acme", [])
    put(bench)
    refused = refused_beside_a_load(bench, lambda: load_forms(bench.registry, bench.warehouse, "acme", wait=0.0))
    assert len(refused) == 1
    assert loaded(bench) == {}
    assert load(bench) == 1


def test_a_salt_that_no_key_decrypts_stops_no_sync(bench: SyncBench) -> None:
    FormKeys(bench.registry).add("acme", [])
    put(bench)
    with bench.registry.database.write() as transaction:
        transaction.execute(update(form_channels).values(salt_seal="x:y"))
    bench.org.insert("Leads", lead(Email="a@acme.in"))
    report = bench.sync()
    assert {part.outcome for part in report.modules} == {"complete"}
    assert loaded(bench) == {}


def age(bench: SyncBench, submission_id: str, days: int) -> None:
    """Let a submission be so old, in the queue and in the warehouse, and let the next load look for old ones."""
    at = datetime.now(UTC) - timedelta(days=days)
    with bench.registry.database.write() as transaction:
        own = update(form_submissions).where(form_submissions.c.submission_id == submission_id)
        transaction.execute(own.values(received_at=at, kept_from=at))
        transaction.execute(update(form_channels).values(tidied_at=None))
    with bench.warehouse.connect(read_only=False) as connection:
        sql = "update zoho_raw.form_submissions set received_at = ? where submission_id = ?"
        connection.execute(sql, (at, submission_id))


def forget_when_tidied(bench: SyncBench) -> None:
    with bench.registry.database.write() as transaction:
        transaction.execute(update(form_channels).values(tidied_at=None))


@pytest.mark.long
def test_a_new_salt_hashes_all_leads_anew(bench: SyncBench) -> None:
    """Else a form would match the leads that changed since then alone."""
    FormKeys(bench.registry).add("acme", [])
    bench.org.insert("Leads", {"Last_Name": "Rao", "Email": "asha@acme.in", "Company": "C"})
    bench.sync("Leads")
    before = keys(bench)
    with bench.registry.database.write() as transaction:
        transaction.execute(update(form_channels).values(salt_seal="broken"))
    FormKeys(bench.registry).add("acme", [], new_salt=True)
    put(bench)
    assert load(bench) == 1
    (lead,) = before
    assert keys(bench) == {lead: person_keys.email_key(salt_of(bench), "asha@acme.in")} != before
    (row,) = loaded(bench).values()
    assert row["email_key"] == keys(bench)[lead]


@both_engines()
def test_what_belongs_to_no_lead_is_deleted_after_its_time(bench: SyncBench) -> None:
    FormKeys(bench.registry).add("acme", [])
    bench.org.insert("Leads", lead(Email="asha@acme.in", Phone="+91 98765 43210"))
    bench.sync()
    matched, by_phone = put(bench), put(bench, "else@acme.in", "09876543210")
    unmatched, young = put(bench, "nobody@acme.in"), put(bench, "nobody@acme.in")
    suspect = put(bench, suspect_reason="honeypot")
    load(bench)
    for one, days in ((matched, 91), (by_phone, 91), (unmatched, 91), (young, 89), (suspect, 91)):
        age(bench, one, days)
    load(bench)
    assert loaded(bench).keys() == {matched, by_phone, young}
    with bench.registry.database.read() as transaction:
        kept = set(transaction.scalars(select(form_submissions.c.submission_id)))
    assert kept == {matched, by_phone, young}


@both_engines()
def test_a_lead_of_much_later_keeps_no_submission(bench: SyncBench) -> None:
    """The marts link no lead that was created later than the window: it is somebody's next lead."""
    FormKeys(bench.registry).add("acme", [])
    bench.org.insert("Leads", lead(Email="asha@acme.in"))
    bench.org.insert("Leads", lead(Phone="+91 98765 43210"))
    bench.sync()
    day = timedelta(days=1)
    near, far = put(bench, submitted_at=datetime.now(UTC) - 6 * day), put(bench)
    far_phone, robot = put(bench, "else@acme.in", "9876543210"), put(bench, suspect_reason="honeypot")
    load(bench)
    created = bench.rows("select created_time from zoho_raw.leads")[0]["created_time"]
    with bench.warehouse.connect(read_only=False) as connection:
        sql = "update zoho_raw.form_submissions set submitted_at = ? where submission_id = any(?)"
        connection.execute(sql, (created - 91 * day, [far, far_phone]))
        connection.execute(sql, (created - 89 * day, [near]))
    for one in (near, far, far_phone, robot):
        age(bench, one, 91)
    load(bench)
    assert loaded(bench).keys() == {near}
    bench.registry.store_settings("acme", parameters={"forms_window_days": "88"})
    age(bench, near, 91)
    load(bench)
    assert loaded(bench) == {}


@pytest.mark.long
def test_the_time_begins_when_a_lead_is_deleted(bench: SyncBench) -> None:
    FormKeys(bench.registry).add("acme", [])
    id_ = bench.org.insert("Leads", lead(Email="asha@acme.in"))
    bench.sync()
    matched = put(bench)
    load(bench)
    age(bench, matched, 200)
    load(bench)  # it belongs to a lead, so its time begins again
    bench.sim.clock.advance(60)
    bench.org.delete("Leads", id_)
    bench.sync()
    assert keys(bench) == {}
    forget_when_tidied(bench)
    load(bench)
    assert loaded(bench).keys() == {matched}
    age(bench, matched, 91)
    load(bench)
    assert loaded(bench) == {}


def test_old_submissions_are_looked_for_once_per_day(bench: SyncBench) -> None:
    FormKeys(bench.registry).add("acme", [])
    old = put(bench, "nobody@acme.in")
    load(bench)
    age(bench, old, 91)
    with bench.registry.database.write() as transaction:
        transaction.execute(update(form_channels).values(tidied_at=datetime.now(UTC) - timedelta(hours=23)))
    load(bench)
    assert loaded(bench).keys() == {old}


@both_engines()
def test_forget_deletes_what_waits_and_what_is_loaded(bench: SyncBench) -> None:
    FormKeys(bench.registry).add("acme", [])
    bench.sync()
    first, other = put(bench), put(bench, "other@acme.in", "+91 98765 43210")
    load(bench)
    put(bench, " ASHA@acme.in")
    done = forget(bench.registry, bench.warehouse, "acme", email="Asha@Acme.IN ")
    assert (done.submissions, done.loaded) == (2, 1)
    load(bench)
    assert loaded(bench).keys() == {other}
    assert first not in loaded(bench)
    assert forget(bench.registry, bench.warehouse, "acme", email="asha@acme.in").submissions == 0
    assert forget(bench.registry, bench.warehouse, "acme", phone="98765-43210").submissions == 1
    assert loaded(bench) == {}
    with bench.registry.database.read() as transaction:
        states = transaction.scalars(select(form_submissions.c.state)).all()
    assert states == ["forgotten"] * 3


def test_a_person_is_forgotten_in_a_channel_whose_row_is_damaged(bench: SyncBench) -> None:
    FormKeys(bench.registry).add("acme", [])
    put(bench)
    with bench.registry.database.write() as transaction:
        transaction.execute(text("update registry_channels set field_map = '7'"))
    with pytest.raises(RegistryError):
        bench.registry.get("acme")
    assert forget(bench.registry, bench.warehouse, "acme", email="asha@acme.in").submissions == 1


def test_a_list_of_submissions_has_no_key_of_a_person(bench: SyncBench) -> None:
    FormKeys(bench.registry).add("acme", [])
    first = put(bench)
    load(bench)
    second = put(bench)
    rows = newest_submissions(bench.registry, bench.warehouse, "acme", 10)
    assert [(row["submission_id"], row["state"]) for row in rows] == [(second, "waiting"), (first, "loaded")]
    salt = salt_of(bench)
    assert str(person_keys.email_key(salt, "asha@acme.in")) not in repr(rows)
    assert not {name for row in rows for name in row if name.endswith("_key")}


def test_the_fields_of_a_form_are_the_columns_of_the_table() -> None:
    ours = {*TOUCH_FIELDS, "submission_id", "submitted_at", "received_at", "email_key", "phone_key", "elapsed_ms"}
    ours |= {"is_suspect", "suspect_reason", "consent_text_version", "channel_id", "synced_at"}
    assert {column.name for column in FORM_SUBMISSIONS.columns} == ours
    assert set(COLUMNS) < ours


@pytest.mark.parametrize("ids", [[], ["x"]])
def test_deleting_what_is_not_there(bench: SyncBench, ids: list[str]) -> None:
    with bench.warehouse.connect(read_only=False) as connection:
        assert delete_submissions(connection, "acme", ids) == 0


def test_a_removed_channel_is_loaded_no_more(bench: SyncBench) -> None:
    """A purge and a load may meet: what is loaded after the purge would stay for ever."""
    FormKeys(bench.registry).add("acme", [])
    bench.sync()
    put(bench)
    bench.registry.remove("acme")
    assert load(bench) == 0
    assert loaded(bench) == {}


@both_engines()
def test_a_removed_channel_keeps_no_submission_for_longer_and_forgets_a_person(bench: SyncBench) -> None:
    """Without a purge its rows stay. A person may still ask, and the time that the setting allows still ends."""
    FormKeys(bench.registry).add("acme", [])
    bench.sync()
    old, young, asha = put(bench, "nobody@acme.in"), put(bench, "nobody@acme.in"), put(bench)
    load(bench)
    waits, waits_long = put(bench), put(bench, "nobody@acme.in")
    bench.registry.remove("acme")
    for one, days in ((old, 91), (young, 89), (waits_long, 91)):
        age(bench, one, days)
    assert load(bench) == 0
    assert loaded(bench).keys() == {young, asha}
    with bench.registry.database.read() as transaction:
        kept = set(transaction.scalars(select(form_submissions.c.submission_id)))
    assert kept == {young, asha, waits}
    assert forget(bench.registry, bench.warehouse, "acme", email="asha@acme.in").submissions == 2
    assert loaded(bench).keys() == {young}
    with pytest.raises(UnknownChannel):
        forget(bench.registry, bench.warehouse, "other", email="asha@acme.in")


@pytest.mark.parametrize("email", ["asha", "Asha <asha@acme.in>", " ", "@"])
def test_what_is_no_address_is_not_looked_for(bench: SyncBench, email: str) -> None:
    """No form stores it, and an answer of 0 would look as if nothing of the person was there."""
    FormKeys(bench.registry).add("acme", [])
    put(bench)
    with pytest.raises(ChannelError, match="no e-mail address"):
        forget(bench.registry, bench.warehouse, "acme", email=email)


def test_a_purge_waits_for_a_load(bench: SyncBench) -> None:
    refused = refused_beside_a_load(bench, lambda: purge_alone(bench.settings, bench.warehouse, "acme", wait=0.0))
    assert len(refused) == 1
