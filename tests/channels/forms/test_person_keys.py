"""How a person is hashed: what two spellings share, and what they do not."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoho_pipeline.channels.forms import person_keys
from zoho_pipeline.settings import Secret

SALT, OTHER = Secret("a" * 64), Secret("b" * 64)
NAMES = st.text("abcxyzäß.+-_'0189", min_size=1, max_size=12)
BLANKS = st.text(" \t\n\u00a0", max_size=3)
SEPARATORS = st.text(" -().+/\u00a0", max_size=2)


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_the_keys_are_those_of_the_specification() -> None:
    assert person_keys.email_key(SALT, " Asha@Acme.in ") == sha("a" * 64 + sha("asha@acme.in"))
    assert person_keys.phone_key(SALT, "+91 (98765) 43-210") == sha("a" * 64 + sha("9876543210"))
    assert person_keys.phone_key(SALT, "00919876543210") == person_keys.phone_key(SALT, "9876543210")


@given(local=NAMES, domain=NAMES, before=BLANKS, after=BLANKS, upper=st.booleans())
def test_case_and_blanks_around_an_address_make_no_difference(
    local: str, domain: str, before: str, after: str, upper: bool
) -> None:
    plain = f"{local}@{domain}".lower()
    shown = plain.upper() if upper and plain.upper().lower() == plain else plain
    assert person_keys.email_key(SALT, f"{before}{shown}{after}") == person_keys.email_key(SALT, plain)


@pytest.mark.parametrize(
    "shown",
    ["\ufeffjosé@acme.in", "jose\u0301@acme.in\u200b", "\u2066José@ac\u00adme.in\u2069 ", "\u200b José@acme.in"],
)
def test_signs_that_nobody_sees_make_no_difference(shown: str) -> None:
    assert person_keys.email_key(SALT, shown) == person_keys.email_key(SALT, "josé@acme.in")


@given(first=NAMES, second=NAMES)
def test_two_addresses_have_two_keys(first: str, second: str) -> None:
    same = person_keys.email_key(SALT, f"{first}@a.in") == person_keys.email_key(SALT, f"{second}@a.in")
    assert same == (first.lower() == second.lower())


@given(digits=st.text("0123456789", min_size=10, max_size=10), prefix=st.text("0123456789", max_size=5), data=st.data())
def test_prefixes_and_separators_of_a_number_make_no_difference(digits: str, prefix: str, data: st.DataObject) -> None:
    shown = "".join(digit + data.draw(SEPARATORS) for digit in prefix + digits)
    assert person_keys.phone_key(SALT, shown) == person_keys.phone_key(SALT, digits)
    arabic = "".join(chr(0x0660 + int(digit)) for digit in digits)
    assert person_keys.phone_key(SALT, arabic) == person_keys.phone_key(SALT, digits)


@given(text=st.text(max_size=30))
def test_a_number_of_few_digits_has_no_key(text: str) -> None:
    count = sum(character.isdecimal() for character in text)
    assert (person_keys.phone_key(SALT, text) is None) == (count < 8)


@given(text=st.text(max_size=30))
def test_every_text_is_hashed_or_left_out(text: str) -> None:
    """Half surrogate pairs, digits that are no decimals, and blanks of every script."""
    for key in (person_keys.email_key(SALT, text), person_keys.phone_key(SALT, text)):
        assert key is None or (len(key) == 64 and set(key) <= set("0123456789abcdef"))


@given(email=NAMES)
def test_no_two_channels_share_a_key(email: str) -> None:
    assert person_keys.email_key(SALT, email) != person_keys.email_key(OTHER, email)


@pytest.mark.parametrize("text", ["", "a" * 63, "g" * 64, "a" * 65, "é" * 64])
def test_what_is_no_hash_is_refused(text: str) -> None:
    assert person_keys.given_hash(text) is None


def test_a_missing_value_has_no_key() -> None:
    assert person_keys.email_key(SALT, None) is None
    assert person_keys.email_key(SALT, "  ") is None
    assert person_keys.phone_key(SALT, None) is None
