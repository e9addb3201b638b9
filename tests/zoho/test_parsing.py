"""JSON as it was sent: every digit of a number, and every good value beside an odd one."""

from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoho_pipeline.zoho.parsing import (
    MOST_DEPTH,
    ODD,
    is_digits,
    joined,
    number_of,
    odd_values,
    parse,
    parse_leniently,
    parse_or_none,
    shown,
    whole_number,
)

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("7212345678901234567", 7212345678901234567),
        ("-9223372036854775809", -9223372036854775809),
        ("18446744073709551616", 18446744073709551616),
        ("1234567890123456.78", Decimal("1234567890123456.78")),
        ("0.1234567890123456789", Decimal("0.1234567890123456789")),
        ("1200.5", 1200.5),
        ("1e3", 1000.0),
    ],
)
@pytest.mark.parametrize("around", ['{"a":%s}', '{"a": %s }', "[1,%s]", '[{"b":"x"},\n%s]'])
def test_a_number_keeps_its_digits(text: str, value: Any, around: str) -> None:
    found = parse((around % text).encode())
    number = found["a"] if isinstance(found, dict) else found[1]
    assert (number, type(number)) == (value, type(value))


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_a_fraction_is_exact(value: Decimal) -> None:
    found = number_of(str(value))
    assert (Decimal(repr(found)) if isinstance(found, float) else found) == value


@given(VALUES)
def test_a_good_document_is_the_same_both_ways(value: Any) -> None:
    body = orjson.dumps({"data": [{"id": "1", "a": value}]}) if _fits(value) else b"{}"
    assert parse_leniently(body) == parse(body)


def _fits(value: Any) -> bool:
    try:
        orjson.dumps(value)
    except TypeError:  # an integer beyond 64 bits
        return False
    return True


@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_whatever_a_text_holds_the_row_and_its_neighbours_stay(inside: bytes) -> None:
    inside = inside.replace(b'"', b"").replace(b"\\", b"")
    body = b'{"data":[{"id":"1","a":"' + inside + b'","b":"good"},{"id":"2","a":"x"}],"info":{"more_records":false}}'
    first, second = parse_or_none(body)["data"]
    assert (first["id"], first["b"], second) == ("1", "good", {"id": "2", "a": "x"})
    assert (first["a"] is None) == (set(odd_values(first)) == {"a"})
    orjson.dumps(first["a"])


def test_what_is_kept_of_an_odd_value() -> None:
    body = (
        rb'{"data":[{"id":"\ud83d","Owner":{"id":"9","name":"\ud800"},"who":{"name":"\ud800"},"list":["a","\ud800"],'
        rb'"rows":[{"id":"1","x":"\ud800"},{"id":"2"}],"n":NaN,"\ud83dkey":1}],"info":{"note":"\ud800","count":1}}'
    )
    document = parse_leniently(body)
    (row,) = document["data"]
    odd = row.pop(ODD)
    assert row == {
        "id": "", "Owner": {"id": "9", "name": None}, "who": None, "list": None,
        "rows": [{"id": "1", "x": None}, {"id": "2"}], "n": None,
    }  # fmt: skip
    assert set(odd) == {"id", "Owner", "who", "list", "rows", "n", r"\ud83dkey"}
    assert odd["n"] == ("NaN", "not a finite number")
    assert (document["info"]["note"], document["info"]["count"]) == (None, 1)


@pytest.mark.parametrize("depth", [MOST_DEPTH + 1, 1_100, 50_000])
def test_a_part_that_is_nested_too_deeply_is_left_out(depth: int) -> None:
    deep = b'{"[":' * depth + b'"}]"' + b"}" * depth
    (row,) = parse_leniently(b'{"data":[{"id":"1","a":' + deep + b',"b":"]["}]}')["data"]
    assert (row["id"], row["a"], row["b"]) == ("1", None, "][")
    assert odd_values(row)["a"].reason == "nested too deeply"


@pytest.mark.parametrize(
    "body", [b"", b"[", b'{"a":', b"[" * 100_000, b"<html>", b"\xff", b'{"a":"\xff', b"\xff\xfe{\0"]
)
def test_what_is_no_json_stays_no_json(body: bytes) -> None:
    assert parse_or_none(body) is None


def test_an_answer_cannot_pretend_to_have_odd_values() -> None:
    row = parse(b'{"id":"1","$odd":{"a":["x","y"]}}')
    assert odd_values(row) == {}


def test_odd_values_of_all_parts_of_a_row_are_kept() -> None:
    body = b'{"data":[{"id":"1","a":"\\ud800","t":"a"},{"id":"1","b":"\\ud800","t":"b"}]}'
    first, second = parse_leniently(body)["data"]
    row = joined(first, second)
    assert set(odd_values(row)) == {"a", "b"}
    assert row["t"] == "a"


@pytest.mark.parametrize("value", ["²", "٣", "-1", "1.0", "", " ", "9" * 26, True, 1.5, None, [], "1e3", -1])
def test_what_is_no_whole_number(value: Any) -> None:
    assert whole_number(value) is None


def test_whole_numbers() -> None:
    assert [whole_number(v, 10) for v in (" 7 ", 7, "10", 11)] == [7, 7, 10, None]
    assert is_digits("4876876000000300000")
    assert shown("\udcff \ud83d") == r'"\xff \ud83d"'


@pytest.mark.parametrize("exponent", ["e400", "E+2147483648", "e99999999999999999999", "e-99999999999999999999"])
def test_an_exponent_beyond_every_number_costs_its_own_value(exponent: str) -> None:
    body = b'{"data":[{"id":"1","a":7%s,"b":"x","c":"\xff"}]}' % exponent.encode()
    (row,) = parse_leniently(body)["data"]
    assert (row["id"], row["b"]) == ("1", "x")
    assert isinstance(row["a"], Decimal | None)
    assert "c" in odd_values(row)
    assert ("a" in odd_values(row)) == (row["a"] is None)
    assert parse_or_none(body)["data"][0]["b"] == "x"


@pytest.mark.parametrize("start", [b'{"x":"', b'{"x":["a","', b'["\\'])
def test_a_text_without_an_end_is_refused_at_once(start: bytes) -> None:
    """A search that begins anew at each escaped quote takes hours for these two megabytes."""
    with pytest.raises(ValueError):
        parse_leniently(start + b'\\"' * 1_000_000)
