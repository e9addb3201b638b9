"""Cursors: what one list gives, that list alone takes back."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoho_pipeline.settings import Secret
from zoho_pipeline.web.http.cursors import LONGEST, decode, encode
from zoho_pipeline.web.http.problems import Problem

KEYS = (Secret("n" * 40), Secret("o" * 40))
BINDING = {"tenant": "acme-inc", "channel": "acme", "status": None}
VALUES = st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.text(max_size=30))
BINDINGS = st.dictionaries(st.text(max_size=8), VALUES, max_size=4)


@given(binding=BINDINGS, position=st.lists(VALUES, max_size=4))
def test_a_cursor_gives_back_its_position(binding: dict[str, Any], position: list[Any]) -> None:
    assert decode(KEYS, binding, encode(KEYS, binding, position)) == position


@given(one=BINDINGS, other=BINDINGS, position=st.lists(VALUES, max_size=3))
def test_a_cursor_of_another_list_is_refused(one: dict[str, Any], other: dict[str, Any], position: list[Any]) -> None:
    cursor = encode(KEYS, one, position)
    if _same(one, other):
        return
    with pytest.raises(Problem) as caught:
        decode(KEYS, other, cursor)
    assert (caught.value.status, caught.value.errors[0]["field"]) == (422, "cursor")


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Equal, with True and 1 as two values, as in JSON."""
    return one == other and {k: type(v) for k, v in one.items()} == {k: type(v) for k, v in other.items()}


@given(data=st.data())
def test_no_character_of_a_cursor_can_be_changed(data: st.DataObject) -> None:
    cursor = encode(KEYS, BINDING, ["2026-11-01T10:00:00+00:00", "6000000001"])
    place = data.draw(st.integers(0, len(cursor) - 1))
    character = data.draw(st.sampled_from("AZaz09-_.=~") | st.characters())
    edited = cursor[:place] + character + cursor[place + 1 :]
    if edited == cursor:
        return
    with pytest.raises(Problem):
        decode(KEYS, BINDING, edited)


@given(st.text(max_size=200))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(Problem):
        decode(KEYS, BINDING, text)


def test_a_cursor_is_cut_nowhere_and_is_not_long() -> None:
    cursor = encode(KEYS, BINDING, ["x"])
    for wrong in (cursor[:-1], cursor + "A", cursor.partition(".")[0], "." + cursor, "", "." * (LONGEST + 1)):
        with pytest.raises(Problem):
            decode(KEYS, BINDING, wrong)


def test_a_cursor_outlives_a_change_of_the_keys() -> None:
    old = encode(KEYS[1:], BINDING, [1])
    assert decode(KEYS, BINDING, old) == [1]
    with pytest.raises(Problem):
        decode(KEYS[:1], BINDING, old)
