"""E-mails are read only if a setting says so, only for changed leads, and in bounded steps."""

from typing import Any

import pytest

from tests.ingest.conftest import PLAIN_SCOPES, SyncBench

SCOPES = f"{PLAIN_SCOPES},ZohoCRM.modules.emails.READ,ZohoCRM.coql.READ"


def calls(bench: SyncBench) -> int:
    return sum(1 for call in bench.sim.requests if call.path.endswith("/Emails"))


def part(bench: SyncBench) -> Any:
    return next((p for p in bench.sync().modules if p.module == "Emails"), None)


@pytest.mark.long
def test_emails_are_read_if_a_setting_says_so(bench: SyncBench) -> None:
    bench.limit(leads_per_email_checkpoint=2)
    bench.connect(SCOPES)
    bench.sim.clock.advance(-100_000)
    ids = bench.org.insert_many("Leads", [{"Last_Name": f"L{n}"} for n in range(5)])
    bench.sim.clock.advance(90_000)
    bench.org.add_email(ids[0], subject="Hello", sent=True)
    bench.org.add_email(ids[1], subject="Re", sent=False)
    assert part(bench) is None
    assert calls(bench) == 0
    bench.registry.store_settings("acme", parameters={"sync_emails": "true"})
    first = part(bench)
    assert (first.outcome, first.rows, calls(bench)) == ("complete", 2, 5)
    stored = bench.rows("select record_id, module, subject, sent, from_email from zoho_raw.emails order by subject")
    assert [(row["record_id"], row["subject"], row["sent"]) for row in stored] == [
        (ids[0], "Hello", True), (ids[1], "Re", False),
    ]  # fmt: skip
    assert {row["module"] for row in stored} == {"Leads"}
    assert all(row["from_email"] for row in stored)
    del bench.sim.requests[:]
    assert part(bench).rows == 0
    assert calls(bench) == 0
    bench.org.insert(
        "Calls", {"Subject": "Hi", "What_Id": {"id": ids[3]}, "$se_module": "Leads", "Call_Type": "Outbound"}
    )
    bench.org.update("Leads", ids[4], {"Company": "New"})
    bench.org.add_email(ids[3], subject="After the call")
    assert part(bench).rows == 1
    assert calls(bench) == 2


def test_a_missing_scope_of_emails_is_reported(bench: SyncBench) -> None:
    bench.registry.store_settings("acme", parameters={"sync_emails": "true"})
    bench.connect("ZohoCRM.modules.leads.READ,ZohoCRM.users.READ")
    bench.org.insert("Leads", {"Last_Name": "L"})
    report = part(bench)
    assert report.outcome == "skipped"
    assert "ZohoCRM.modules.emails.READ" in report.detail
