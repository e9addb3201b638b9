"""Tables, JSON and CSV on standard output."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from zoho_pipeline.cli.output import print_csv, print_json, print_table, shown


def test_json_has_a_form_for_every_type(capsys: pytest.CaptureFixture[str]) -> None:
    given: dict[str, Any] = {
        "money": Decimal("12.50"),
        "whole": Decimal("3"),
        "at": datetime(2026, 5, 1, 10, tzinfo=UTC),
        "day": date(2026, 5, 1),
        "list": (1, "ü"),
        "none": None,
        "not a number": float("nan"),
    }
    print_json(given)
    printed = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert printed == {
        "money": 12.5,
        "whole": 3,
        "at": "2026-05-01T10:00:00+00:00",
        "day": "2026-05-01",
        "list": [1, "ü"],
        "none": None,
        "not a number": None,
    }


def test_csv_quotes_and_leaves_null_empty(capsys: pytest.CaptureFixture[str]) -> None:
    print_csv(["a", "b"], [["x,y", None], ['say "so"', Decimal("1.10")], [True, False]])
    assert capsys.readouterr().out == 'a,b\n"x,y",\n"say ""so""",1.10\ntrue,false\n'


def test_a_table_in_a_pipe_is_not_cut(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["id", "n"], [["x" * 300, 7], ["[red]y[/red]", None]])
    out = capsys.readouterr().out
    assert "x" * 300 in out
    assert "[red]y[/red]" in out


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (True, "yes"), (0, "0"), (datetime(2026, 5, 1, 9, 5, tzinfo=UTC), "2026-05-01 09:05:00+00:00")],
)
def test_the_text_of_a_table_cell(value: Any, text: str) -> None:
    assert shown(value) == text
