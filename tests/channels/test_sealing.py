"""Seals: what they hide, who opens them, how keys rotate."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoho_pipeline.channels.errors import SealError
from zoho_pipeline.channels.registry.encryption import Sealer, fingerprint
from zoho_pipeline.settings import Secret

OLD, NEW = Secret("old-key-" + "0" * 32), Secret("new-key-" + "1" * 32)
TOKEN = Secret("1000.abcdef0123456789.0123456789abcdef")


@given(st.text(max_size=200), st.text(max_size=20), st.sampled_from(["refresh", "access"]))
def test_a_seal_gives_back_what_went_in_and_shows_none_of_it(text: str, channel: str, kind: str) -> None:
    sealer = Sealer([NEW])
    seal = sealer.seal(Secret(text), channel, kind)
    assert sealer.open(seal, channel, kind).reveal() == text
    assert len(text) < 8 or text not in seal


def test_the_newest_key_seals_and_an_older_one_still_opens() -> None:
    sealed_before = Sealer([OLD]).seal(TOKEN, "acme", "refresh")
    both = Sealer([NEW, OLD])
    assert both.open(sealed_before, "acme", "refresh") == TOKEN
    assert not both.is_current(sealed_before)
    sealed_now = both.seal(TOKEN, "acme", "refresh")
    assert both.is_current(sealed_now)
    assert Sealer([NEW]).open(sealed_now, "acme", "refresh") == TOKEN


def test_no_key_that_opens_is_said_with_the_cure_and_without_the_token() -> None:
    seal = Sealer([OLD]).seal(TOKEN, "acme", "refresh")
    with pytest.raises(SealError, match=r"channel acme .*ZOHO_PIPELINE_SECRET_KEY") as caught:
        Sealer([NEW]).open(seal, "acme", "refresh")
    assert TOKEN.reveal() not in str(caught.value)


@pytest.mark.parametrize(("channel", "kind"), [("other", "refresh"), ("acme", "access")])
def test_a_seal_copied_to_another_row_does_not_open(channel: str, kind: str) -> None:
    sealer = Sealer([NEW])
    with pytest.raises(SealError, match="sealed for another"):
        sealer.open(sealer.seal(TOKEN, "acme", "refresh"), channel, kind)


@given(st.text(max_size=100))
def test_rubbish_for_a_seal_is_a_seal_error(rubbish: str) -> None:
    with pytest.raises(SealError):
        Sealer([NEW]).open(rubbish, "acme", "refresh")


def test_a_signature_holds_under_an_older_key_and_not_under_a_foreign_one() -> None:
    signature = Sealer([OLD]).sign(b"text")
    assert Sealer([NEW, OLD]).signed(b"text", signature)
    assert not Sealer([NEW, OLD]).signed(b"texT", signature)
    assert not Sealer([NEW]).signed(b"text", signature)
    assert not Sealer([NEW]).signed(b"text", b"")


def test_a_fingerprint_names_a_token_without_giving_it_away() -> None:
    assert fingerprint(TOKEN) == fingerprint(Secret(TOKEN.reveal()))
    assert fingerprint(TOKEN) != fingerprint(Secret(TOKEN.reveal() + "0"))
    assert fingerprint(TOKEN) not in TOKEN.reveal()
    assert len(fingerprint(TOKEN)) == 32
