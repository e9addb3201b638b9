"""Whose address counts: nobody can claim one, unless a proxy of the settings says so."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoho_pipeline.web.http.client_address import client_address

TRUSTED = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


def address(peer: str | None, *forwarded: str, trusted: tuple[object, ...] = TRUSTED) -> str:
    headers = [(b"x-forwarded-for", line.encode("latin-1")) for line in forwarded]
    scope = {"type": "http", "client": (peer, 4711) if peer else None, "headers": headers}
    return client_address(scope, trusted)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        ("192.0.2.1", (), "192.0.2.1"),
        ("192.0.2.1", ("203.0.113.9",), "192.0.2.1"),  # the peer is no proxy, so its header counts for nothing
        ("10.0.0.1", ("203.0.113.9",), "203.0.113.9"),
        ("10.0.0.1", ("1.1.1.1, 203.0.113.9",), "203.0.113.9"),  # the client wrote 1.1.1.1 itself
        ("10.0.0.1", ("1.1.1.1", "203.0.113.9"), "203.0.113.9"),
        ("10.0.0.1", ("1.1.1.1, 203.0.113.9, 10.2.0.3",), "203.0.113.9"),
        ("10.0.0.1", ("203.0.113.9:55555",), "203.0.113.9"),
        ("10.0.0.1", ("[2001:db8::1]:4711",), "2001:db8::1"),
        ("::ffff:10.0.0.1", ("203.0.113.9",), "203.0.113.9"),
        ("fd00::1", ("2001:DB8::1",), "2001:db8::1"),
        ("10.0.0.1", ("10.0.0.7, 10.0.0.8",), "10.0.0.7"),
        ("10.0.0.1", ("1.1.1.1, nonsense",), "10.0.0.1"),
        ("10.0.0.1", ("1.1.1.1, \xff, 10.0.0.2",), "10.0.0.2"),
        ("10.0.0.1", ("", ",,"), "10.0.0.1"),
        ("testclient", ("203.0.113.9",), "unknown"),
        (None, ("203.0.113.9",), "unknown"),
    ],
)
def test_the_right_most_address_that_is_no_proxy(peer: str | None, forwarded: tuple[str, ...], found: str) -> None:
    assert address(peer, *forwarded) == found


@given(st.lists(st.text(st.characters(max_codepoint=255), max_size=20), max_size=4))
def test_without_trusted_proxies_no_header_counts(lines: list[str]) -> None:
    assert address("192.0.2.1", *lines, trusted=()) == "192.0.2.1"
