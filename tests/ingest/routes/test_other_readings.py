"""Some facts about Zoho can be read in two ways. Syncs over several days give the ledger with the other reading too."""

from typing import Any

import pytest

from tests.ingest import ledger
from tests.ingest.conftest import SyncBench
from tests.params import each_nth
from zoho_pipeline.zoho.accounts.scopes import DEFAULT_SCOPES

MODULES = ("Leads", "Contacts", "Deals", "Calls", "Tasks", "Events")
READINGS: dict[str, dict[str, Any]] = {
    "nothing is an empty list, last pages say nothing, queries refuse 200 rows, no connection is kept": {
        "empty_as_list": True, "info_on_last_page": False, "coql_row_limit": 200, "keep_alive": False, "chunked": True,
    },
    "304, short queries, keyset tokens, dear reads, shy conversions, token answers of old": {
        "empty_later_page": 304, "deleted_304": True, "coql_row_limit": 200, "coql_clamps": True,
        "page_tokens": "keyset", "sorted_read_credits": 3, "conversion_bumps_modified": False,
        "single_get_hides_converted": True, "token_error_status": 400, "token_scope": False, "legacy_expires_in": True,
    },
    "no queries, bulk, hours, pipelines, lists of modules and fields": {
        "lacking": "/coql,/crm/bulk/,business_hours,holidays,settings/",
    },
    "strict about parameters and fields, 204, exclusive, snapshots": {
        "unknown_params": "reject", "unknown_fields": "reject", "empty_later_page": 204, "deleted_304": False,
        "modified_since_inclusive": False, "page_tokens": "snapshot", "restore_bumps_modified": True,
    },
}  # fmt: skip


def live(bench: SyncBench) -> None:
    """Add leads for more than one page, with their related records."""
    org = bench.org
    ids = org.insert_many("Leads", [{"Last_Name": f"L{n}", "Company": "Acme"} for n in range(230)])
    org.convert(ids[0], deal={"Deal_Name": "D", "Amount": 10.5})
    org.delete("Leads", ids[1], permanent=True)
    org.insert_many("Tasks", [{"Subject": f"T{n}"} for n in range(3)])


def change(bench: SyncBench) -> None:
    """Make the changes of one day: edits, a conversion, a deletion, a restore, new rows."""
    org = bench.org
    ids = sorted(id_ for id_, row in org.modules["Leads"].rows.items() if not row.get("Converted__s"))
    org.update("Leads", ids[5], {"Last_Name": "Changed"})
    org.convert(ids[6], deal={"Deal_Name": "E", "Amount": 7})
    org.delete("Leads", ids[7])
    for gone in [d.id for d in org.modules["Leads"].deletions if d.type == "recycle" and d.id != ids[7]]:
        org.restore("Leads", gone)
    org.insert("Leads", {"Last_Name": "New"})


@pytest.mark.parametrize("reading", each_nth(2, list(READINGS)))
@pytest.mark.long
def test_raw_is_the_ledger_whichever_reading_is_true(bench: SyncBench, reading: str) -> None:
    bench.sim.switches.update(**READINGS[reading])
    bench.connect(",".join(DEFAULT_SCOPES))
    live(bench)
    for _ in range(3):
        report = bench.sync()
        assert report.complete, [(part.module, part.outcome, part.detail) for part in report.modules]
        for module in MODULES:
            ledger.assert_equal(bench, module)
        bench.sim.clock.advance(86_400)
        change(bench)
