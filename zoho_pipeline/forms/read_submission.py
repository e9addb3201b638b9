"""From the fields of a form to what is kept of them: checked, hashed, and without anything that names a person."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit
from uuid import UUID

from zoho_pipeline.channels.database.texts import can_be_stored
from zoho_pipeline.channels.forms import person_keys
from zoho_pipeline.channels.forms.submissions import Submission
from zoho_pipeline.forms.own_phone import without_own_phone
from zoho_pipeline.settings import Secret
from zoho_pipeline.transform.dictionaries.urls import AMPERSAND, CLICK_IDS, is_like_an_address

LONGEST = 2_000
"""Characters of one field."""

MOST_ELAPSED = 2**53
"""Milliseconds; a larger number is kept as this one, so that every column holds it."""
TOUCH_FIELDS = (
    "form_id",
    *(f"utm_{name}" for name in ("source", "medium", "campaign", "term", "content", "id")),
    "landing_url",
    "referrer",
    "content_id",
    "activity_id",
    "gclid",
)
PERSON_FIELDS = ("email", "email_sha256", "phone", "phone_sha256")
JUDGED_FIELDS = ("hp", "company")
"""They help to recognise a robot or a test, and nothing of them is kept."""

_KEPT_PARAMETERS = re.compile("|".join((r"utm_\w+", *CLICK_IDS)), re.IGNORECASE)
_EMAIL = re.compile(r"[^\s@]+@[^\s@]+")
_BETWEEN_WORDS = re.compile(r"([\s/?&=:;,<>()\"']+)")
_NUMBER = re.compile(r"[0-9]{1,400}(?:\.[0-9]{0,400})?(?:[eE][+-]?[0-9]{1,4})?")


class InvalidSubmission(Exception):
    """A field is wrong. `errors` has {field, message} of each one, without the value."""

    def __init__(self, errors: list[dict[str, str]]) -> None:
        super().__init__("a field of the form is wrong")
        self.errors = errors


@dataclass(frozen=True)
class Given:
    """The checked fields of one request. It lives as long as the request, and no print shows a person.

    Attributes:
        consent_text_version: the version of the text; None: there is no consent, and nothing else was read.
        email, email_sha256, phone, phone_sha256, hp, company: '' where the field is missing.
    """

    submission_id: str
    consent_text_version: str | None
    submitted_at: datetime | None = None
    elapsed_ms: int | None = None
    touch: Mapping[str, str] = field(default_factory=dict)
    person: Mapping[str, str] = field(default_factory=dict, repr=False)

    def hashed(self, salt: Secret, suspect_reason: str | None) -> Submission:
        """What is kept."""
        person = self.person
        inner_email = person_keys.given_hash(person["email_sha256"]) or person_keys.email_hash(person["email"])
        inner_phone = person_keys.given_hash(person["phone_sha256"]) or person_keys.phone_hash(person["phone"])
        return Submission(
            submission_id=self.submission_id,
            id_hash=person_keys.id_hash(salt, self.submission_id),
            submitted_at=self.submitted_at,
            email_key=person_keys.person_key(salt, inner_email),
            phone_key=person_keys.person_key(salt, inner_phone),
            elapsed_ms=self.elapsed_ms,
            touch={**self.touch, "consent_text_version": self.consent_text_version or ""},
            suspect_reason=suspect_reason,
        )


def read_submission(fields: Mapping[str, Any]) -> Given:
    """Check the fields of a request. Unknown ones are dropped. Without consent nothing but the id is read.

    A form may write the consent as `consent[analytics]` and `consent[text_version]`, or with a dot.

    Raises:
        InvalidSubmission: fields are missing or wrong.
    """
    errors: list[dict[str, str]] = []
    submission_id = _uuid(fields.get("submission_id"), errors)
    version = _consent(fields, errors)
    if version is None or errors:
        _raise(errors)
        return Given(submission_id, None)
    texts = {name: _text(name, fields.get(name), errors) for name in (*TOUCH_FIELDS, *PERSON_FIELDS, *JUDGED_FIELDS)}
    submitted_at = _instant(fields.get("submitted_at"), errors)
    elapsed = _milliseconds(fields.get("elapsed_ms"), errors)
    _check_person(texts, errors)
    _raise(errors)
    person = {name: texts.pop(name) for name in (*PERSON_FIELDS, *JUDGED_FIELDS)}
    touch = {name: without_own_phone(person, cleaned(name, text)) for name, text in texts.items() if text}
    version = without_own_phone(person, cleaned("consent_text_version", version))
    return Given(submission_id, version, submitted_at, elapsed, touch, person)


def is_email(text: str) -> bool:
    """Whether a text can be an e-mail address: one at sign between two words, whatever nobody sees around it.

    No form stores another one.
    """
    return _EMAIL.fullmatch(person_keys.bare_email(text)) is not None


def cleaned(name: str, text: str) -> str:
    """A text of a touch without what may name a person.

    A URL keeps its host, its path, and the parameters of campaigns: pages put addresses and tokens into others. What
    looks like an e-mail address becomes `***`.
    """
    if name in ("landing_url", "referrer"):
        text = _bare_url(text)
    return "".join("***" if is_like_an_address(word) else word for word in _BETWEEN_WORDS.split(text))


def _bare_url(text: str) -> str:
    """The URL with what `read_url` reads of it: some pages and e-mail tools put the campaign into the fragment."""
    before, _, fragment = AMPERSAND.sub("&", text).partition("#")
    location, _, query = before.partition("?")
    try:
        parts = urlsplit(location)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return location
    return urlunsplit((parts.scheme, host, parts.path, _campaign(query), _campaign(fragment)))


def _campaign(part: str) -> str:
    """The parameters of campaigns of a query or a fragment, as they are written."""
    pieces = part.replace("?", "&").split("&")
    return "&".join(piece for piece in pieces if _KEPT_PARAMETERS.fullmatch(unquote(piece.partition("=")[0])))


def _raise(errors: list[dict[str, str]]) -> None:
    if errors:
        raise InvalidSubmission(errors)


def _wrong(errors: list[dict[str, str]], name: str, message: str) -> None:
    errors.append({"field": name, "message": message})


def _uuid(value: Any, errors: list[dict[str, str]]) -> str:
    text = value.strip() if isinstance(value, str) else ""
    try:
        if len(text) == 36:
            return str(UUID(text))
    except ValueError:
        pass
    _wrong(errors, "submission_id", "It must be a UUID, such as crypto.randomUUID() makes one.")
    return ""


def _consent(fields: Mapping[str, Any], errors: list[dict[str, str]]) -> str | None:
    """The version of the text to which the visitor consented; None: there is no consent."""
    given = fields.get("consent")
    found: dict[str, Any] = {}
    for name in ("analytics", "text_version"):
        flat = fields.get(f"consent[{name}]", fields.get(f"consent.{name}"))
        found[name] = given.get(name) if isinstance(given, Mapping) else flat
    if all(value is None for value in found.values()):
        _wrong(errors, "consent", "It must be an object with `analytics` (true or false) and `text_version`.")
        return None
    agreed = _boolean(found["analytics"])
    if agreed is None and found["analytics"] is not None:
        _wrong(errors, "consent.analytics", "It must be true or false.")
    if not agreed:
        return None
    version = _text("consent.text_version", found["text_version"], errors)
    if not version and not errors:
        _wrong(errors, "consent.text_version", "It must name the text that the visitor agreed to.")
    return version


def _boolean(value: Any) -> bool | None:
    """True or false, as JSON or as a form writes it; a box without a value sends `on`. None: it is neither."""
    if isinstance(value, bool):
        return value
    return {"true": True, "on": True, "1": True, "false": False, "off": False, "0": False, "": False}.get(
        value.strip().lower() if isinstance(value, str) else "?"
    )


def _text(name: str, value: Any, errors: list[dict[str, str]]) -> str:
    """A text without white space at its ends; '' where there is none."""
    if value is None:
        return ""
    if not isinstance(value, str):
        _wrong(errors, name, "It must be a text.")
    elif len(value) > LONGEST:
        _wrong(errors, name, f"It has at most {LONGEST:,} characters.")
    elif not can_be_stored(value):
        _wrong(errors, name, "It holds NUL or half of a surrogate pair.")
    else:
        return value.strip()
    return ""


def _instant(value: Any, errors: list[dict[str, str]]) -> datetime | None:
    text = _text("submitted_at", value, errors)
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
        if found.tzinfo is not None:
            return found.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    _wrong(errors, "submitted_at", "It must be a time of ISO 8601 with a zone, such as 2026-05-01T12:00:00Z.")
    return None


def _milliseconds(value: Any, errors: list[dict[str, str]]) -> int | None:
    """Whole milliseconds. `performance.now()` of a browser gives fractions of them."""
    if isinstance(value, str):
        text = value.strip()
        if not text:
            return None
        value = float(text) if _NUMBER.fullmatch(text) else text
    if value is None:
        return None
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < math.inf:
        return int(min(value, MOST_ELAPSED))
    _wrong(errors, "elapsed_ms", "It must be a number of milliseconds, and not below 0.")
    return None


def _check_person(texts: Mapping[str, str], errors: list[dict[str, str]]) -> None:
    for name in ("email", "phone"):
        digest = texts[f"{name}_sha256"]
        if digest and texts[name]:
            _wrong(errors, f"{name}_sha256", f"Send either `{name}` or `{name}_sha256`.")
        if digest and person_keys.given_hash(digest) is None:
            _wrong(errors, f"{name}_sha256", "It must be a SHA-256 in hex: 64 digits.")
    if texts["email"] and not is_email(texts["email"]):
        _wrong(errors, "email", "It must be an e-mail address.")
