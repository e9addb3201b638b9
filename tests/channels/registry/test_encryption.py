"""Encrypted tokens: what they hide, which keys decrypt them, how keys rotate."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoho_pipeline.channels.errors import DecryptionError
from zoho_pipeline.channels.registry.encryption import Encryptor, fingerprint
from zoho_pipeline.settings import Secret

OLD, NEW = Secret("old-key-" + "0" * 32), Secret("new-key-" + "1" * 32)
TOKEN = Secret("1000.abcdef0123456789.0123456789abcdef")


@given(st.text(max_size=200), st.text(max_size=20), st.sampled_from(["refresh", "access"]))
def test_a_ciphertext_gives_the_text_back_and_shows_none_of_it(text: str, channel: str, kind: str) -> None:
    encryptor = Encryptor([NEW])
    ciphertext = encryptor.encrypt(Secret(text), channel, kind)
    assert encryptor.decrypt(ciphertext, channel, kind).reveal() == text
    assert len(text) < 8 or text not in ciphertext


def test_the_newest_key_encrypts_and_an_older_one_still_decrypts() -> None:
    before = Encryptor([OLD]).encrypt(TOKEN, "acme", "refresh")
    both = Encryptor([NEW, OLD])
    assert both.decrypt(before, "acme", "refresh") == TOKEN
    assert not both.is_current(before)
    now = both.encrypt(TOKEN, "acme", "refresh")
    assert both.is_current(now)
    assert Encryptor([NEW]).decrypt(now, "acme", "refresh") == TOKEN


def test_a_missing_key_is_reported_with_the_cure_and_without_the_token() -> None:
    ciphertext = Encryptor([OLD]).encrypt(TOKEN, "acme", "refresh")
    with pytest.raises(DecryptionError, match=r"channel acme\. .*ZOHO_PIPELINE_SECRET_KEY") as caught:
        Encryptor([NEW]).decrypt(ciphertext, "acme", "refresh")
    assert TOKEN.reveal() not in str(caught.value)


@pytest.mark.parametrize(("channel", "kind"), [("other", "refresh"), ("acme", "access")])
def test_a_ciphertext_copied_to_another_row_is_refused(channel: str, kind: str) -> None:
    encryptor = Encryptor([NEW])
    with pytest.raises(DecryptionError, match="encrypted for another"):
        encryptor.decrypt(encryptor.encrypt(TOKEN, "acme", "refresh"), channel, kind)


@given(st.text(max_size=100))
def test_any_other_text_cannot_be_decrypted(rubbish: str) -> None:
    with pytest.raises(DecryptionError):
        Encryptor([NEW]).decrypt(rubbish, "acme", "refresh")


def test_a_signature_holds_under_an_older_key_and_not_under_a_foreign_one() -> None:
    signature = Encryptor([OLD]).sign(b"text")
    assert Encryptor([NEW, OLD]).is_signature(signature, b"text")
    assert not Encryptor([NEW, OLD]).is_signature(signature, b"texT")
    assert not Encryptor([NEW]).is_signature(signature, b"text")
    assert not Encryptor([NEW]).is_signature(b"", b"text")


def test_a_fingerprint_names_a_token_without_giving_it_away() -> None:
    assert fingerprint(TOKEN) == fingerprint(Secret(TOKEN.reveal()))
    assert fingerprint(TOKEN) != fingerprint(Secret(TOKEN.reveal() + "0"))
    assert fingerprint(TOKEN) not in TOKEN.reveal()
    assert len(fingerprint(TOKEN)) == 32
