"""How a person is hashed: the same for a form's submission and for a lead, so that their texts can be compared.

A key is `sha256hex(salt ‖ sha256hex(normal value))`. The inner hash is what a client may send in the place of the
value. The salt belongs to one channel, so no two channels can compare their people, and nobody can try addresses who
has the warehouse and not the registry.
"""

import hashlib
import re
import unicodedata

from zoho_pipeline.settings import Secret

PHONE_DIGITS = 10
"""The last ten digits are the subscriber's number in most countries. People leave out what comes before them."""

FEWEST_DIGITS = 8
"""A number with fewer digits is an extension, or a part of a number: too many people would share it."""

_HEX = re.compile(r"[0-9a-f]{64}")


def email_hash(email: str) -> str | None:
    """The inner hash of an e-mail address, in hex: of `bare_email`. None: the text is empty."""
    normal = bare_email(email)
    return _sha256(normal) if normal else None


def bare_email(email: str) -> str:
    """An e-mail address in lower case, without white space at its ends.

    Format characters are dropped and letters composed (NFC): an address that was copied from a page may begin with a
    zero-width space that nobody sees.
    """
    visible = email if email.isascii() else "".join(c for c in email if unicodedata.category(c) != "Cf")
    return unicodedata.normalize("NFC", visible).strip().lower()


def phone_hash(phone: str) -> str | None:
    """The inner hash of a phone number, in hex: of its last ten digits. None: it has fewer than eight digits.

    Digits of any script count as the digits 0 to 9.
    """
    digits = phone_digits(phone)
    return None if digits is None else digits_hash(digits)


def digits_hash(digits: str) -> str:
    """The inner hash of what `phone_digits` returns, in hex."""
    return _sha256(digits)


def phone_digits(phone: str) -> str | None:
    """The last ten digits of a phone number, or all of eight or nine. None: it has fewer."""
    digits = all_digits(phone)
    return digits[-PHONE_DIGITS:] if len(digits) >= FEWEST_DIGITS else None


def all_digits(text: str) -> str:
    """The digits of a text, as 0 to 9."""
    return "".join(str(unicodedata.decimal(character)) for character in text if character.isdecimal())


def given_hash(text: str) -> str | None:
    """The inner hash that a client made itself, in lower case; None: it is no SHA-256 in hex."""
    normal = text.strip().lower()
    return normal if _HEX.fullmatch(normal) else None


def person_key(salt: Secret, inner: str | None) -> str | None:
    """The key of an inner hash for one channel, in hex. None stays None."""
    return None if inner is None else _sha256(salt.reveal() + inner)


def email_key(salt: Secret, email: str | None) -> str | None:
    """The key of an e-mail address; None where there is none."""
    return person_key(salt, email_hash(email or ""))


def phone_key(salt: Secret, phone: str | None) -> str | None:
    """The key of a phone number; None where there is none, or it has too few digits."""
    return person_key(salt, phone_hash(phone or ""))


def id_hash(salt: Secret, submission_id: str) -> str:
    """What is kept of the id of a submission after it was forgotten, in hex."""
    return _sha256(f"{salt.reveal()}submission {submission_id}")


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
