"""Secrets are redacted in log lines and in logged exceptions."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoho_pipeline.logs import configure_logging, redact

TOKEN = "1000.0123456789abcdef0123456789abcdef.fedcba9876543210fedcba9876543210"


@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: Zoho-oauthtoken {TOKEN}",
        f'{{"access_token": "{TOKEN}", "expires_in": 3600}}',
        "grant_type=refresh_token&client_secret=0123456789abcdef0123456789abcdef&x=1",
        "client_secret='0123456789abcdef0123456789abcdef'",
        "postgresql://me:0123456789abcdef0123456789abcdef@host/db",
        f"?code={TOKEN}&location=in",
    ],
)
def test_secrets_are_redacted(text: str) -> None:
    shown = redact(text)
    assert "0123456789abcdef0123456789abcdef" not in shown
    assert "***" in shown


@pytest.mark.long
@given(
    st.text("0123456789abcdef", min_size=32, max_size=32),
    st.text("0123456789abcdef", min_size=32, max_size=32),
    st.text(max_size=20),
    st.text(max_size=20),
)
def test_a_token_is_redacted_wherever_it_is(a: str, b: str, before: str, after: str) -> None:
    shown = redact(f"{before} 1000.{a}.{b} {after}")
    assert a not in shown
    assert b not in shown


def test_ordinary_text_stays_as_it_is() -> None:
    text = "module Leads: 1000 rows, 12.5 rows/s, window 2026-05-01T10:00:00+05:30, error_code=INVALID_DATA"
    assert redact(text) == text


def test_an_exception_is_redacted_with_its_record(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    kept, level = root.handlers[:], root.level
    try:
        configure_logging("INFO")
        try:
            raise ValueError(f"refused {TOKEN}")
        except ValueError:
            logging.getLogger("zoho_pipeline.test").exception("with %s", TOKEN)
    finally:
        root.handlers[:] = kept
        root.setLevel(level)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "ValueError: refused ***" in printed.err
    assert TOKEN not in printed.err
