"""Deliveries at the wire: what is trusted, what is refused, and that an answer comes after the commit."""

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select

from tests.push.conftest import PushBench
from zoho_pipeline.channels.database.group_commit import QueueFull
from zoho_pipeline.channels.platform import push_queue
from zoho_pipeline.channels.platform.push_queue import Hint
from zoho_pipeline.channels.registry import platform_tables as tables
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.push import hooks, receive
from zoho_pipeline.push.hooks import Heard
from zoho_pipeline.push.receive import Malformed
from zoho_pipeline.push.store import SubscriptionStore
from zoho_pipeline.push.writer import PushWriter

BOTH = pytest.mark.parametrize("registry_env", ["sqlite", "postgres"], indirect=True)
SHARED = hooks.WEBHOOK


@pytest.fixture
def known(bench: PushBench) -> PushBench:
    """A channel with a subscription that needed no call to Zoho."""
    bench.connect(leads=0)
    given = {"hook": hooks.new_secret(), "token": hooks.new_secret()}
    SubscriptionStore(bench.place.registry).insert("acme", "4711", given, bench.place.registry.database.now())
    return bench


def heard(bench: PushBench) -> Heard:
    """The hook of the channel as the gate knows it."""
    database = bench.place.registry.database
    with database.read() as transaction:
        found = hooks.heard(transaction, bench.secrets()["hook"], database.now())
    assert found is not None
    return found


@BOTH
def test_a_trusted_delivery_is_stored_before_it_is_answered(known: PushBench) -> None:
    answer = known.deliver(["1", 2, "1"])
    assert (answer.status_code, answer.json()) == (200, {"accepted": 2})
    assert {id_: (row["n"], row["is_trusted"], row["state"]) for id_, row in known.dirty().items()} == {
        "1": (1, True, "new"),
        "2": (1, True, "new"),
    }
    assert known.deliver(["1"], operation="delete").status_code == 200
    row = known.dirty()["1"]
    assert (row["n"], row["operation"]) == (2, "delete")
    assert (known.row().deliveries, known.row().doubtful) == (2, 0)
    assert known.row().last_delivery_at is not None


@pytest.mark.parametrize("token", [None, ...], ids=["null", "absent"])
def test_a_delivery_without_a_token_is_a_nudge_and_never_a_deletion(known: PushBench, token: Any) -> None:
    assert known.deliver(["1"], token=token, operation="delete").json() == {"accepted": 1}
    assert known.dirty()["1"]["is_trusted"] is False
    assert known.row().doubtful == 1
    known.deliver(["2"], operation="update")
    known.deliver(["2"], token=token, operation="delete")
    row = known.dirty()["2"]
    assert (row["operation"], row["is_trusted"], row["n"]) == ("update", True, 2)


def test_trust_does_not_outlive_the_record_that_was_served(known: PushBench) -> None:
    known.deliver(["1"], operation="delete")
    database = known.place.registry.database
    with database.write() as transaction:
        now = database.now_in(transaction)
        push_queue.mark_loaded(transaction, "acme", push_queue.take(transaction, "acme", now, 10), now, 0.0)
    assert known.dirty()["1"]["state"] == "loaded"
    known.deliver(["1"], token=None, operation="delete")
    row = known.dirty()["1"]
    assert (row["state"], row["is_trusted"], row["raw_seconds"]) == ("new", False, None)


@pytest.mark.parametrize("token", ["wrong", "", 7, True, [], {"a": 1}, "t" * 100_000])
def test_a_wrong_token_stores_nothing(known: PushBench, token: Any) -> None:
    answer = known.deliver(["1"], token=token)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert known.dirty() == {}


@pytest.mark.parametrize("hook", ["x" * 43, "x", "x" * 5_000, "%2e%2e", "ä" * 43])
def test_an_unknown_hook_is_refused(known: PushBench, hook: str) -> None:
    answer = known.deliver(["1"], hook=hook, token=known.secrets()["token"])
    assert answer.status_code == 401
    assert known.dirty() == {}


