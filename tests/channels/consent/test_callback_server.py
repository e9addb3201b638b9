"""The server of the callback: what ends the wait of `connect`, and what does not."""

import socket
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from dataclasses import field as data_field
from queue import Empty, SimpleQueue
from threading import Event, Thread
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest

from tests.channels.consent.conftest import CALLBACK, ignore
from tests.channels.wire import DC, Person, token_requests
from zoho_pipeline.channels.consent.callback_server import CallbackServer
from zoho_pipeline.channels.consent.connect import authorize, connect
from zoho_pipeline.channels.consent.signed_state import ConsentRequest, write_state
from zoho_pipeline.channels.errors import ConsentDenied, NoCallback
from zoho_pipeline.channels.registry.encryption import Encryptor
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.settings import Secret
from zoho_pipeline.simulator import Org, Simulator
from zoho_pipeline.zoho.accounts import scopes

STATE = "body.signature"


@dataclass
class Waiting:
    """A server that waits for STATE. `finished` has the parameters of every callback that reached `finish`."""

    server: CallbackServer[str]
    finished: list[Mapping[str, str]] = data_field(default_factory=list)
    go_on: Event = data_field(default_factory=Event)

    def get(self, query: Mapping[str, str], **options: object) -> httpx.Response:
        url = f"{self.server.redirect_uri}?{urlencode(query)}"
        return httpx.get(url, trust_env=False, timeout=30, **options)  # type: ignore[arg-type]

    @property
    def is_waiting(self) -> bool:
        try:
            self.server.result(0.0)
        except NoCallback:
            return not self.finished
        return False


@pytest.fixture
def waiting() -> Iterator[Waiting]:
    def finish(params: Mapping[str, str]) -> str:
        made.finished.append(params)
        made.go_on.wait(20)
        return params["code"]

    made = Waiting(CallbackServer(0, finish, done=lambda code: f"Connected with {code}."))
    made.go_on.set()
    with made.server.listening():
        made.server.expect(STATE)
        yield made


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"state": ""},
        {"state": "forged", "code": "1000.a.b"},
        {"state": STATE[:-1], "code": "1000.a.b"},
        {"state": STATE + "x", "code": "1000.a.b"},
        {"state": STATE.upper(), "code": "1000.a.b"},
        {"state": "\udcff€", "code": "1000.a.b"},
        {"error": "access_denied"},
        {"error": "access_denied", "state": "forged"},
        {"code": "1000.a.b"},
    ],
)
def test_what_is_not_the_right_state_changes_nothing(waiting: Waiting, query: dict[str, str]) -> None:
    sent = {name: value.encode(errors="replace").decode() for name, value in query.items()}
    refused = waiting.get(sent)
    assert refused.status_code == 400
    assert "still waits" in refused.text
    assert waiting.is_waiting
    assert waiting.get({"state": STATE, "code": "1000.a.b"}).status_code == 200
    assert waiting.server.result(20) == "1000.a.b"


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1:{port}", "localhost", "[::1]:{port}", ""]
)
def test_a_request_to_another_host_is_refused(waiting: Waiting, host: str) -> None:
    """As a page does whose own name was made to point to this machine: it names its own host."""
    port = urlsplit(waiting.server.redirect_uri).port
    refused = waiting.get({"state": STATE, "code": "1000.a.b"}, headers={"Host": host.format(port=port)})
    assert refused.status_code == 421
    assert waiting.is_waiting


@pytest.mark.parametrize(
    "lines",
    [
        "GET /callback?state={state}&code=c HTTP/1.0",  # no host at all
        "GET /callback?state={state}&code=c HTTP/1.1\r\nHost: localhost:{port}\r\nHost: evil.example",
        "GET http://evil.example/callback?state={state}&code=c HTTP/1.1\r\nHost: localhost:{port}",
        "POST /callback?state={state}&code=c HTTP/1.1\r\nHost: localhost:{port}",
    ],
)
def test_unusual_requests_are_refused(waiting: Waiting, lines: str) -> None:
    port = urlsplit(waiting.server.redirect_uri).port or 0
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall((lines.format(state=STATE, port=port) + "\r\n\r\n").encode())
        assert connection.recv(4096).split()[1] in (b"421", b"501")
    assert waiting.is_waiting


