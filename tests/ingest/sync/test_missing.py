"""A sync reports and leaves out what it cannot read. It also reports failures, and they lose nothing."""

import logging

import pytest

from tests.ingest import ledger
from tests.ingest.conftest import PLAIN_SCOPES, SyncBench
from zoho_pipeline.settings import PipelineError, UsageError


def outcome(bench: SyncBench, module: str) -> tuple[str, str]:
    row = bench.rows("select outcome, detail from zoho_raw.sync_runs where module = ? order by started_at", module)[-1]
    return row["outcome"], row["detail"] or ""


def test_a_missing_scope_is_reported_everywhere(bench: SyncBench, caplog: pytest.LogCaptureFixture) -> None:
    bench.connect("ZohoCRM.modules.leads.READ,ZohoCRM.modules.deals.READ,ZohoCRM.users.READ")
    bench.org.insert("Leads", {"Last_Name": "L"})
    with caplog.at_level(logging.WARNING):
        report = bench.sync()
    assert report.complete
    assert outcome(bench, "Contacts")[0] == "skipped"
    assert "scope ZohoCRM.modules.contacts.READ" in outcome(bench, "Contacts")[1]
    assert any("Contacts" in line and "scope" in line for line in caplog.messages)
    problems = bench.registry.get("acme").problems
    assert any("Contacts" in problem and "scope" in problem for problem in problems)
    ledger.assert_equal(bench, "Leads")


def test_a_missing_module_is_reported(bench: SyncBench) -> None:
    bench.org.remove_module("Campaigns")
    report = bench.sync()
    assert report.complete
    assert outcome(bench, "Campaigns")[0] == "skipped"
    assert "module Campaigns" in outcome(bench, "Campaigns")[1]


def test_users_are_kept_if_the_deleted_ones_are_refused(bench: SyncBench) -> None:
    bench.org.add_user(first_name="Ravi")
    bench.sim.faults.next(
        1, "no_permission", path="/crm/v7/users", after=2
    )  # the current user, all users, then the deleted users
    assert bench.sync().complete
    assert {row["is_deleted"] for row in bench.rows("select is_deleted from zoho_raw.users")} == {False}
    assert len(bench.rows("select id from zoho_raw.users")) == 2
    said = outcome(bench, "users")
    assert said[0] == "complete"
    assert "deleted users cannot be read" in said[1]


def test_notes_of_a_plain_user_are_skipped(bench: SyncBench) -> None:
    user = bench.org.add_user(first_name="Ravi", profile="Standard")
    bench.connect(PLAIN_SCOPES, user, "ravi")
    bench.channel_id = "ravi"
    assert bench.sync().complete
    assert outcome(bench, "Notes")[0] == "skipped"


def test_a_fault_that_lasts_fails_the_module_alone(bench: SyncBench) -> None:
    bench.org.insert("Leads", {"Last_Name": "L"})
    bench.org.insert("Contacts", {"Last_Name": "C"})
    bench.sim.faults.next(50, "server_error", path="/crm/v7/Leads")
    report = bench.sync()
    assert not report.complete
    assert [part.module for part in report.modules if part.outcome == "failed"] == ["Leads"]
    assert bench.registry.get("acme").modules["Leads"].upper_bound is None
    ledger.assert_equal(bench, "Contacts")
    bench.sim.faults.clear()
    assert bench.sync().complete
    ledger.assert_equal(bench, "Leads")


def test_a_revoked_token_stops_the_sync_with_its_cure(bench: SyncBench) -> None:
    bench.sync()
    with bench.sim.hub.lock:
        bench.sim.hub.tokens.drop_user(bench.org.id, bench.org.admin.id)
    with pytest.raises(PipelineError, match=r"[Cc]onnect"):
        bench.sync()
    assert bench.registry.get("acme").status == "reconnect_needed"


@pytest.mark.long
def test_two_orgs_with_the_same_ids_stay_apart(bench: SyncBench) -> None:
    bench.org.insert("Leads", {"id": "42", "Last_Name": "Mine"})
    bench.sync("Leads")
    other = bench.sim.add_org(name="Other")
    other.insert("Leads", {"id": "42", "Last_Name": "Theirs"})
    mine, bench.org, bench.channel_id = bench.org, other, "other"
    bench.connect(channel_id="other")
    bench.sync("Leads")
    mine.delete("Leads", "42")
    bench.channel_id = "acme"
    bench.sync("Leads")
    found = bench.rows("select channel_id, last_name from zoho_raw.leads order by channel_id")
    assert [(row["channel_id"], row["last_name"]) for row in found] == [("acme", "Mine"), ("other", "Theirs")]
    bench.channel_id = "other"
    assert list(bench.live("leads", "Leads")) == ["42"]


def test_an_unknown_module_and_a_paused_channel_are_refused(bench: SyncBench) -> None:
    with pytest.raises(UsageError, match="Invoices"):
        bench.sync("Invoices")
    bench.registry.pause("acme")
    with pytest.raises(PipelineError, match="paused"):
        bench.sync()
