"""What is kept of a form, and what makes it suspect."""

from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.params import choice
from zoho_pipeline.channels.forms.person_keys import phone_hash
from zoho_pipeline.forms.own_phone import without_own_phone
from zoho_pipeline.forms.read_submission import InvalidSubmission, cleaned, read_submission
from zoho_pipeline.forms.suspect import Addresses, disposable_domains, is_disposable, suspect_reason
from zoho_pipeline.settings import Secret
from zoho_pipeline.transform.dictionaries.urls import read_url

SALT = Secret("a" * 64)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
NAMES = [
    *(
        "submission_id",
        "submitted_at",
        "consent",
        "consent[analytics]",
        "consent.text_version",
        "email",
        "email_sha256",
    ),
    *("phone", "phone_sha256", "utm_source", "landing_url", "referrer", "content_id", "elapsed_ms", "hp", "company"),
    *("form_id", "gclid", "more"),
]


def fields(**more: Any) -> dict[str, Any]:
    return {"submission_id": str(uuid4()), "consent": {"analytics": True, "text_version": "1"}, **more}


def reason(too_many: bool = False, **more: Any) -> str | None:
    return suspect_reason(read_submission(fields(**more)), too_many=too_many)


@given(st.dictionaries(st.sampled_from(NAMES), JSON, max_size=12))
def test_every_body_is_read_or_refused(body: dict[str, Any]) -> None:
    for sent in (body, fields() | body):
        errors: list[dict[str, str]] = []
        try:
            found = read_submission(sent)
        except InvalidSubmission as error:
            errors = error.errors
        assert all(set(one) == {"field", "message"} for one in errors)
        if not errors and found.consent_text_version is not None:
            assert len(found.hashed(SALT, None).content_hash) == 64


@given(mark=st.text("abcdefghijklmnop", min_size=12, max_size=12))
def test_nothing_of_a_person_is_kept_or_printed(mark: str) -> None:
    personal = {"email": f"{mark}@acme.in", "phone": f"{mark} 98765 43210", "company": mark, "hp": mark}
    personal |= {"landing_url": f"https://{mark}:{mark}@a.in/p?email={mark}@acme.in&utm_source=blog#{mark}"}
    personal |= {"referrer": f"https://b.in/?q={mark}", "utm_content": f"{mark}@acme.in", "name": mark}
    personal |= {"consent": {"analytics": True, "text_version": f"agreed by {mark}@acme.in"}}
    read = read_submission(fields(**personal))
    kept = read.hashed(SALT, suspect_reason(read, too_many=False))
    assert mark not in repr(kept)
    assert mark not in repr(read)
    assert kept.touch["consent_text_version"] == "agreed by ***"
    assert kept.touch["landing_url"] == "https://a.in/p?utm_source=blog"
    assert kept.email_key


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("https://a.in/seo?utm_source=x&token=secret&gclid=G1", "https://a.in/seo?utm_source=x&gclid=G1"),
        ("https://a.in/seo?utm_term=a+b%26c", "https://a.in/seo?utm_term=a+b%26c"),
        ("https://a.in/users/bob%40home.in/x", "https://a.in/users/***/x"),
        ("https://a.in/users/bob%2540home.in/x", "https://a.in/users/***/x"),
        ("https://a.in/users/bob＠home.in/x", "https://a.in/users/***/x"),
        ("https://a.in/users/bob%ef%bc%a0home.in/x", "https://a.in/users/***/x"),
        ("https://a.in/?utm_id=bob%25EF%25BC%25A0home.in", "https://a.in/?utm_id=***"),
        (f"https://a.in/?{'&'.join(f'p{n}=1' for n in range(300))}&utm_id=7", "https://a.in/?utm_id=7"),
        ("https://a.in/a@b@c/x", "https://a.in/***/x"),
        ("https://a.in/bob@/x", "https://a.in/bob@/x"),
        ("https://medium.in/@bob/post", "https://medium.in/@bob/post"),
        ("/seo?x=1", "/seo"),
        ("https://a.in/seo?id=7&amp;utm_source=x&#38;gclid=G1", "https://a.in/seo?utm_source=x&gclid=G1"),
        ("https://a.in/seo?id=7?utm_source=x", "https://a.in/seo?utm_source=x"),
        ("https://a.in/seo#utm_source=x&token=t", "https://a.in/seo#utm_source=x"),
        ("https://a.in/app#/bob@home.in?utm_source=x", "https://a.in/app#utm_source=x"),
        ("https://a.in/seo#utm_term=bob%40home.in", "https://a.in/seo#utm_term=***"),
        ("https://[::1/?a=b", "https://[::1/"),
    ],
)
def test_a_url_keeps_its_path_and_its_campaign(text: str, kept: str) -> None:
    assert cleaned("landing_url", text) == kept


