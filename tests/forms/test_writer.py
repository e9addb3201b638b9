"""The thread that stores submissions: what many senders and several processes get, and what happens beside it."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from sqlalchemy import func, select, text

from tests.channels.conftest import CONNECTION
from tests.registries import new_registry
from zoho_pipeline.channels.database.group_commit import QueueFull
from zoho_pipeline.channels.errors import RegistryError
from zoho_pipeline.channels.forms import person_keys
from zoho_pipeline.channels.forms.form_keys import FormKeys, OpenForm
from zoho_pipeline.channels.forms.submissions import Submission
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.channels.registry.tables import form_submissions
from zoho_pipeline.forms.writer import FormWriter
from zoho_pipeline.settings import Secret, load_settings


@pytest.fixture(params=["sqlite", "postgres"])
def registry(request: pytest.FixtureRequest, settings_env: Callable[..., dict[str, str]]) -> Registry:
    postgres = request.param == "postgres"
    url = {"ZOHO_PIPELINE_REGISTRY": request.getfixturevalue("postgres_registry_url")} if postgres else {}
    made = new_registry(load_settings(settings_env(**url)))
    made.add("acme", Secret("1000.a"), CONNECTION)
    return made


@pytest.fixture
def forms(registry: Registry) -> list[OpenForm]:
    keys = FormKeys(registry)
    opened = [keys.open(keys.add("acme", [])[0].form_key) for _ in range(2)]
    return [form for form in opened if form is not None]


def submission(form: OpenForm, submission_id: str, suspect: str | None = None) -> Submission:
    key = person_keys.email_key(form.salt, "asha@acme.in")
    hashed = person_keys.id_hash(form.salt, submission_id)
    return Submission(submission_id, hashed, None, key, None, None, {"utm_source": "blog"}, suspect)


def count(registry: Registry) -> int:
    with registry.database.read() as transaction:
        return int(transaction.scalar(select(func.count()).select_from(form_submissions)) or 0)


def test_what_several_processes_get_at_once_is_stored_once(registry: Registry, forms: list[OpenForm]) -> None:
    """Each writer stands for a process: it has a thread and connections of its own."""
    writers = [FormWriter(registry.database.keeping_connections()) for _ in range(3)]
    ids = [str(uuid4()) for _ in range(40)]
    sent = [(writer, id_) for id_ in ids for writer in writers]
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda one: one[0].put(forms[0], submission(forms[0], one[1])).result(60), sent))
    assert Counter(answers) == {"stored": 40, "replay": 80}
    assert count(registry) == 40
    assert FormKeys(registry).get(forms[0].form_key).stored == 40


def test_a_request_that_is_broken_off_stops_no_other(registry: Registry, forms: list[OpenForm]) -> None:
    """The server breaks off what still runs when it must stop. The writer went with the first one."""
    writer = FormWriter(registry.database)
    with registry.database.write():  # the writer waits, on SQLite
        done = [writer.put(forms[0], submission(forms[0], str(uuid4()))) for _ in range(3)]
        for one in done:
            one.cancel()
    assert [one.result(60) for one in done] == ["stored"] * 3
    assert writer.put(forms[0], submission(forms[0], str(uuid4()))).result(60) == "stored"


def test_a_thread_that_cannot_start_is_started_with_the_next_submission(
    registry: Registry, forms: list[OpenForm]
) -> None:
    """A container may limit its threads. Once, the writer was taken for started, and nothing was stored any more."""
    writer = FormWriter(registry.database)
    before = threading.stack_size(2**47)  # bytes; no system has so much for a thread
    try:
        with pytest.raises(RuntimeError, match="thread"):
            writer.put(forms[0], submission(forms[0], str(uuid4())))
    finally:
        threading.stack_size(before)
    assert writer.put(forms[0], submission(forms[0], str(uuid4()))).result(60) == "stored"
    assert count(registry) == 1


def test_each_key_counts_its_own(registry: Registry, forms: list[OpenForm]) -> None:
    writer = FormWriter(registry.database)
    first, second = forms
    done = [writer.put(first, submission(first, str(uuid4()), "honeypot")), writer.put(first, None)]
    done += [writer.put(second, submission(second, str(uuid4()))), writer.put(second, None), writer.put(second, None)]
    assert [one.result(60) for one in done] == ["stored", "no_consent", "stored", "no_consent", "no_consent"]
    found = FormKeys(registry).list("acme")
    assert sorted((key.stored, key.suspect, key.no_consent) for key in found) == [(1, 0, 2), (1, 1, 1)]


def test_a_key_that_is_removed_meanwhile_stores_nothing(registry: Registry, forms: list[OpenForm]) -> None:
    first, second = forms
    FormKeys(registry).remove(first.form_key)
    writer = FormWriter(registry.database)
    done = [writer.put(first, submission(first, str(uuid4()))), writer.put(first, None)]
    done.append(writer.put(second, submission(second, str(uuid4()))))
    assert [one.result(60) for one in done] == ["unknown_key", "unknown_key", "stored"]
    assert count(registry) == 1


def test_too_much_is_refused_and_a_broken_registry_is_told(registry: Registry, forms: list[OpenForm]) -> None:
    with pytest.raises(QueueFull):
        FormWriter(registry.database, most_waiting=0).put(forms[0], None)
    writer = FormWriter(registry.database)
    with registry.database.write() as transaction:
        transaction.execute(text("drop table registry_form_submissions"))
    with pytest.raises(RegistryError):
        writer.put(forms[0], submission(forms[0], str(uuid4()))).result(60)
    assert writer.put(forms[0], None).result(60) == "no_consent"  # the thread goes on
