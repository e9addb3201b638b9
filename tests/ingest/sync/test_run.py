"""A sync from end to end over HTTP: raw has what Zoho shows."""

import pytest

from tests.ingest.conftest import SyncBench

both_engines = pytest.mark.parametrize("warehouse_env", ["duckdb", "postgres"], indirect=True)


@both_engines
def test_first_sync_then_changes(bench: SyncBench) -> None:
    ids = bench.org.insert_many("Leads", [{"Last_Name": f"L{n}", "Company": "C"} for n in range(450)])
    report = bench.sync()
    assert report.complete, report
    assert set(bench.live("leads", "Leads")) == set(ids)

    bench.org.update("Leads", ids[3], {"Company": "New"})
    bench.org.delete("Leads", ids[4])
    bench.org.convert(ids[5])
    fresh = bench.org.insert("Leads", {"Last_Name": "Fresh"})
    report = bench.sync()
    by_module = {part.module: part for part in report.modules}
    live = bench.live("leads", "Leads")
    assert set(live) == {*ids, fresh} - {ids[4]}
    assert live[ids[3]]["company"] == "New"
    assert live[ids[5]]["converted"] is True
    assert (by_module["Leads"].rows, by_module["Leads"].deleted_rows) == (3, 1)
