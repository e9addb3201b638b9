"""`channels …` against the simulator."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import CLIENT, Run
from zoho_pipeline.simulator import Org, Simulator


def test_add_verifies_the_token_and_shows_its_org(run: Run, token: Path) -> None:
    answer = run("channels", "add", "acme", "--data-center", "sim", "--refresh-token-file", token, "--tenant", "T1")
    assert answer.code == 0
    assert "Acme Tools" in answer.out
    assert "Asia/Kolkata, INR" in answer.out
    shown = run("channels", "show", "acme", "--format", "json").json
    assert (shown["tenant"], shown["status"], shown["data_center"]) == ("T1", "active", "sim")
    assert "ZohoCRM.coql.READ" in shown["scopes"]


def test_the_token_can_come_from_standard_input(run: Run, token: Path) -> None:
    arguments = ("channels", "add", "acme", "--data-center", "sim", "--refresh-token-file", "-", "--format", "json")
    assert run(*arguments, stdin=token.read_text()).json["id"] == "acme"


def test_adding_a_known_channel_connects_it_again(run: Run, channel: str, token: Path, org: Org) -> None:
    token.write_text(org.grant(*CLIENT, "ZohoCRM.modules.READ ZohoCRM.users.READ"))
    answer = run(
        "channels", "add", channel, "--data-center", "sim", "--refresh-token-file", token, "--timezone", "Europe/Paris"
    )
    assert answer.code == 0
    shown = run("channels", "show", channel, "--format", "json").json
    assert shown["scopes"] == ["ZohoCRM.modules.READ", "ZohoCRM.users.READ"]
    assert shown["timezone"] == "Europe/Paris"
    assert len(run("channels", "list", "--format", "json").json) == 1


def test_list_without_channels_says_what_to_do(run: Run) -> None:
    assert "zoho-pipeline connect" in run("channels", "list").out
    assert run("channels", "list", "--format", "json").json == []


def test_list_and_show_print_tables(run: Run, channel: str) -> None:
    listed = run("channels", "list").out
    assert all(text in listed for text in (channel, "active", "Acme Tools", "Asia/Kolkata"))
    page = run("channels", "show", channel).out
    assert "last complete sync" in page
    assert "never" in page


def test_no_secret_is_printed_or_stored_unencrypted(run: Run, channel: str, token: Path, home: Path) -> None:
    secret = token.read_text().strip()
    said = [run("channels", "show", channel, ZOHO_PIPELINE_LOG_LEVEL="DEBUG"), run("channels", "list")]
    said += [run("channels", "verify", channel, "--format", "json", ZOHO_PIPELINE_LOG_LEVEL="DEBUG")]
    for answer in said:
        assert secret not in answer.out + answer.err
        assert CLIENT[1] not in answer.out + answer.err
    written = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    assert secret.encode() not in written


def test_verify_stores_what_changed_in_zoho(run: Run, channel: str, org: Org) -> None:
    org.currency = "USD"
    answer = run("channels", "verify", channel)
    assert answer.code == 0
    assert "USD" in answer.out


def test_verify_of_a_revoked_token_fails(run: Run, channel: str, simulator: Simulator, token: Path) -> None:
    simulator.hub.tokens.drop(simulator.hub.tokens.grants[token.read_text().strip()])
    answer = run("channels", "verify", channel)
    assert answer.code == 1
    assert answer.err.startswith("error: ")
    assert "Connect the channel again" in answer.err
    assert run("channels", "show", channel, "--format", "json").json["status"] == "reconnect_needed"


def test_pause_and_resume(run: Run, channel: str) -> None:
    assert "paused" in run("channels", "pause", channel).out
    answer = run("sync")
    assert answer.err == "error: there is no active channel. acme: paused (`zoho-pipeline channels resume acme`).\n"
    assert answer.code == 1
    assert run("channels", "resume", channel, "--format", "json").json["status"] == "active"


def test_set_stores_the_given_settings(run: Run, channel: str, tmp_path: Path) -> None:
    fields, sources, hours = tmp_path / "f.json", tmp_path / "s.csv", tmp_path / "h.json"
    fields.write_text(json.dumps({"utm_source": "UTM_Source1"}))
    sources.write_text("raw_value,lead_source\nPartner,Partners\n")
    hours.write_text(json.dumps({"business_hours": {"type": "24_by_7"}}))
    answer = run(
        "channels", "set", channel, "--timezone", "Asia/Dubai", "--field-map", fields, "--lead-source-map", sources,
        "--business-hours", hours, "--param", "topic_min_leads=1", "--param", "exchange_rate_direction=multiply",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    shown = run("channels", "show", channel, "--format", "json").json
    assert shown["timezone"] == "Asia/Dubai"
    assert shown["field_map"] == {"utm_source": "UTM_Source1"}
    assert list(shown["lead_source_map"].values()) == ["Partners"]
    assert shown["parameters"] == {"topic_min_leads": "1", "exchange_rate_direction": "multiply"}


@pytest.mark.long
def test_modules_are_chosen_read_and_taken_off_again(run: Run, channel: str, org: Org) -> None:
    org.add_module("Webinars", "Name:text! Talks:subform")
    org.insert("Webinars", {"Name": "W", "Talks": [{"id": "7", "Title": "T"}]})
    answer = run("channels", "set", channel, "--module", "Webinars:subforms", "--module", "Products")
    assert answer.code == 0, answer.err
    assert "has no module Products now. If it appears, the next sync reads it." in answer.err
    shown = run("channels", "list", "--format", "json").json[0]
    assert shown["chosen_modules"] == {"Products": "flat", "Webinars": "subforms"}
    assert "Products, Webinars:subforms" in run("channels", "show", channel).out
    done = run("sync", channel, "--format", "json").json[0]["modules"]
    assert {m["module"]: (m["outcome"], m["rows"]) for m in done if m["table"] == "module_records"} == {
        "Products": ("skipped", 0), "Webinars": ("complete", 1),
    }  # fmt: skip
    query = "select cast(r.record as json) ->> 'Name' as name,"
    query += " cast(p.parts as json) ->> 'Talks' as talks from zoho_raw.module_records r join"
    query += " zoho_raw.module_record_parts p on p.channel_id = r.channel_id and p.module = r.module and p.id = r.id"
    [row] = run("sql", "--raw", query, "--format", "json").json
    assert row["name"] == "W"
    assert json.loads(row["talks"])[0]["Title"] == "T"
    assert run("sync", channel, "--modules", "webinars").code == 0
    answer = run("channels", "set", channel, "--without-module", "Products", "--without-module", "Webinars")
    assert answer.code == 0, answer.err
    assert run("sync", channel).code == 0
    assert run("sql", "--raw", "select id from zoho_raw.module_records", "--format", "json").json == []
    assert run("sync", channel, "--modules", "webinars").code == 2


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((), "no setting was given"),
        (("--timezone", "Mars/Olympus"), "Mars/Olympus"),
        (("--param", "no_such=1"), "no_such"),
        (("--param", "topic_min_leads"), "topic_min_leads"),
        (("--field-map", "/no/such/file"), "/no/such/file"),
        (("--module", "leads"), "module Leads is always read, into zoho_raw.leads"),
        (("--module", "Web inars"), "no API name"),
        (("--module", "Products,Webinars"), "Repeat the option for each of them"),
        (("--module", "webinars"), "Did you mean Webinars?"),
        (("--module", "Webinars:all"), "only subforms is known"),
        (("--module", "Emails"), "sync_emails=true"),
        (("--module", "Users"), "zoho_raw.users"),
        (("--module", "Talks"), "Choose its parent module with :subforms"),
        (("--module", "Webinars", "--without-module", "Webinars"), "named by --module and by --without-module"),
        (("--without-module", "Webinars"), "No module is chosen"),
    ],
)
def test_set_refuses_a_wrong_setting_and_stores_nothing(
    run: Run, channel: str, org: Org, arguments: tuple[str, ...], named: str
) -> None:
    org.add_module("Webinars", "Name:text!")
    org.add_module("Talks", "Title:text", generated_type="subform")

    def stored() -> dict[str, Any]:
        shown: dict[str, Any] = run("channels", "show", channel, "--format", "json").json
        return {name: value for name, value in shown.items() if name != "credits_used"}  # Zoho may have been asked

    before = stored()
    answer = (
        run("channels", "set", channel, "--currency", "EUR", *arguments)
        if arguments
        else run("channels", "set", channel)
    )
    assert answer.code == 2
    assert named in answer.err
    assert stored() == before


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("UTM_Source", "Did you mean UTM_Source1"),
        ("utm_source1", "Did you mean UTM_Source1"),
        ("Lead_Sorce", "Lead_Source"),
        ("Qzxwv_Jkq", "API names"),
    ],
)
def test_a_field_that_zoho_does_not_have_is_refused(
    run: Run, channel: str, tmp_path: Path, name: str, hint: str
) -> None:
    fields = tmp_path / "f.json"
    fields.write_text(json.dumps({"utm_source": "UTM_Source1", "utm_medium": name}))
    answer = run("channels", "set", channel, "--field-map", fields, "--tenant", "T")
    assert answer.code == 2
    assert f"utm_medium is {name!r}" in answer.err
    assert hint in answer.err
    shown = run("channels", "show", channel, "--format", "json").json
    assert (shown["field_map"], shown["tenant"]) == ({}, None), "nothing was stored"


def test_where_zoho_cannot_be_asked_the_field_map_is_stored_with_a_note(
    run: Run, channel: str, org: Org, tmp_path: Path
) -> None:
    fields = tmp_path / "f.json"
    fields.write_text(json.dumps({"utm_source": "No_Such_Field", "gclid": "$gclid"}))
    org.deactivate_user(org.admin)
    answer = run("channels", "set", channel, "--field-map", fields)
    assert answer.code == 0, answer.err
    assert answer.err.startswith("note: the fields were not compared with those of Zoho: ")
    assert run("channels", "show", channel, "--format", "json").json["field_map"]["utm_source"] == "No_Such_Field"


def test_an_abbreviated_zone_is_refused_with_zones_that_it_may_mean(run: Run, channel: str, token: Path) -> None:
    for arguments in (("set", channel), ("add", "other", "--data-center", "sim", "--refresh-token-file", token)):
        answer = run("channels", *arguments, "--timezone", "IST")
        assert answer.code == 2
        assert "Did you mean Asia/Kolkata or Europe/Dublin or Asia/Jerusalem?" in answer.err


@pytest.mark.parametrize("arguments", [("sql", "select 1"), ("channels", "list"), ("demo",), ("insight", "acme")])
def test_a_misspelt_variable_stops_a_command(run: Run, arguments: tuple[str, ...], tmp_path: Path) -> None:
    answer = run(*arguments, ZOHO_PIPELINE_WAREHUOSE="duckdb:///x")
    assert answer.code == 2
    assert "ZOHO_PIPELINE_WAREHUOSE is not a setting; did you mean ZOHO_PIPELINE_WAREHOUSE?" in answer.err


def test_remove_revokes_the_token_and_removes_the_channel(run: Run, channel: str, simulator: Simulator) -> None:
    answer = run("channels", "remove", channel, "--format", "json")
    assert answer.code == 0, answer.err
    assert answer.json["revoked"] is True
    assert answer.json["deleted_rows"] is None
    assert not simulator.hub.tokens.grants
    assert run("channels", "list", "--format", "json").json == []


@pytest.mark.parametrize("command", ["show", "verify", "pause", "resume", "remove"])
def test_an_unknown_channel_is_named(run: Run, command: str) -> None:
    answer = run("channels", command, "nobody")
    assert answer.code == 1
    assert "'nobody'" in answer.err


def test_a_second_channel_of_an_org_needs_again_and_every_list_says_so(run: Run, channel: str, org: Org) -> None:
    arguments = ("channels", "add", "second", "--data-center", "sim", "--refresh-token-file", "-")
    token = org.grant(*CLIENT, "ZohoCRM.modules.READ ZohoCRM.users.READ")
    refused = run(*arguments, stdin=token)
    assert refused.code == 1
    assert "connected already, as channel acme" in refused.err
    assert "--again" in refused.err
    added = run(*arguments, "--again", stdin=token)
    assert added.code == 0, added.err
    sentence = "note: channels acme, second have the same Zoho org"
    for answer in (added, run("channels", "list"), run("channels", "verify", "acme")):
        assert answer.err.count(sentence) == 1
    assert "same org as" in run("channels", "show", "acme").out
    listed = {row["id"]: row["same_org"] for row in run("channels", "list", "--format", "json").json}
    assert listed == {"acme": ["second"], "second": ["acme"]}


def test_an_id_that_differs_only_in_case_is_wrong_use(run: Run, channel: str, token: Path) -> None:
    for more in ((), ("--again",)):
        answer = run("channels", "add", "ACME", "--data-center", "sim", "--refresh-token-file", token, *more)
        assert answer.code == 2
        assert "there is a channel acme already" in answer.err
    answer = run("connect", "Acme", "--data-center", "sim", "--port", "0", "--no-browser")
    assert (answer.code, answer.out) == (2, ""), "it stops before it shows the page of the consent"
