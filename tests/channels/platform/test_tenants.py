"""The origins of tenants: exactly what a browser calls an origin."""

import pytest

from zoho_pipeline.channels.errors import InvalidSetting
from zoho_pipeline.channels.platform.tenants import Tenants, check_origin
from zoho_pipeline.channels.registry.registry import Registry


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("https://App.example.com/", "https://app.example.com"),
        ("https://app.example.com:443", "https://app.example.com"),
        ("https://app.example.com:8443", "https://app.example.com:8443"),
        ("https://xn--mnchen-3ya.example", "https://xn--mnchen-3ya.example"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("https://[2001:db8::1]:5", "https://[2001:db8::1]:5"),
        ("https://192.0.2.7", "https://192.0.2.7"),
    ],
)
def test_origins_are_stored_as_browsers_write_them(given: str, stored: str) -> None:
    assert check_origin(given) == stored


@pytest.mark.parametrize(
    "given",
    [
        "", "*", "null", "https://*.example.com", "https://a.example/x", "http://a.example", "ftp://a.example",
        "https://a b", "https://a;script-src *", "https://a;b", "https://a'b", "https://a,b", 'https://a"b',
        "https://a..b", "https://-a", "https://a%20b", "https://münchen.example", "https://2130706433",
        "https://u:p@a.example", "https://a.example?x", "https://a.example#x",
    ],
)  # fmt: skip
def test_what_is_no_origin_is_refused_and_nothing_is_stored(registry: Registry, given: str) -> None:
    with pytest.raises(InvalidSetting):
        Tenants(registry.database).set_origins("t", ["https://good.example", given])
    assert Tenants(registry.database).origins("t") == ()


def test_a_host_of_other_letters_is_told_what_browsers_send() -> None:
    with pytest.raises(InvalidSetting, match="in ASCII letters: xn--"):
        check_origin("https://münchen.example")
