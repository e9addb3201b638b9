"""Hostile requests at the wire: too large, too slow, without end, of a wrong type."""

import json
import socket
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.params import each_nth
from tests.web.server import read_all, serving, talk
from zoho_pipeline.web.http.bodies import HEAD_BYTES
from zoho_pipeline.web.http.protocol import LimitedProtocol

POST = b"POST /v1/x HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"


class Impatient(LimitedProtocol):
    head_seconds = 0.4


def code_of(answer: bytes) -> str:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head, answer[:300]
    assert b"x-request-id" in head.lower()
    return str(json.loads(body)["code"])


def test_a_body_of_one_gigabyte_is_refused_before_it_is_sent(small: Any) -> None:
    with serving(small) as port:
        answer = talk(port, POST + b"Content-Length: 1000000000\r\n\r\n", b"x" * 100_000, wait=5)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer.lower()
    assert code_of(answer) == "too_large"


def test_a_body_without_a_length_is_refused_when_it_becomes_too_large(small: Any) -> None:
    chunk = b"400\r\n" + b"x" * 0x400 + b"\r\n"
    with serving(small) as port:
        answer = talk(port, POST + b"Transfer-Encoding: chunked\r\n\r\n", chunk, chunk, wait=5)
        assert code_of(answer) == "too_large"
        # the bound itself is allowed
        whole = talk(port, POST + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n", chunk, b"0\r\n\r\n")
    assert whole.startswith(b"HTTP/1.1 200 ")
    assert b'"size": 1024' in whole


def test_a_client_that_goes_on_sending_still_reads_the_answer(small: Any) -> None:
    with serving(small) as port, socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(POST + b"Content-Length: 8000000\r\n\r\n")
        for _ in range(80):
            connection.sendall(b"x" * 100_000)
        assert read_all(connection).startswith(b"HTTP/1.1 413 ")


def test_a_slow_body_is_cut(small: Any) -> None:
    with serving(small) as port:
        answer = talk(port, POST + b"Content-Length: 100\r\n\r\n", b"x")
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert code_of(answer) == "request_timeout"


@pytest.mark.parametrize("begin", [b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: "])
def test_a_head_that_never_ends_is_cut(small: Any, begin: bytes) -> None:
    with serving(small, http=Impatient) as port:
        assert code_of(talk(port, begin)) == "request_timeout"
        assert talk(port, b"") == b"", "nobody waits for an answer"


def test_the_next_request_of_a_connection_has_the_same_time(small: Any) -> None:
    with serving(small, http=Impatient) as port, socket.create_connection(("127.0.0.1", port), timeout=10) as one:
        one.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert b'"path": "/"' in one.recv(65536)
        one.sendall(b"GET / HTTP/1.1\r\nX-Slow: ")
        assert code_of(read_all(one)) == "request_timeout"


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"a" * HEAD_BYTES + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX-Long: " + b"a" * HEAD_BYTES + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X-Many: a\r\n" * 4_000 + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX-Endless: " + b"a" * (2 * HEAD_BYTES),
    ],
)
def test_a_flood_of_headers_is_refused(small: Any, head: bytes) -> None:
    with serving(small) as port:
        answer = talk(port, head, wait=5)
        assert answer.startswith(b"HTTP/1.1 431 ")
        assert code_of(answer) == "headers_too_large"
        assert talk(port, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\r\n\r\n",
        b"GET\r\n\r\n",
        POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        POST + b"Content-Length: -5\r\n\r\n",
    ],
)
def test_what_is_no_http_gets_a_problem_with_the_headers_of_every_answer(small: Any, data: bytes) -> None:
    with serving(small) as port:
        answer = talk(port, data, wait=5)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert code_of(answer) == "bad_request"
    head, body = answer.split(b"\r\n\r\n")
    names = {line.partition(b":")[0].lower() for line in head.split(b"\r\n")[1:]}
    assert {b"x-content-type-options", b"referrer-policy", b"content-security-policy", b"cache-control"} <= names
    assert json.loads(body)["request_id"].encode() in head


