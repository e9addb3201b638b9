"""The state of a consent is accepted only if we signed it, and only until it expires."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoho_pipeline.channels.consent.signed_state import ConsentRequest, read_state, write_state
from zoho_pipeline.channels.errors import StateExpired, StateForged
from zoho_pipeline.channels.registry.encryption import Encryptor
from zoho_pipeline.settings import Secret

OURS, THEIRS = Encryptor([Secret("o" * 40)]), Encryptor([Secret("t" * 40)])
REQUEST = ConsentRequest("acme", "in", "http://localhost:8414/callback", ("a.b.READ", "c.d.READ"), 1_000, "t", "UTC")


def test_a_state_comes_back_as_it_was_written_until_its_end() -> None:
    state = write_state(OURS, REQUEST)
    assert read_state(OURS, state, now=1_000) == REQUEST
    with pytest.raises(StateExpired, match="zoho-pipeline connect acme"):
        read_state(OURS, state, now=1_000.5)


def test_no_two_consents_share_a_state() -> None:
    again = ConsentRequest("acme", "in", REQUEST.redirect_uri, REQUEST.scopes, 1_000, "t", "UTC")
    assert write_state(OURS, again) != write_state(OURS, REQUEST)


def test_a_state_of_another_installation_is_forged_even_when_expired() -> None:
    with pytest.raises(StateForged):
        read_state(OURS, write_state(THEIRS, REQUEST), now=2_000)


def test_a_rotated_key_still_reads_what_the_older_one_signed() -> None:
    rotated = Encryptor([Secret("n" * 40), Secret("o" * 40)])
    assert read_state(rotated, write_state(OURS, REQUEST), now=0) == REQUEST


@given(st.integers(0, 400), st.characters(codec="ascii"))
def test_one_changed_letter_is_forged(position: int, letter: str) -> None:
    state = write_state(OURS, REQUEST)
    at = position % len(state)
    changed = state[:at] + letter + state[at + 1 :]
    if changed == state:
        return
    try:
        # the last letter of each part has unused bits: another spelling of the same bytes is not a forgery
        assert read_state(OURS, changed, now=0) == REQUEST
    except StateForged:
        return
    assert at in (state.index(".") - 1, len(state) - 1) or not letter.isalnum()


@given(st.text(max_size=200))
def test_any_other_text_is_forged(text: str) -> None:
    with pytest.raises(StateForged):
        read_state(OURS, text, now=0)
