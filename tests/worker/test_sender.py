"""Deliveries over a real listener: signed, tried again, never followed elsewhere, never to a private address."""

import asyncio
import ipaddress
import json
import socket
import ssl
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update
from standardwebhooks import Webhook

from tests.worker.conftest import QUICK_WORK, SERVICE, Listener, Place, wait_for
from zoho_pipeline.channels.platform import webhook_deliveries as deliveries
from zoho_pipeline.channels.platform.webhook_endpoints import Endpoint, Endpoints, why_refused
from zoho_pipeline.channels.registry import platform_tables as tables
from zoho_pipeline.service_settings import ServiceSettings
from zoho_pipeline.settings import Secret
from zoho_pipeline.worker.limits import WorkerLimits
from zoho_pipeline.worker.sender import AddressRefused, Result, Sender, open_client, pin, send, send_test

BOTH = pytest.mark.parametrize("registry_env", ["sqlite", "postgres"], indirect=True)
SECRET = Secret("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")
PUBLIC = ServiceSettings(public_url="https://zoho.example")


def add(place: Place, listener: Listener, **options: Any) -> tuple[Endpoint, Secret]:
    return Endpoints(place.registry).add(listener.url, tenant=None, loopback=True, **options)


def drain(place: Place, service: ServiceSettings = SERVICE, limits: WorkerLimits = QUICK_WORK) -> None:
    """Let a sender send all that is due."""
    sender = Sender(place.registry, service, limits)
    thread = threading.Thread(target=sender.run, daemon=True)
    thread.start()
    wait_for(sender.is_idle)
    sender.stop()
    thread.join(30)
    assert not thread.is_alive()


def stored(place: Place) -> list[dict[str, Any]]:
    with place.registry.database.read() as transaction:
        rows = transaction.execute(select(tables.webhook_deliveries).order_by(tables.webhook_deliveries.c.created_at))
        return [dict(row) for row in rows.mappings()]


def publish(place: Place, times: int = 1) -> None:
    for _ in range(times):
        place.registry.record_published(["acme"], datetime(2026, 5, 1, tzinfo=UTC))


@BOTH
def test_an_event_is_sent_once_and_its_signature_holds(place: Place, listener: Listener) -> None:
    endpoint, secret = add(place, listener, events=["connection.created"])
    place.connect("acme", tenant="t1")
    publish(place)
    drain(place)
    drain(place)
    (received,) = listener.received
    body: Any = Webhook(secret.reveal()).verify(received.body, received.headers)
    assert (body["type"], body["data"]["channel_id"], body["data"]["tenant"]) == ("connection.created", "acme", "t1")
    assert received.path == "/hook"
    assert received.headers["host"] == listener.url.split("/")[2]
    assert received.headers["content-type"] == "application/json"
    with pytest.raises(Exception, match="signature"):
        Webhook(secret.reveal()).verify(received.body + " ", received.headers)
    (row,) = stored(place)
    assert (row["status"], row["tries"], row["detail"]) == ("done", 1, "HTTP 204")
    assert Endpoints(place.registry).get(endpoint.id).failing_since is None


def test_a_failing_endpoint_is_tried_again_with_the_same_id_and_then_the_event_is_dead(
    place: Place, listener: Listener
) -> None:
    endpoint, secret = add(place, listener, events=["insight.published"])
    place.connect("acme")
    publish(place)
    listener.answers = [500, 302, 204]
    drain(place)
    assert [row["status"] for row in stored(place)] == ["done"], "a redirect is no success, and is not followed"
    assert len({received.headers["webhook-id"] for received in listener.received}) == 1
    assert len(listener.received) == 3
    for received in listener.received:
        Webhook(secret.reveal()).verify(received.body, received.headers)
    publish(place)
    listener.status = 503
    drain(place)
    dead = stored(place)[-1]
    assert (dead["status"], dead["tries"], dead["detail"]) == ("dead", 3, "HTTP 503")
    found = Endpoints(place.registry).get(endpoint.id)
    assert (found.dead, found.waiting, found.last_problem) == (1, 0, "HTTP 503")
    assert found.failing_since is not None
    listener.status = 200
    publish(place)
    drain(place)
    assert Endpoints(place.registry).get(endpoint.id).failing_since is None, "a success ends the failing"


def test_the_waits_between_the_tries_are_those_of_the_settings(place: Place, listener: Listener) -> None:
    add(place, listener, events=["insight.published"])
    place.connect("acme")
    publish(place)
    listener.status = 500
    drain(place, replace(SERVICE, webhook_retries=(300.0, 600.0)))
    (row,) = stored(place)
    assert (row["status"], row["tries"]) == ("waiting", 1)
    wait = row["next_try_at"] - place.registry.database.now()
    assert timedelta(seconds=200) < wait <= timedelta(seconds=300)
    assert len(listener.received) == 1


