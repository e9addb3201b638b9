"""What makes a submission suspect: it is stored, and never matched with a lead. The sender is not told."""

import hashlib
import hmac
import secrets
from functools import cache
from pathlib import Path

from zoho_pipeline.channels.forms import person_keys
from zoho_pipeline.channels.platform.call_windows import CallWindows
from zoho_pipeline.forms.read_submission import Given
from zoho_pipeline.transform.dictionaries.text import normal_text

QUICKEST_MS = 2_000
"""No person fills in a form within two seconds."""

MOST_PER_MINUTE = 5
"""From one address. An office behind one address sends fewer; a robot sends more."""

TEST_WORDS = frozenset({"test", "asdf", "qwerty", "example"})
TEST_DOMAINS = frozenset({"example.com", "example.org", "example.net"})
_DISPOSABLE = Path(__file__).parent / "disposable_domains.txt"


class Addresses:
    """Counts the submissions of each address in the last minute, in memory. It keeps no address: a key that lives as
    long as the process hashes them."""

    def __init__(self) -> None:
        self._key, self._windows = secrets.token_bytes(32), CallWindows()

    def sends_too_many(self, form_key: str, address: str | None) -> bool:
        """Count one submission. None: the server that sends is known, so its address says nothing."""
        if address is None:
            return False
        hashed = hmac.new(self._key, f"{form_key} {address}".encode(), hashlib.sha256).digest()
        return self._windows.take(hashed, MOST_PER_MINUTE) is not None


def suspect_reason(given: Given, *, too_many: bool) -> str | None:
    """The first reason that holds: `honeypot`, `too_quick`, `too_many`, `disposable_domain`, `test_words`; None: none.

    Args:
        too_many: the address has sent more than five submissions in the last minute.
    """
    local, _, domain = person_keys.bare_email(given.person["email"]).rpartition("@")
    found = {
        "honeypot": bool(given.person["hp"]),
        "too_quick": given.elapsed_ms is not None and given.elapsed_ms < QUICKEST_MS,
        "too_many": too_many,
        "disposable_domain": is_disposable(domain),
        "test_words": domain in TEST_DOMAINS
        or normal_text(local) in TEST_WORDS
        or normal_text(given.person["company"]) in TEST_WORDS,
    }
    return next((reason for reason, holds in found.items() if holds), None)


def is_disposable(domain: str) -> bool:
    """Whether a domain, or one above it, gives addresses to anybody for some minutes."""
    labels = domain.strip(".").split(".")
    return any(".".join(labels[start:]) in disposable_domains() for start in range(len(labels) - 1))


@cache
def disposable_domains() -> frozenset[str]:
    """The kept list, in lower case."""
    lines = (line.strip() for line in _DISPOSABLE.read_text(encoding="utf-8").splitlines())
    return frozenset(line for line in lines if line and not line.startswith("#"))