def test_too_many_connections_get_a_problem(small: Any) -> None:
    with serving(small, limit_concurrency=1) as port:
        answer = talk(port, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", wait=5)
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert code_of(answer) == "unavailable"
    assert b"Retry-After: 5" in answer or b"retry-after: 5" in answer


def test_head_has_the_headers_of_get_and_no_body(small: Any) -> None:
    with serving(small) as port:
        got = talk(port, b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        head = talk(port, b"HEAD /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        other = talk(port, b"HEAD /zohoCrm/start HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    names = [
        {line.partition(b":")[0] for line in answer.split(b"\r\n\r\n")[0].split(b"\r\n")} for answer in (got, head)
    ]
    assert names[0] == names[1]
    assert head.endswith(b"\r\n\r\n")
    assert b'"method": "GET"' in got
    assert int(other.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]) > 0  # the app saw HEAD itself


def test_an_unexpected_error_is_a_problem_and_no_secret_leaves(small: Any) -> None:
    with serving(small) as port:
        answer = talk(port, b"GET /broken HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert code_of(answer) == "internal"
    assert b"1000." not in answer
    assert b"RuntimeError" not in answer


SESSION = {"channel_ids": ["acme"], "scopes": ["read"], "end_user": "u1", "origin": "https://app.example.com"}


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    each_nth(
        3,
        [
            (json.dumps(SESSION | {"admin": True}), "application/json", 422),
            (json.dumps(SESSION | {"channel_ids": "acme"}), "application/json", 422),
            (json.dumps(SESSION | {"end_user": 7}), "application/json", 422),
            (json.dumps(SESSION | {"end_user": None}), "application/json", 422),
            (json.dumps(SESSION | {"end_user": "a\0b"}), "application/json", 422),
            (json.dumps(SESSION | {"end_user": "\ud800"}), "application/json", 422),
            (json.dumps(SESSION | {"scopes": ["read"] * 50}), "application/json", 422),
            ("[]", "application/json", 422),
            ("null", "application/json", 422),
            ("{", "application/json", 422),
            ("{} {}", "application/json", 422),
            ('{"end_user": NaN}', "application/json", 422),
            ("\xff", "application/json", 400),
            ("[" * 60_000, "application/json", 400),
            ('{"a":' * 10_000, "application/json", 400),
            # nested less deeply than JSON is read, and more deeply than a recursion goes
            ("[" * 480 + "]" * 480, "application/json", 422),
            (json.dumps(SESSION).replace('"u1"', "[" * 700 + "]" * 700), "application/json", 422),
            (json.dumps(SESSION).replace('"u1"', '{"a":' * 700 + "1" + "}" * 700), "application/json", 422),
            ("1" * 60_000, "application/json", 400),
            ("", "application/json", 422),
            (json.dumps(SESSION), "text/plain", 415),
            (json.dumps(SESSION), "application/x-www-form-urlencoded", 415),
            (json.dumps(SESSION), "application/jsonp", 415),
            (json.dumps(SESSION), "", 415),
            ("x" * 70_000, "application/json", 413),
        ],
    ),
)
def test_a_wrong_body_is_refused_and_not_repeated(
    client: TestClient, key: Callable[..., dict[str, str]], body: str, content_type: str, status: int
) -> None:
    headers = key() | {"Content-Type": content_type}
    answer = client.post("/v1/sessions", content=body.encode("latin-1"), headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    assert len(answer.content) < 3_000


@pytest.mark.parametrize("path", ["/v1/channels/", "/ui/login/?t=secret", "/docs/", "/zohoCrm/callback/?state=s"])
def test_no_answer_leads_to_the_host_that_the_request_names(client: TestClient, path: str) -> None:
    answer = client.get(path, headers={"Host": "evil.example"}, follow_redirects=False)
    assert answer.status_code == 404
    assert "evil.example" not in str(answer.headers) + answer.text


def test_a_nul_in_the_url_is_refused(client: TestClient, key: Callable[..., dict[str, str]]) -> None:
    for path in ("/v1/catalogue%00", "/v1/catalogue?a=%00", "/%00"):
        assert client.get(path, headers=key()).status_code == 400
