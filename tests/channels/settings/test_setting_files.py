"""Settings of a channel: a file is accepted as a whole, or refused with a reason."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st

from zoho_pipeline.channels.errors import InvalidSetting, UnknownChannel
from zoho_pipeline.channels.registry.model import Channel
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.channels.settings.set_settings import set_settings
from zoho_pipeline.channels.settings.setting_files import (
    FIELD_KEYS,
    check_business_hours,
    check_currency,
    check_timezone,
    read_business_hours,
    read_field_map,
    read_lead_source_map,
)
from zoho_pipeline.channels.settings.zone_names import ABBREVIATIONS

HOURS = {
    "id": "1",
    "type": "custom",
    "week_starts_on": "Monday",
    "same_as_everyday": True,
    "business_days": ["Monday", "Tuesday"],
    "daily_timing": ["09:00", "18:00"],
}
SPLIT_HOURS = {
    "type": "custom",
    "same_as_everyday": False,
    "business_days": ["Monday", "Saturday"],
    "custom_timing": [
        {"days": "Monday", "business_timing": ["09:30", "18:00"]},
        {"days": "Saturday", "business_timing": ["22:00", "02:00"]},
    ],
}


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str | bytes | Any], Path]:
    def build(content: Any) -> Path:
        path = tmp_path / "given"
        data = content if isinstance(content, str | bytes) else json.dumps(content)
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    return build


@pytest.mark.parametrize(
    "name", ["Asia/Kolkata", "Europe/Berlin", "America/Argentina/Buenos_Aires", "UTC", "Asia/Calcutta"]
)
def test_iana_zones_are_taken(name: str) -> None:
    assert check_timezone(name) == name


@pytest.mark.parametrize(
    ("name", "hint"),
    [("asia/kolkata", "Asia/Kolkata"), ("Europe/Berlinn", "Europe/Berlin"), ("+05:30", "such as"), ("", "such as")],
)
def test_what_is_no_zone_is_refused_with_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(InvalidSetting, match=hint):
        check_timezone(name)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("IST", "Did you mean Asia/Kolkata or Europe/Dublin or Asia/Jerusalem?"),
        (" ist ", "Did you mean Asia/Kolkata or Europe/Dublin or Asia/Jerusalem?"),
        ("CST", "Did you mean America/Chicago or Asia/Shanghai?"),
        ("BST", "Did you mean Europe/London or Asia/Dhaka?"),
        ("SGT", "Did you mean Asia/Singapore?"),
        ("PDT", "Did you mean America/Los_Angeles?"),
    ],
)
def test_an_abbreviation_is_refused_with_the_zones_it_may_mean(name: str, hint: str) -> None:
    with pytest.raises(InvalidSetting) as caught:
        check_timezone(name)
    assert hint in str(caught.value)


def test_every_suggested_zone_exists_and_no_abbreviation_is_a_zone_itself() -> None:
    assert {zone for zones in ABBREVIATIONS.values() for zone in zones} <= available_timezones()
    assert not ABBREVIATIONS.keys() & available_timezones()


@pytest.mark.parametrize("name", ["localtime", "Factory", "posixrules"])
def test_a_file_beside_the_zones_is_no_zone(name: str) -> None:
    """What `localtime` means depends on the machine, and no database knows it."""
    with pytest.raises(InvalidSetting, match=f"'{name}' is not an IANA time zone"):
        check_timezone(name)


@profile(max_examples=25)
@given(st.text(max_size=30))
def test_no_text_breaks_the_check_of_a_zone(name: str) -> None:
    try:
        assert check_timezone(name) == name
    except InvalidSetting:
        assert name not in available_timezones()


def test_currencies() -> None:
    assert check_currency(" inr ") == "INR"
    for bad in ("₹", "RUPEES", "", "I1R"):
        with pytest.raises(InvalidSetting, match="INR"):
            check_currency(bad)


def test_a_field_map_takes_the_keys_of_the_contract_and_no_other(write: Callable[[Any], Path]) -> None:
    whole = {key: f"Custom_{number}" for number, key in enumerate(FIELD_KEYS)}
    assert read_field_map(write(whole)) == whole
    assert read_field_map(write({})) == {}
    assert read_field_map(write('\ufeff{"gclid": "$gclid"}')) == {"gclid": "$gclid"}
    assert " ".join(FIELD_KEYS) == (
        "utm_source utm_medium utm_campaign utm_content utm_term utm_id activity_id landing_url referrer "
        "first_visited_url first_visited_time gclid gbraid wbraid msclkid fbclid li_fat_id ttclid"
    )


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"utm_sources": "UTM_Source"}, "Did you mean utm_source"),
        ({"zzz": "UTM_Source"}, "The keys are utm_source, utm_medium"),
        ({"utm_source": ""}, "API name"),
        ({"utm_source": None}, "API name"),
        ({"utm_source": "UTM Source"}, "API name"),
        ({"utm_source": ["a"]}, "API name"),
        (["utm_source"], "JSON object"),
        ('{"utm_source": "A",', "line 1: this is not JSON"),
        ('{"gclid": "A", "gclid": "B"}', "'gclid' twice"),
        ("", "this is not JSON"),
        (b"\xff\xfe\x00", "UTF-8"),
        ("[" * 200_000, "nested too deeply"),
        ('{"utm_source": ' + "9" * 5_000 + "}", "too many digits"),
    ],
)
def test_a_field_map_that_is_wrong_is_named(write: Callable[[Any], Path], content: Any, says: str) -> None:
    with pytest.raises(InvalidSetting, match=says):
        read_field_map(write(content))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    for read in (read_field_map, read_lead_source_map, read_business_hours):
        with pytest.raises(InvalidSetting, match="No such file"):
            read(tmp_path / "absent")
        with pytest.raises(InvalidSetting, match="Is a directory"):
            read(tmp_path)


def test_a_lead_source_map(write: Callable[[Any], Path]) -> None:
    text = '\ufeffraw_value,lead_source\r\nadwords,Google Ads\r\n"a, b",Partner\r\n\r\nfb.com , Facebook\r\n'
    text += "FB.com,Facebook\r\n"
    assert read_lead_source_map(write(text)) == {"adwords": "Google Ads", "a, b": "Partner", "fb.com": "Facebook"}
    assert read_lead_source_map(write("raw_value,lead_source\n")) == {}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "begin with the line raw_value,lead_source"),
        ("raw,source\na,b\n", "begin with the line raw_value,lead_source"),
        ("raw_value,lead_source\na\n", "line 2"),
        ("raw_value,lead_source\na,A\nb,\n", "line 3"),
        ("raw_value,lead_source\na,A,x\n", "line 2"),
        ("raw_value,lead_source\nads,A\nAds,B\n", "line 3: 'Ads' already has the name 'A'"),
        ('raw_value,lead_source\n"a,b\n', "this is not CSV"),
    ],
)
def test_a_lead_source_map_that_is_wrong_names_the_line(write: Callable[[Any], Path], text: str, says: str) -> None:
    with pytest.raises(InvalidSetting, match=says):
        read_lead_source_map(write(text))


def test_business_hours_in_the_shape_of_zohos_answer(write: Callable[[Any], Path]) -> None:
    kept = {key: value for key, value in HOURS.items() if key != "id"}
    assert read_business_hours(write({"business_hours": HOURS})) == kept
    assert read_business_hours(write(HOURS)) == kept
    assert check_business_hours(SPLIT_HOURS) == SPLIT_HOURS
    assert check_business_hours({"type": "24_by_7", "business_days": None}) == {"type": "24_by_7"}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"type": "always"}, "24_by_7, 24_by_5, custom"),
        ({"business_days": []}, "business_days"),
        ({"business_days": [[]]}, "Monday, Tuesday"),
        ({"business_days": ["Mo"]}, "Monday, Tuesday"),
        ({"week_starts_on": 1}, "week_starts_on"),
        ({"daily_timing": None}, "daily_timing"),
        ({"daily_timing": ["9:00", "18:00"]}, "daily_timing"),
        ({"daily_timing": ["09:00", "09:00"]}, "daily_timing"),
        ({"daily_timing": ["09:00"]}, "daily_timing"),
        ({"same_as_everyday": "yes"}, "same_as_everyday"),
        ({"same_as_everyday": False}, "custom_timing must be a list"),
        ({"same_as_everyday": False, "custom_timing": SPLIT_HOURS["custom_timing"]}, "no entry for Tuesday"),
        ({"same_as_everyday": False, "custom_timing": [{"days": "Monday"}]}, "business_timing"),
    ],
)
def test_business_hours_that_are_wrong_name_the_part(
    write: Callable[[Any], Path], changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(InvalidSetting, match=says):
        read_business_hours(write({"business_hours": HOURS | changes}))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*HOURS, "days"]), inner, max_size=5),
    max_leaves=12,
)


@profile(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(given_hours=JSON, changed=st.dictionaries(st.sampled_from(list(HOURS)), JSON, max_size=3))
def test_any_json_for_business_hours_is_taken_or_refused(
    write: Callable[[Any], Path], given_hours: Any, changed: dict[str, Any]
) -> None:
    for content in (given_hours, {"business_hours": given_hours}, HOURS | changed):
        try:
            taken = read_business_hours(write(content))
        except InvalidSetting:
            continue
        assert check_business_hours(taken) == taken


def test_settings_are_stored_together_and_read_back(
    registry: Registry, add: Callable[..., Channel], write: Callable[[Any], Path], tmp_path: Path
) -> None:
    add()
    sources = tmp_path / "sources.csv"
    sources.write_text("raw_value,lead_source\nÄds,Gäste\n")
    set_settings(
        registry,
        "acme",
        timezone="Europe/Berlin",
        currency="eur",
        tenant="t",
        business_hours=write(HOURS),
        lead_source_map=sources,
        parameters=["topic_min_leads=1", "exchange_rate_direction=multiply"],
    )
    channel = set_settings(registry, "acme", field_map=write({"gclid": "GCLID"}), parameters=["trend_z=2.50"])
    assert (channel.timezone, channel.currency, channel.tenant) == ("Europe/Berlin", "EUR", "t")
    assert channel.lead_source_map == {"Äds": "Gäste"}
    assert channel.business_hours == check_business_hours(HOURS)
    assert channel.field_map == {"gclid": "GCLID"}
    assert channel.parameters == {"topic_min_leads": "1", "exchange_rate_direction": "multiply", "trend_z": "2.5"}
    back = set_settings(registry, "acme", field_map=write({}), parameters=["trend_z="])
    assert back.field_map == {}
    assert "trend_z" not in back.parameters
    assert registry.get("acme") == back


def test_one_wrong_setting_stores_none(registry: Registry, add: Callable[..., Channel]) -> None:
    before = add()
    with pytest.raises(InvalidSetting):
        set_settings(registry, "acme", timezone="Europe/Berlin", parameters=["topic_min_leads=0"])
    assert registry.get("acme") == before
    with pytest.raises(UnknownChannel):
        set_settings(registry, "nobody", timezone="Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('raw_value,lead_source\n"two\nlines",A\nweb\n', 4),
        ('raw_value,lead_source\n\n"two\nlines"\n', 3),
        ("sep=;\nraw_value;lead_source\nweb;A\nWEB;B\n", 4),
        ("raw_value\tlead_source\r\nweb\tA\r\nads\r\n", 3),
        ('raw_value,lead_source\na\u2028b,A\n"c\n', 3),
    ],
)
def test_a_line_of_a_lead_source_map_is_a_line_of_the_file(write: Callable[[str], Path], text: str, line: int) -> None:
    with pytest.raises(InvalidSetting, match=rf", line {line}: "):
        read_lead_source_map(write(text))
