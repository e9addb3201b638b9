"""Every answer has an end: gzip that unpacks to gigabytes, bodies without end, and bytes that come one at a time."""

import gzip
import os
import socket
import subprocess
import sys
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
import pytest

from scripts.production import ROOT
from tests.zoho.conftest import CLIENT_ID, CLIENT_SECRET, Zoho
from tests.zoho.wire import DATE, JSON, Tokens, Wire, client_on
from zoho_pipeline.settings import Secret, SettingsError
from zoho_pipeline.zoho import errors
from zoho_pipeline.zoho.accounts import oauth
from zoho_pipeline.zoho.accounts.data_centers import DataCenters
from zoho_pipeline.zoho.connection.pacing import Pacing
from zoho_pipeline.zoho.read import bulk, deleted, metadata, org, records, users
from zoho_pipeline.zoho.transport import BOUNDS, Bounds, new_http

SMALL = Pacing(attempts=3, answer_bytes=1 << 20, file_bytes=1 << 20)
READS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "list": ("/Leads", lambda client: records.get_page(client, "Leads", ("Last_Name",))),
    "deleted": ("/deleted", lambda client: deleted.get_page(client, "Leads")),
    "metadata": ("/settings/fields", lambda client: metadata.fields(client, "Leads")),
    "users": ("/users", users.list_users),
    "org": ("/org", org.get),
    "unknown module": ("/Nothing", lambda client: client.get("/crm/v7/Nothing")),
}


@pytest.mark.parametrize("kind", ["gzip_bomb", "endless"])
@pytest.mark.parametrize("read", READS)
def test_an_answer_without_end_ends_at_its_bound(
    simulator: Any, connected: Callable[..., Zoho], read: str, kind: str
) -> None:
    path, call = READS[read]
    zoho = connected(simulator.add_org(), pacing=SMALL)
    simulator.faults.next(9, kind, path)
    tracemalloc.start()
    try:
        with pytest.raises(errors.AnswerTooLarge, match="more than 1 MB"):
            call(zoho.client)
        assert tracemalloc.get_traced_memory()[1] < 40 << 20  # the simulator in this process makes the bomb
    finally:
        tracemalloc.stop()
    assert zoho.naps == []
    simulator.faults.clear()
    assert users.current(zoho.client)["id"]


@pytest.mark.parametrize("kind", ["gzip_bomb", "endless"])
def test_a_file_without_end_ends_at_its_bound_and_leaves_nothing(
    simulator: Any, connected: Callable[..., Zoho], tmp_path: Path, kind: str
) -> None:
    made = simulator.add_org()
    made.insert("Leads", {"Last_Name": "L", "Company": "C"})
    zoho = connected(made, pacing=SMALL)
    job = bulk.create_job(zoho.client, "Leads", ("Last_Name",))
    simulator.faults.next(9, kind, "/result")
    with pytest.raises(errors.AnswerTooLarge):
        bulk.download(zoho.client, job.id, tmp_path / "x.zip")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["gzip_bomb", "endless"])
def test_the_accounts_server_has_the_same_bound(simulator: Any, kind: str) -> None:
    granted = simulator.add_org().grant(CLIENT_ID, CLIENT_SECRET, "ZohoCRM.users.READ")
    center = DataCenters.with_added({"sim": simulator.url}).get("sim")
    simulator.faults.next(1, kind, "/oauth/v2/token")
    with new_http(center.accounts_server) as http:
        with pytest.raises(errors.AnswerTooLarge, match="more than 64 MB"):
            oauth.refresh(http, center, CLIENT_ID, Secret(CLIENT_SECRET), Secret(granted))
        assert oauth.refresh(http, center, CLIENT_ID, Secret(CLIENT_SECRET), Secret(granted)).value.reveal()