@pytest.mark.parametrize(
    "shown", ["9876543210", "+91 98765 43210", "98765-432.10", "(987)%2065432%2D10", "919876543210"]
)
def test_the_visitors_own_number_is_kept_nowhere(shown: str) -> None:
    asked = {"phone": "+91 (98765) 43210", "landing_url": f"https://a.in/thanks/{shown}?utm_term={shown}"}
    asked |= {"utm_content": shown, "form_id": f"f {shown}", "utm_id": "98765", "gclid": "9876543711"}
    touch = read_submission(fields(**asked)).touch
    assert "43210" not in "".join(filter(str.isdecimal, repr(touch).replace("%20", "").replace("%2D", "")))
    assert (touch["utm_id"], touch["gclid"]) == ("98765", "9876543711")


@pytest.mark.parametrize(
    ("person", "path", "kept"),
    [
        ({"phone": "+91 98765 43210 ext 5"}, "p/9876543210", "p/***"),  # the page has it without the extension
        ({"phone": "1234 5678"}, "p/0012345678/9", "p/00***/9"),
        ({"phone": "12345"}, "p/12345/1234567", "p/12345/1234567"),
        ({"phone": "99999 99999"}, "p/999999999999", "p/***"),
        ({"phone": "9876543210"}, "2026/05/9876543210/6", "2026/05/***/6"),
        ({"phone": "+45 12 34 56 78"}, "p/12345678", "p/***"),  # the page has it without the country
        ({"phone": "+45 12 34 56 78"}, "p/012345678", "p/0***"),
        ({"phone": "9876543210"}, "p/98765%2d43210", "p/***"),
        ({"phone": "9876543210"}, "p/%2b91%252098765%E2%80%9143210", "p/%2b91%2520***"),
        ({"phone": "9876543210"}, "p/98765_43210/९८७६५४३२१०", "p/***/***"),
        ({"phone": "9876543210"}, "p/%39876543210/%EF%BC%99876543210", "p/***/***"),
        ({"phone": "9876543210"}, "p/9876543a210", "p/9876543a210"),
        ({"sha": "9876543210"}, "2026/05/98765-43210/6", "2026/05/***/6"),
        ({"sha": "9876543210"}, "p/98765%2d43210~९८७६५–४३२१०", "p/***~***"),
        ({"sha": "9876543210"}, "p/919876543210", "p/91***"),
        ({"sha": "12345678"}, "p/1234-5678/x/123456789", "p/***/x/123456789"),
        ({"sha": "9876543210"}, "p/9876543211", "p/9876543211"),
    ],
)
def test_the_number_is_hidden_where_it_is_written_otherwise_or_sent_as_a_hash(
    person: dict[str, str], path: str, kept: str
) -> None:
    given = {"phone_sha256": phone_hash(person["sha"])} if "sha" in person else person
    assert read_submission(fields(landing_url=f"https://a.in/{path}", **given)).touch["landing_url"][13:] == kept


@given(
    st.text("0123456789 -.x/%", max_size=40),
    st.text("0123456789", min_size=8, max_size=10),
    st.sampled_from(["", " ", "-", "%20", "("]),
    st.booleans(),
)
def test_no_grouping_of_the_number_is_left(around: str, number: str, between: str, hashed: bool) -> None:
    shown = between.join(number)
    given = {"phone_sha256": phone_hash(number)} if hashed else {"phone": number}
    text = f"{around}x{shown}x{around[::-1]}"
    assert f"x{shown}x" not in read_submission(fields(utm_term=text, **given)).touch["utm_term"]


