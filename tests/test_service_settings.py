"""The settings of the web server and the worker: one bad value is one message that names it."""

import ipaddress

import pytest

from zoho_pipeline.service_settings import ServiceSettings, load_service_settings
from zoho_pipeline.settings import SettingsError


def test_the_defaults_are_those_of_a_machine_of_its_own() -> None:
    found = load_service_settings({})
    assert found == ServiceSettings()
    assert found.redirect_uri == "http://localhost:8480/zohoCrm/callback"
    assert found.is_loopback
    assert not found.is_https
    assert found.webhook_retries == (5, 300, 1800, 7200, 18000, 36000, 36000)


def test_each_value_is_read() -> None:
    found = load_service_settings(
        {
            "ZOHO_PIPELINE_PUBLIC_URL": "https://crm.example.com/",
            "ZOHO_PIPELINE_WEB_SESSION_SECONDS": "900",
            "ZOHO_PIPELINE_WEB_EMBED_SECONDS": "60",
            "ZOHO_PIPELINE_WEB_CONNECT_SECONDS": "120",
            "ZOHO_PIPELINE_WEBHOOK_RETRIES": "0, 1.5",
            "ZOHO_PIPELINE_METRICS": "KEY",
            "ZOHO_PIPELINE_TRUSTED_PROXIES": "10.0.0.0/8, 192.0.2.7",
        }
    )
    assert found.public_url == "https://crm.example.com"
    assert (found.session_seconds, found.embed_seconds, found.connect_seconds) == (900, 60, 120)
    assert found.webhook_retries == (0.0, 1.5)
    assert found.metrics == "key"
    assert ipaddress.ip_address("192.0.2.7") in found.trusted_proxies[1]
    assert found.is_https


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PUBLIC_URL", "http://crm.example.com"),
        ("PUBLIC_URL", "https://crm.example.com/base"),
        ("PUBLIC_URL", "https://user@crm.example.com"),
        ("PUBLIC_URL", "crm.example.com"),
        ("WEB_SESSION_SECONDS", "1801"),
        ("WEB_SESSION_SECONDS", "60.5"),
        ("WEB_SESSION_SECONDS", "soon"),
        ("WEB_EMBED_SECONDS", "0"),
        ("WEB_CONNECT_SECONDS", "601"),
        ("WEBHOOK_RETRIES", "5;300"),
        ("WEBHOOK_RETRIES", "-1"),
        ("WEBHOOK_RETRIES", "nan"),
        ("WEBHOOK_RETRIES", "1e9"),
        ("METRICS", "public"),
        ("TRUSTED_PROXIES", "10.0.0.0/40"),
        ("TRUSTED_PROXIES", "proxy.example.com"),
    ],
)
def test_a_bad_value_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"ZOHO_PIPELINE_{name}"):
        load_service_settings({f"ZOHO_PIPELINE_{name}": value})


def test_other_machines_need_https() -> None:
    with pytest.raises(SettingsError, match="ZOHO_PIPELINE_PUBLIC_URL"):
        ServiceSettings().require_safe_host("0.0.0.0")
    ServiceSettings().require_safe_host("127.0.0.1")
    ServiceSettings(public_url="https://crm.example.com").require_safe_host("0.0.0.0")
