"""Parameters of the models: names, types and ranges."""

import csv
from pathlib import Path

import pytest

from zoho_pipeline.channels.errors import InvalidSetting
from zoho_pipeline.channels.settings.parameters import RULES, SEED, known_parameters, parse_parameters


def test_every_parameter_of_the_seed_has_a_range_that_its_default_fits() -> None:
    with SEED.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["name"]: row["type"] for row in rows} == {name: rule.type for name, rule in RULES.items()}
    for row in rows:
        assert RULES[row["name"]].check(row["name"], row["default_value"]) == row["default_value"]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("topic_min_leads=1", {"topic_min_leads": "1"}),
        (" exchange_rate_direction = Multiply ", {"exchange_rate_direction": "multiply"}),
        ("time_decay_half_life_days=3.50", {"time_decay_half_life_days": "3.5"}),
        ("touch_window_days=", {"touch_window_days": None}),
    ],
)
def test_good_parameters(given: str, kept: dict[str, str | None]) -> None:
    assert parse_parameters([given]) == kept


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("topic_min_leads", "name=value"),
        ("topic_min_lead=1", "Known: topic_min_leads"),
        ("zzzzz=1", "Known: contact_early_seconds"),
        ("topic_min_leads=0", "a whole number from 1"),
        ("topic_min_leads=2.5", "a whole number"),
        ("topic_min_confidence=1.1", "a number from 0 to 1"),
        ("time_decay_half_life_days=0", "from 0.01"),
        ("trend_z=nan", "a number"),
        ("trend_z=inf", "a number"),
        ("exchange_rate_direction=up", "divide or multiply"),
    ],
)
def test_bad_parameters_are_named_with_what_fits(given: str, says: str) -> None:
    with pytest.raises(InvalidSetting, match=says):
        parse_parameters([given])


def test_the_seed_decides_if_it_exists_and_otherwise_the_list_in_python(tmp_path: Path) -> None:
    assert known_parameters(tmp_path / "absent.csv") == RULES
    seed = tmp_path / "seed_parameters.csv"
    seed.write_text("name,default_value,type,description\nbrand_new,x,text,\ntopic_min_leads,5,integer,\n")
    assert parse_parameters(["brand_new=anything", "topic_min_leads=2"], seed) == {
        "brand_new": "anything",
        "topic_min_leads": "2",
    }
    with pytest.raises(InvalidSetting):
        parse_parameters(["trend_z=1"], seed)