def test_gone_disables_the_endpoint(place: Place, listener: Listener) -> None:
    endpoint, _ = add(place, listener, events=["insight.published"])
    place.connect("acme")
    publish(place, 3)
    listener.status = 410
    drain(place, limits=replace(QUICK_WORK, deliveries=1))
    assert {row["status"] for row in stored(place)} == {"dead"}
    assert len(listener.received) < 3
    found = Endpoints(place.registry).get(endpoint.id)
    assert found.disabled_at is not None
    assert "410" in str(found.disabled_reason)
    publish(place)
    assert len(stored(place)) == 3, "no event is kept for a disabled endpoint"


def test_five_days_without_a_success_disable_the_endpoint(place: Place, listener: Listener) -> None:
    endpoint, _ = add(place, listener, events=["insight.published"])
    place.connect("acme")
    publish(place)
    listener.status = 500
    failing = update(tables.webhook_endpoints)
    for days, disabled in ((4.9, False), (5.0, True)):
        with place.registry.database.write() as transaction:
            transaction.execute(failing.values(failing_since=place.registry.database.now() - timedelta(days=days)))
            transaction.execute(update(tables.webhook_deliveries).values(status="waiting", tries=0))
            transaction.execute(update(tables.webhook_deliveries).values(next_try_at=place.registry.database.now()))
        drain(place, replace(SERVICE, webhook_retries=(3_600.0,)))
        assert (Endpoints(place.registry).get(endpoint.id).disabled_at is not None) == disabled


@BOTH
def test_two_senders_never_send_one_delivery_at_the_same_time(place: Place, listener: Listener) -> None:
    add(place, listener, events=["insight.published"])
    place.connect("acme")
    publish(place, 12)
    senders = [Sender(place.registry, SERVICE, QUICK_WORK) for _ in range(2)]
    threads = [threading.Thread(target=sender.run, daemon=True) for sender in senders]
    for thread in threads:
        thread.start()
    wait_for(lambda: all(row["status"] == "done" for row in stored(place)))
    for sender, thread in zip(senders, threads, strict=True):
        sender.stop()
        thread.join(30)
    assert len(listener.received) == 12
    assert len({received.headers["webhook-id"] for received in listener.received}) == 12


@BOTH
def test_a_delivery_of_a_dead_sender_is_sent_by_another(place: Place, listener: Listener) -> None:
    add(place, listener, events=["insight.published"])
    place.connect("acme")
    publish(place)
    (held,) = deliveries.claim(place.registry, 5, timedelta(seconds=60))
    assert deliveries.claim(place.registry, 5, timedelta(seconds=60)) == []
    with place.registry.database.write() as transaction:
        past = place.registry.database.now() - timedelta(seconds=1)
        transaction.execute(update(tables.webhook_deliveries).values(next_try_at=past))
    drain(place)
    assert [row["status"] for row in stored(place)] == ["done"]
    assert not deliveries.delivered(place.registry, held, "late"), "the late one changes nothing"
    deliveries.refused(place.registry, held, "late", (1.0,))
    assert [row["status"] for row in stored(place)] == ["done"]


def test_one_endpoint_that_hangs_holds_up_no_other(place: Place, listener: Listener) -> None:
    hanging = Listener()
    release = threading.Event()
    hanging.status = lambda _: release.wait(30)
    add(place, hanging, events=["insight.published"])
    add(place, listener, events=["insight.published"])
    place.connect("acme")
    publish(place, 6)
    sender = Sender(place.registry, SERVICE, replace(QUICK_WORK, deliveries=4))
    thread = threading.Thread(target=sender.run, daemon=True)
    thread.start()
    wait_for(lambda: len(listener.received) == 6)
    sender.stop()
    thread.join(30)
    release.set()
    hanging.close()
    assert not thread.is_alive()
    waiting = [row for row in stored(place) if row["status"] == "waiting"]
    assert len(waiting) == 6, "what was under way was given back"
    assert {row["tries"] for row in waiting} == {0}


def sent(url: str, service: ServiceSettings = SERVICE, seconds: float = 10.0, **options: Any) -> Result:
    async def once() -> Result:
        async with open_client(seconds) as client:
            return await send(client, service, (url, SECRET), "evt_1", "{}", seconds=seconds, **options)

    return asyncio.run(once())


def test_an_answer_that_drips_does_not_hold_the_sender(listener: Listener) -> None:
    def drip(handler: Any) -> None:
        for _ in range(600):
            handler.wfile.write(b"H")
            handler.wfile.flush()
            time.sleep(0.05)

    listener.status = drip
    assert sent(listener.url, seconds=0.5) == Result(False, "no answer within 0.5 s")


def test_an_endless_answer_is_read_to_a_bound_and_its_status_counts(listener: Listener) -> None:
    written = []

    def endless(handler: Any) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            for _ in range(4_000):
                handler.wfile.write(b"x" * 16_384)
                written.append(16_384)
        except OSError:
            pass

    listener.status = endless
    assert sent(listener.url) == Result(True, "HTTP 200")
    assert sum(written) < 4_000 * 16_384