@given(
    st.text("abé/%2-.", max_size=12),
    *[
        st.lists(
            st.tuples(
                st.sampled_from(["utm_source", "UTM_id", "utm%5Fterm", "gclid", "email", "utm", "/route?utm_medium"]),
                st.text("aé+%2 ?=", max_size=6) | st.sampled_from(["caf%e9", "%C3%A9", "a%2520b", "%20", ""]),
            ),
            max_size=4,
        )
    ]
    * 2,
    st.sampled_from(["&", "&amp;", "&#38;", "?"]),
)
def test_the_marts_read_the_same_of_a_url_that_lost_its_personal_parts(
    path: str, query: list[tuple[str, str]], fragment: list[tuple[str, str]], between: str
) -> None:
    asked, after = (between.join(f"{name}={value}" for name, value in part) for part in (query, fragment))
    url = f"https://www.acme.in/{path}?{asked}#{after}"
    assert read_url(cleaned("landing_url", url)) == read_url(url)


@pytest.mark.parametrize(
    "fill", choice(["a", "@", "a%", "a%4", "%25", "&", "a=&", "://", "utm_a=a%"], ["@", "a%4", "%25", "&", "utm_a=a%"])
)
def test_the_time_for_a_hostile_text_grows_with_its_length(fill: str) -> None:
    """The route reads a body in the event loop. Once, 28 KB of `%25` took 0.7 s; a text of this length would take an
    hour."""
    text = (fill * 300_000)[:300_000]
    for name in ("utm_term", "landing_url"):
        assert len(cleaned(name, text)) <= len(text) * 3
    digits = "9876543210" * 6_000
    for person in ({"phone": digits, "phone_sha256": ""}, {"phone": "", "phone_sha256": "a" * 64}):
        assert len(without_own_phone(person, text[:60_000])) <= 60_000
        assert without_own_phone(person, digits) in ("***", digits)


def test_reasons_in_their_order() -> None:
    assert reason() is None
    assert reason(hp="x", elapsed_ms=1, too_many=True) == "honeypot"
    assert reason(elapsed_ms=1999, too_many=True) == "too_quick"
    assert reason(elapsed_ms=2000, too_many=True, email="a@mailinator.com") == "too_many"
    assert reason(email="test@mailinator.com") == "disposable_domain"
    assert reason(email="a@mx.Mailinator.com") == "disposable_domain"
    assert reason(email="a@notmailinator.com") is None


@pytest.mark.parametrize(
    "more",
    [
        {"email": "TEST@acme.in"},
        {"email": "asdf@acme.in"},
        {"email": "qwerty@acme.in"},
        {"email": "asha@example.ORG"},
        {"company": " Test "},
        {"company": "ＥＸＡＭＰＬＥ".translate({ord(c): chr(ord(c) - 0xFEE0) for c in "ＥＸＡＭＰＬＥ"})},
        {"company": "te\u200bst"},
        {"email": "\u200b asha@example.com\u200b"},
    ],
)
def test_words_of_tests(more: dict[str, Any]) -> None:
    assert reason(**more) == "test_words"


@pytest.mark.parametrize(
    "more",
    [{"email": "testa@acme.in"}, {"company": "Test Ltd"}, {"email": "a@example.co"}, {"email": "a@my-example.com"}],
)
def test_words_that_only_hold_one(more: dict[str, Any]) -> None:
    assert reason(**more) is None


def test_the_kept_list_is_in_order() -> None:
    assert len(disposable_domains()) > 80
    assert all(domain == domain.lower().strip(".") and "." in domain for domain in disposable_domains())
    assert not is_disposable("")
    assert not is_disposable("com")


def test_an_address_is_counted_for_each_form_and_kept_by_nobody() -> None:
    addresses = Addresses()
    assert [addresses.sends_too_many("fk_1", "192.0.2.77") for _ in range(6)] == [False] * 5 + [True]
    assert not addresses.sends_too_many("fk_2", "192.0.2.77")
    assert not any(addresses.sends_too_many("fk_1", None) for _ in range(9))
    assert "192.0.2.77" not in repr(vars(addresses)["_windows"].__dict__)