_IN_A_PROCESS = """
import sys
from benchmarks._peak_memory import peak_memory
from tests.zoho.conftest import MintingTokens, CLIENT_ID, CLIENT_SECRET
from zoho_pipeline.settings import Secret, SettingsError
from zoho_pipeline.zoho import errors
from zoho_pipeline.zoho.accounts.data_centers import DataCenters
from zoho_pipeline.zoho.connection.client import ZohoClient
url, granted = sys.argv[1:]
center = DataCenters.with_added({"sim": url}).get("sim")
tokens = MintingTokens(center, CLIENT_ID, Secret(CLIENT_SECRET), Secret(granted))
before = peak_memory()
with ZohoClient(tokens.current().api_domain, tokens) as client:
    for path in ("/crm/v7/users", "/crm/v7/Leads"):
        try:
            client.get(path)
        except errors.AnswerTooLarge as error:
            print(error)
print((peak_memory() - before) // 1024**2)
"""


def test_three_gigabytes_in_three_megabytes_take_little_memory(simulator: Any) -> None:
    """The bound of the product, in a process of its own: an answer may take three times its 64 MB."""
    granted = simulator.add_org().grant(CLIENT_ID, CLIENT_SECRET, "ZohoCRM.users.READ ZohoCRM.modules.ALL")
    simulator.faults.next(9, "gzip_bomb", "/crm/")
    ran = subprocess.run(
        [sys.executable, "-c", _IN_A_PROCESS, simulator.url, granted],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    *said, grown = ran.stdout.splitlines()
    assert len(said) == 2
    assert all("more than 64 MB" in line for line in said)
    assert int(grown) < 250


class Body(httpx.SyncByteStream):
    """A body in parts."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts = parts

    def __iter__(self) -> Iterator[bytes]:
        return self._parts


def sent(*parts: bytes, status: int = 200, **headers: str) -> Callable[[httpx.Request], httpx.Response]:
    named = {"Date": DATE, "Content-Type": JSON, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return lambda _: httpx.Response(status, headers=named, stream=Body(iter(parts)))


GOOD = b'{"users":[{"id":"1"}]}'
RAW = zlib.compressobj(wbits=-zlib.MAX_WBITS)
BARE = RAW.compress(GOOD) + RAW.flush()


@pytest.mark.parametrize(
    ("parts", "encoding"),
    [
        ((GOOD,), "identity"),
        ((gzip.compress(GOOD),), "gzip"),
        (tuple(gzip.compress(GOOD)[n : n + 1] for n in range(len(gzip.compress(GOOD)))), "x-gzip"),
        ((zlib.compress(GOOD),), "deflate"),
        ((BARE,), "Deflate"),
        ((gzip.compress(GOOD), b"trailing"), "gzip"),
    ],
)
def test_good_encodings_are_unpacked(parts: tuple[bytes, ...], encoding: str) -> None:
    client = client_on(Wire(sent(*parts, Content_Encoding=encoding)))
    assert client.get("/crm/v7/users").data == {"users": [{"id": "1"}]}


@pytest.mark.parametrize(
    ("parts", "encoding"),
    [
        ((gzip.compress(GOOD)[:-9],), "gzip"),
        ((GOOD,), "gzip"),
        ((gzip.compress(gzip.compress(GOOD)),), "gzip, gzip"),
        ((GOOD,), "br"),
        ((b"\x00" * 9,), "deflate"),
    ],
)
def test_an_encoding_that_cannot_be_unpacked_is_a_bad_answer(parts: tuple[bytes, ...], encoding: str) -> None:
    client = client_on(Wire(sent(*parts, Content_Encoding=encoding)), pacing=Pacing(attempts=2))
    with pytest.raises(errors.BadAnswer):
        client.get("/crm/v7/users")


def test_trailing_bytes_after_the_end_of_gzip_count_too() -> None:
    parts = [gzip.compress(GOOD), *[b"x" * (1 << 16)] * 99]
    client = client_on(Wire(sent(*parts, Content_Encoding="gzip")), pacing=SMALL)
    with pytest.raises(errors.AnswerTooLarge):
        client.get("/crm/v7/users")


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500])
def test_an_error_body_has_the_bound_too(status: int) -> None:
    tokens = Tokens()
    client = client_on(Wire(sent(*[b" " * (1 << 16)] * 99, status=status)), tokens, pacing=SMALL)
    with pytest.raises(errors.AnswerTooLarge):
        client.get("/crm/v7/users")
    assert tokens.refusals == []


@pytest.mark.parametrize("status", [200, 401])
def test_a_body_that_trickles_ends_too(status: int) -> None:
    """Each byte comes in time, and the whole answer does not."""
    pacing = Pacing(attempts=1, answer_seconds=0.0)
    with pytest.raises(errors.ConnectionFailed, match="to send its answer"):
        client_on(Wire(sent(b"{", b"}", status=status)), pacing=pacing).get("/crm/v7/users")


@pytest.mark.parametrize(
    ("start", "more"),
    [
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"", b"HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nX: ", b"a"),
        (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"a"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ", b"a"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n", b"a"),
        (b"H", b""),
    ],
)
def test_an_answer_ends_in_time_whatever_it_sends(start: bytes, more: bytes) -> None:
    """Each byte begins the read timeout of httpx anew."""
    fails = pytest.raises((httpx.ReadTimeout, errors.ConnectionFailed))
    with trickling(start, more) as url, new_http(timeout=60) as client, fails:
        client.get(url, extensions={BOUNDS: Bounds(seconds=0.2, head_seconds=0.2)})


@pytest.mark.parametrize("url", ["http://zoho.example/", "https://zoho.example/"])
def test_a_proxy_that_trickles_ends_in_time_too(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """It answers the request itself, or the CONNECT before it."""
    with trickling(b"HTTP/1.1 200 OK\r\nX: ", b"a") as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy)
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        with new_http(timeout=60) as client, pytest.raises(httpx.ReadTimeout):
            client.get(url, extensions={BOUNDS: Bounds(seconds=0.2, head_seconds=0.2)})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ALL_PROXY", "socks5://user:s3cret-word@127.0.0.1:1080"), ("https_proxy", "foo://user:s3cret-word@proxy:1"),
        ("HTTP_PROXY", "http://user:s3cret-word@[::1"), ("NO_PROXY", "[::"),
    ],
)  # fmt: skip
def test_a_proxy_that_cannot_be_used_is_named_without_its_password(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=f"{name}.*unset it") as caught:
        new_http()
    assert "s3cret-word" not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSLKEYLOGFILE"])
def test_certificates_that_cannot_be_read_are_named(name: str, tmp_path: Path) -> None:
    program = "from zoho_pipeline.zoho.transport import new_http\nnew_http()\n"  # a process reads them once
    env = {"PATH": os.environ.get("PATH", ""), name: str(tmp_path / "no" / "such")}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, env=env, check=False
    )
    assert f"SettingsError: the certificates that the environment names cannot be read: {name}" in done.stderr


def test_a_release_of_httpx_without_the_pool_opens_no_client() -> None:
    """The bound of reads needs two attributes that httpx does not promise."""
    program = (
        "import httpx\n"
        "class Other(httpx.HTTPTransport):\n"
        "    def __init__(self, **options): pass\n"
        "httpx._client.HTTPTransport = httpx.HTTPTransport = Other\n"
        "from zoho_pipeline.zoho.transport import new_http\n"
        "new_http()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False)
    assert "RuntimeError: httpx" in done.stderr
    assert "change `_bound_reads`" in done.stderr


@contextmanager
def trickling(start: bytes, more: bytes) -> Iterator[str]:
    """A server that answers one request with `start`, and then for ever with `more`."""
    ended = Event()

    def serve() -> None:
        connection, _ = listening.accept()
        with connection, suppress(OSError):
            connection.recv(9_999)
            connection.sendall(start)
            while not ended.wait(0.02):
                connection.sendall(more)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = Thread(target=serve)
        server.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        finally:
            ended.set()
            server.join()


def test_an_answer_with_too_many_values_is_not_parsed() -> None:
    """Six million empty objects are 18 MB on the wire, and would be 400 MB of Python objects."""
    body = b'{"users":[' + b",".join([b"{}"] * 3_000_000) + b"]}"
    with pytest.raises(errors.AnswerTooLarge, match="5,000,000 values"):
        client_on(Wire(sent(body))).get("/crm/v7/users")