def test_an_endpoint_that_cannot_be_reached_or_speaks_no_http(listener: Listener) -> None:
    listener.status = lambda handler: handler.wfile.write(b"hello\r\n\r\n")
    assert "no HTTP answer" in sent(listener.url).detail
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        assert "no connection" in sent(f"http://127.0.0.1:{free.getsockname()[1]}/").detail


PRIVATE = [
    "10.0.0.1", "172.16.9.9", "192.168.1.1", "127.0.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
    "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1",
    "fd00:ec2::254", "ff02::1", "2001:db8::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:10.0.0.1",
    "::7f00:1", "2002:7f00:1::", "2002:a00:1::1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1",
    "2001:0:7f00:1::",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_no_event_goes_to_an_address_that_is_not_public(address: str) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return ["93.184.216.34", address]

    refused = sent("https://platform.example/hook", PUBLIC, resolve=resolve)
    assert not refused.delivered
    assert refused.detail == f"refused: {address} is not a public address"


@given(st.ip_addresses())
def test_an_address_is_public_or_refused(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    if address.is_private or address.is_loopback or address.is_link_local or address.is_multicast:
        mapped = getattr(address, "ipv4_mapped", None)
        assert mapped is not None or why_refused(str(address)) is not None
    if isinstance(address, ipaddress.IPv4Address):
        assert (why_refused(f"::ffff:{address}") is None) == (why_refused(str(address)) is None)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "::ffff:93.184.216.34"])
def test_public_addresses_are_accepted(address: str) -> None:
    assert why_refused(address) is None


def test_the_connection_goes_to_the_address_that_was_checked() -> None:
    """DNS answers another address the second time. It is asked once, and the first address is used."""
    answers = [["93.184.216.34"], ["127.0.0.1"]]

    async def rebinding(host: str, port: int) -> list[str]:
        assert (host, port) == ("platform.example", 8443)
        return answers.pop(0)

    reached = pytest.RaisesExc(RuntimeError, match=r"tried to reach 93\.184\.216\.34")  # the tests' own guard
    with pytest.RaisesGroup(reached, flatten_subgroups=True):
        sent("https://platform.example:8443/hook", PUBLIC, resolve=rebinding)
    assert answers == [["127.0.0.1"]]


def test_loopback_is_for_a_platform_on_this_machine(listener: Listener) -> None:
    port = listener.url.rpartition(":")[2]
    assert sent(f"http://localhost:{port}").delivered
    assert "only https" in sent(f"http://localhost:{port}", PUBLIC).detail
    assert "not a public address" in sent(f"https://127.0.0.1:{port}", PUBLIC).detail
    assert "only https" in sent("http://platform.example/", SERVICE).detail

    async def elsewhere(host: str, port: int) -> list[str]:
        return ["10.0.0.1"]

    assert "not on this machine" in sent(f"http://localhost:{port}", resolve=elsewhere).detail
    assert len(listener.received) == 1


def test_a_host_without_an_address_is_a_failed_try() -> None:
    async def nothing(host: str, port: int) -> list[str]:
        return []

    with pytest.raises(AddressRefused, match="no address"):
        asyncio.run(pin("https://platform.example/", PUBLIC, nothing))


def certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate of localhost, and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    built = built.serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    signed = built.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False).sign(
        key, hashes.SHA256()
    )
    paths = folder / "cert.pem", folder / "key.pem"
    paths[0].write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    private = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    paths[1].write_bytes(key.private_bytes(*private))
    return paths


def test_tls_names_the_host_and_an_unknown_certificate_is_refused(tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate(tmp_path))
    named: list[str | None] = []
    context.sni_callback = lambda _, name, __: named.append(name)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            accepted, _ = server.accept()
            with accepted, pytest.raises((ssl.SSLError, OSError)):
                context.wrap_socket(accepted, server_side=True).recv(1)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        refused = sent(f"https://localhost:{server.getsockname()[1]}/", resolve=_loopback)
        thread.join(10)
    assert refused == Result(False, "no connection, or no HTTP answer (ConnectError)")
    assert named == ["localhost"], "the certificate that is asked for is the one of the host, not of the address"


async def _loopback(host: str, port: int) -> list[str]:
    return ["127.0.0.1"]


def test_a_test_event_is_sent_at_once(place: Place, listener: Listener) -> None:
    endpoint, secret = add(place, listener)
    assert send_test(SERVICE, endpoint, secret) == Result(True, "HTTP 204")
    (received,) = listener.received
    body: Any = Webhook(secret.reveal()).verify(received.body, received.headers)
    assert (body["type"], body["data"]["endpoint_id"]) == ("endpoint.test", endpoint.id)
    assert json.loads(received.body) == body
    assert stored(place) == []