@pytest.mark.parametrize(
    "target",
    ["http://[::1", "http://[::1]x/callback", "http://[v1.x]/", "//[", "http://\u2100/", "http://a]b/callback", "*"],
)
def test_a_target_that_is_no_url_gets_an_answer(
    waiting: Waiting, target: str, capfd: pytest.CaptureFixture[str]
) -> None:
    port = urlsplit(waiting.server.redirect_uri).port or 0
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert any(code in answer for code in (b"400", b"404", b"421")), answer
    assert "".join(capfd.readouterr()) == ""
    assert waiting.is_waiting


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /",
        b"GET /callback?state=x HTTP/1.1\r\nHost: loc",
        b"\x16\x03\x01\x02\x00",
        b"\r\n" * 9,
        b"A" * 70_000,
    ],
)
def test_a_client_that_resets_its_connection_prints_nothing(
    waiting: Waiting, sent: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    port = urlsplit(waiting.server.redirect_uri).port or 0
    for _ in range(5):
        connection = socket.create_connection(("127.0.0.1", port), timeout=20)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.sendall(sent)
        connection.close()  # a reset
    assert waiting.get({"state": STATE, "code": "1000.a.b"}).status_code == 200
    assert waiting.server.result(20) == "1000.a.b"
    assert "".join(capfd.readouterr()) == ""


def test_nothing_of_a_callback_is_logged_stored_or_sent_on(waiting: Waiting, capfd: pytest.CaptureFixture[str]) -> None:
    """Its URL holds the grant code."""
    for state in ("forged", STATE):
        headers = waiting.get({"state": state, "code": "1000.secret.code"}).headers
        assert (headers["cache-control"], headers["referrer-policy"]) == ("no-store", "no-referrer")
        assert headers["content-security-policy"].startswith("default-src 'none'")
    assert "secret" not in "".join(capfd.readouterr())


def test_the_name_of_the_host_has_no_case(waiting: Waiting) -> None:
    port = urlsplit(waiting.server.redirect_uri).port
    answer = waiting.get({"state": STATE, "code": "c"}, headers={"Host": f"LocalHost:{port}"})
    assert answer.status_code == 200


def test_the_right_callback_counts_once_also_while_it_is_worked_on(waiting: Waiting) -> None:
    """A browser may send a request twice. The second one must not end the wait as a used state."""
    waiting.go_on.clear()
    answers: SimpleQueue[httpx.Response] = SimpleQueue()
    thread = Thread(target=lambda: answers.put(waiting.get({"state": STATE, "code": "first"})))
    thread.start()
    while not waiting.finished:
        with pytest.raises(Empty):
            answers.get(timeout=0.01)
    assert waiting.get({"state": STATE, "code": "second"}).status_code == 409
    waiting.go_on.set()
    thread.join()
    assert answers.get().status_code == 200
    assert waiting.server.result(20) == "first"
    assert [params["code"] for params in waiting.finished] == ["first"]


def test_before_a_state_is_expected_nothing_is_accepted() -> None:
    server = CallbackServer[str](0, lambda params: params["code"], done=str)
    with server.listening():
        for state in ("", "None", STATE):
            answer = httpx.get(server.redirect_uri, params={"state": state, "code": "c"}, trust_env=False)
            assert answer.status_code == 400
        with pytest.raises(NoCallback):
            server.result(0.0)


Forgery = Callable[[Registry, str], dict[str, str]]


def _signed_elsewhere(registry: Registry, url: str) -> dict[str, str]:
    other = Encryptor([Secret("x" * 40)])
    return {"state": write_state(other, ConsentRequest("acme", DC, CALLBACK, (), 2**40)), "code": "1000.a.b"}


def _of_another_consent(registry: Registry, url: str) -> dict[str, str]:
    return {"state": authorize(registry, "bolt", redirect_uri=CALLBACK, data_center=DC).state, "code": "1000.a.b"}


def _of_an_expired_consent(registry: Registry, url: str) -> dict[str, str]:
    old = authorize(registry, "acme", redirect_uri=CALLBACK, data_center=DC, life_seconds=-1)
    return {"state": old.state, "code": "1000.a.b"}


def _refusal(registry: Registry, url: str) -> dict[str, str]:
    return {"error": "access_denied"}


@pytest.mark.parametrize("forgery", [_signed_elsewhere, _of_another_consent, _of_an_expired_consent, _refusal])
def test_a_forged_callback_does_not_end_connect(
    registry: Registry, person: Person, simulator: Simulator, forgery: Forgery, caplog: pytest.LogCaptureFixture
) -> None:
    def attacked(url: str) -> bool:
        redirect_uri = dict(parse_qsl(urlsplit(url).query))["redirect_uri"]
        for _ in range(3):
            answer = httpx.get(redirect_uri, params=forgery(registry, url), trust_env=False)
            assert answer.status_code == 400
        assert token_requests(simulator) == [], "a forged code is not exchanged"
        return person(url)

    channel = connect(registry, "acme", data_center=DC, port=0, announce=ignore, open_browser=attacked)
    assert channel.scopes == scopes.DEFAULT_SCOPES
    assert [record.levelname for record in caplog.records if "without the state" in record.message] == ["WARNING"]
    assert "1000.a.b" not in caplog.text


def test_a_person_who_refuses_ends_connect(registry: Registry, org: Org) -> None:
    """Zoho sends the state back with its refusal, so this is the right callback."""
    refusing = Person(org, org.admin, decision="reject")
    with pytest.raises(ConsentDenied):
        connect(registry, "acme", data_center=DC, port=0, announce=ignore, open_browser=refusing)