def test_an_unknown_hook_is_judged_before_the_body_is_read(known: PushBench) -> None:
    """The head says that a megabyte follows; the answer comes without it."""
    head = f"POST {SHARED}/{'x' * 43} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n{{".encode()
    with socket.create_connection(("127.0.0.1", int(known.url.rpartition(":")[2])), timeout=30) as connection:
        connection.sendall(head)
        assert connection.recv(65536).startswith(b"HTTP/1.1 401")
    assert known.http.post(f"{SHARED}/{'x' * 43}", content=b"x" * 2_000_000).status_code in (401, 429)


def test_a_body_of_more_than_a_mebibyte_is_too_large(known: PushBench) -> None:
    path = f"{SHARED}/{known.secrets()['hook']}"
    for where in (path, SHARED):
        assert known.http.post(where, content=b" " * (1024 * 1024 + 1)).status_code == 413

    def parts() -> Iterator[bytes]:
        for _ in range(20):
            yield b" " * 65_536

    assert known.http.post(path, content=parts()).status_code == 413
    most = json.dumps({"module": "Leads", "ids": [str(n) for n in range(10_000)], "token": known.secrets()["token"]})
    assert known.http.post(path, content=most.encode().ljust(1024 * 1024)).json() == {"accepted": 10_000}


@pytest.mark.parametrize("media_type", ["application/json", "text/plain", "application/x-www-form-urlencoded", "no"])
def test_the_content_type_does_not_matter(known: PushBench, media_type: str) -> None:
    body = json.dumps({"module": "Leads", "ids": [1], "token": known.secrets()["token"]})
    headers = {"Content-Type": media_type}
    assert known.http.post(f"{SHARED}/{known.secrets()['hook']}", content=body, headers=headers).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"[" * 5_000,
        b'{"ids": [1]}',
        b'{"module": "Leads"}',
        b'{"module": "Leads", "ids": "1"}',
        b'{"module": "Leads", "ids": [1.5]}',
        b'{"module": "Leads", "ids": [true]}',
        b'{"module": "Leads", "ids": ["a"]}',
        b'{"module": "Leads", "ids": [null]}',
        b'{"module": "Leads", "ids": [-1]}',
        b'{"module": "Leads", "ids": ["1 or 1=1"]}',
        b'{"module": 5, "ids": [1]}',
        b'{"module": "Leads", "ids": [1], "channel_id": {}}',
        json.dumps({"module": "Leads", "ids": ["9" * 33]}).encode(),
        json.dumps({"module": "Leads", "ids": list(range(10_001))}).encode(),
    ],
)
def test_a_body_that_is_no_notification_is_refused(known: PushBench, body: bytes) -> None:
    answer = known.http.post(f"{SHARED}/{known.secrets()['hook']}", content=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert known.dirty() == {}


def test_the_shared_path_needs_the_number_and_the_token(known: PushBench) -> None:
    token = known.secrets()["token"]
    body = {"module": "Leads", "ids": [1], "channel_id": 4711, "token": token}
    assert known.http.post(SHARED, json=body).json() == {"accepted": 1}
    assert known.http.post(SHARED, json=body | {"channel_id": "4711", "ids": ["2"]}).json() == {"accepted": 1}
    for wrong in ({"token": None}, {"token": "x"}, {"channel_id": 4712}, {"channel_id": None}):
        assert known.http.post(SHARED, json=body | wrong | {"ids": [9]}).status_code == 401
    assert set(known.dirty()) == {"1", "2"}


@BOTH
def test_refused_deliveries_are_limited_and_trusted_ones_never(known: PushBench) -> None:
    statuses = [known.deliver(["1"], hook="x" * 43, token="t").status_code for _ in range(22)]
    assert statuses == [401] * 20 + [429] * 2
    answer = known.deliver(["1"], hook="y" * 43, token="t")
    assert answer.headers["Retry-After"]
    assert [known.deliver([n]).status_code for n in range(30)] == [200] * 30


def test_the_old_hook_and_its_token_are_heard_for_a_day(known: PushBench) -> None:
    old = known.secrets()
    store = SubscriptionStore(known.place.registry)
    store.change_hook("acme", {"hook": hooks.new_secret(), "token": hooks.new_secret()})
    new = known.secrets()
    assert new["hook"] != old["hook"]
    assert (new["workflow"], new["secret"]) == (old["workflow"], old["secret"]), "a person pasted these"
    assert known.deliver(["1"], hook=old["hook"], token=old["token"]).status_code == 200
    assert known.deliver(["2"], hook=new["hook"], token=new["token"]).status_code == 200
    assert known.deliver(["3"], hook=old["hook"], token=new["token"]).status_code == 401
    with known.place.registry.database.write() as transaction:
        past = known.place.registry.database.now() - timedelta(seconds=1)
        transaction.execute(tables.push_old_hooks.update().values(until=past))
    assert known.deliver(["4"], hook=old["hook"], token=old["token"]).status_code == 401
    assert set(known.dirty()) == {"1", "2"}


@pytest.mark.parametrize("form", ["json", "form", "multipart"])
def test_a_workflow_may_send_a_form_or_json(known: PushBench, form: str) -> None:
    secrets = known.secrets()
    path = f"{hooks.WORKFLOW}/{secrets['workflow']}"
    fields = {"module": "Leads", "id": "77", "secret": secrets["secret"]}
    sent: dict[str, Any] = {"json": {"json": fields}, "form": {"data": fields}}.get(form) or {
        "files": {name: (None, value) for name, value in fields.items()}
    }
    assert known.http.post(path, **sent).json() == {"accepted": 1}
    row = known.dirty()["77"]
    assert (row["operation"], row["is_trusted"], row["zoho_at"]) == ("update", True, None)
    assert known.http.post(path, data=fields | {"secret": secrets["token"]}).status_code == 401
    assert known.http.post(path, data={"module": "Leads", "id": "1"}).status_code == 400
    assert known.http.post(path, data=fields | {"id": "x"}).status_code == 400
    assert known.http.post(f"{hooks.WORKFLOW}/{secrets['hook']}", data=fields).status_code == 401
    assert known.http.post(f"{SHARED}/{secrets['workflow']}", json={"module": "Leads", "ids": [1]}).status_code == 401


def test_a_module_without_a_table_is_taken_and_left_out(known: PushBench) -> None:
    assert known.deliver(["1"], module="Widgets").json() == {"accepted": 0}
    assert known.deliver(["1"], module="Meetings").json() == {"accepted": 1}
    assert known.dirty()["1"]["module"] == "Events"


def test_a_hook_that_was_switched_off_is_refused(known: PushBench) -> None:
    secrets = known.secrets()
    assert known.deliver(["1"]).status_code == 200
    SubscriptionStore(known.place.registry).forget("acme")
    assert known.deliver(["2"], hook=secrets["hook"], token=secrets["token"]).status_code == 401
    assert set(known.dirty()) == {"1"}


def test_other_methods_are_not_allowed(known: PushBench) -> None:
    path = f"{SHARED}/{known.secrets()['hook']}"
    assert {known.http.request(method, path).status_code for method in ("GET", "PUT", "DELETE", "HEAD")} == {405}


@BOTH
def test_twenty_senders_share_commits_and_lose_nothing(known: PushBench) -> None:
    known.deliver([1])
    body = {"module": "Leads", "token": known.secrets()["token"]}
    path = f"{SHARED}/{known.secrets()['hook']}"

    def send(sender: int) -> list[int]:
        ids = [[1_000 + sender * 100 + n, n] for n in range(10)]
        return [known.http.post(path, json=body | {"ids": pair}).status_code for pair in ids]

    with ThreadPoolExecutor(20) as pool:
        assert {status for found in pool.map(send, range(20)) for status in found} == {200}
    assert len(known.dirty()) == 200 + 10
    assert known.row().deliveries == 201
    assert sum(known.dirty()[str(n)]["n"] for n in range(10)) == 200 + 1


@BOTH
def test_the_writer_takes_no_more_than_its_queue_holds(known: PushBench) -> None:
    registry = known.place.registry
    writer = PushWriter(registry.database, most_waiting=10)

    def hints(first: int, count: int) -> list[Hint]:
        return [Hint("acme", "Leads", str(n), "update", True, None) for n in range(first, first + count)]

    with registry.database.write() as transaction:  # nothing can be committed meanwhile on SQLite
        if registry.database.is_postgres:
            transaction.execute(select(tables.push_subscriptions).with_for_update())
        first = writer.put(heard(known), hints(1, 50))
        with pytest.raises(QueueFull):
            writer.put(heard(known), hints(100, 1))
    assert first.result(30)
    assert len(known.dirty()) == 50


def test_a_full_queue_is_told_to_the_sender(known: PushBench) -> None:
    known.deliver([1])
    known.app.state.receiver.writer = PushWriter(known.place.registry.database, most_waiting=-1)
    answer = known.deliver([2])
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert answer.headers["Retry-After"]


def test_a_channel_that_left_meanwhile_gets_nothing(known: PushBench) -> None:
    writer, before = PushWriter(known.place.registry.database), heard(known)
    with known.place.registry.database.write() as transaction:
        transaction.execute(delete(tables.push_subscriptions))
    known.place.registry.remove("acme")
    assert writer.put(before, [Hint("acme", "Leads", "1", "update", True, None)]).result(30) is False
    assert known.dirty() == {}


def test_no_secret_reaches_the_log(known: PushBench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    known.deliver([1])
    known.deliver([1], token="wrong-token-of-a-stranger")
    known.http.post(f"{hooks.WORKFLOW}/{known.secrets()['workflow']}", data={"module": "Leads"})
    ending = time.monotonic() + 20
    while "/workflow/" not in (text := _ours(caplog)):  # the server logs a request after its answer
        assert time.monotonic() < ending, text
        time.sleep(0.01)
    for secret in (*known.secrets().values(), "wrong-token-of-a-stranger"):
        assert secret not in text
    assert "/tenant/v1/zoho-crm/webhook/*** 200" in text
    assert "/tenant/v1/zoho-crm/workflow/*** 400" in text


def _ours(caplog: pytest.LogCaptureFixture) -> str:
    """Return the lines of our own loggers. The others log what the test itself sends."""
    return "\n".join(r.getMessage() for r in [*caplog.records] if r.name.startswith("zoho_pipeline"))


def test_nothing_is_stored_in_clear(known: PushBench, registry_dump: str) -> None:
    assert all(secret not in registry_dump for secret in known.secrets().values())


@pytest.fixture
def registry_dump(known: PushBench) -> str:
    known.deliver([1])
    path = known.place.registry.database.path
    assert path is not None
    return path.read_bytes().decode("latin-1")


def test_the_seals_follow_a_new_key(known: PushBench) -> None:
    before = known.secrets()
    settings = known.place.settings
    newer = replace(settings, given_keys=(hooks.new_secret(), *settings.secret_keys))
    registry = Registry(newer)
    only = Registry(replace(settings, given_keys=newer.given_keys[:1]))
    assert registry.database.path == only.database.path
    with only.database.read() as transaction:
        found = hooks.open_secrets(transaction, only.encryptor, "acme")
    assert found is not None
    assert {name: secret.reveal() for name, secret in found.items()} == before


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
names = st.sampled_from(["module", "ids", "token", "operation", "channel_id", "server_time", "other"])


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=200) | st.dictionaries(names, json_values).map(lambda d: json.dumps(d).encode()))
def test_any_body_is_read_or_refused(body: bytes) -> None:
    try:
        found = receive.parse(body)
    except Malformed:
        return
    assert all(id_.isascii() and id_.isdigit() and len(id_) <= receive.LONGEST_ID for id_ in found.ids)
    assert found.operation in receive.OPERATIONS
    assert found.trust(None) == "refused"
    assert found.zoho_at is None or found.zoho_at.tzinfo is not None
