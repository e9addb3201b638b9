"""The state of a channel: states of earlier releases still load, and a load and a store lose nothing."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ingest import ledger
from tests.ingest.conftest import ALL_SCOPES, SyncBench
from zoho_pipeline.ingest.extract.state import ChannelState, EmailState, ModuleState
from zoho_pipeline.ingest.load.loader import Loader

FIRST_RELEASE = Path(__file__).parent / "states_of_the_first_release"
"""States that commit 7b54c59 stored: after a complete sync with e-mails, during a bulk load, and without metadata."""

instants = st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)).map(datetime.isoformat)  # noqa: DTZ001
texts = st.text(max_size=5)
counts = st.integers(0, 10**6)
bulk = st.fixed_dictionaries(
    {"job": texts, "rows": counts, "hi": instants, "read_at": instants, "fields": st.lists(texts, max_size=2)},
    optional={"below": counts, "proved": instants, "final": instants},
)
compared = st.fixed_dictionaries(
    {"more": counts, "latest": st.none() | st.lists(texts, min_size=2, max_size=2), "left": counts, "words": texts}
)
KNOWN = {
    "table": texts, "cursor": instants, "deleted_cursor": instants, "final_to": instants, "read_at": instants,
    "proved": instants, "deleted_from": instants, "fields_at": instants, "fields": st.dictionaries(texts, texts),
    "picks": st.dictionaries(texts, st.dictionaries(texts, texts)), "names": st.lists(texts, min_size=1),
    "query_rows": st.integers(1, 2_000), "inclusive": st.just(True), "bare_names": st.just(True),
    "parts_from": instants, "silent": st.fixed_dictionaries({"began": instants, "after": st.none() | texts}),
    "refused": st.lists(texts, min_size=1), "part_fields": st.lists(texts),
    "absent": st.just(True), "doubt": st.just(True), "compared": compared, "bulk": bulk,
}  # fmt: skip
newer = st.dictionaries(texts.filter(lambda name: name not in {*KNOWN, "unknown"}), texts | counts | st.none())
module_states = st.tuples(st.fixed_dictionaries({}, optional=KNOWN), newer).map(lambda parts: parts[0] | parts[1])


def stored(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FIRST_RELEASE / f"{name}.json").read_text())
    return found


@given(module_states)
def test_a_state_comes_back_as_it_was_stored(state: dict[str, Any]) -> None:
    """Keys of a newer release are kept too."""
    assert ModuleState.from_json(state).to_json() == state
    assert ModuleState.from_json(ModuleState.from_json(state).to_json()) == ModuleState.from_json(state)


@given(st.dictionaries(texts.filter(lambda name: name != "Emails"), module_states, max_size=2), instants, texts)
def test_a_channels_state_comes_back_as_it_was_stored(modules: dict[str, Any], at: str, id_: str) -> None:
    state = {"modules": {**modules, "Emails": {"table": "emails", "cursor": at, "id": id_}}}
    assert ChannelState.from_json(state).to_json() == state


@pytest.mark.parametrize("name", ["complete_sync", "interrupted_bulk", "without_metadata"])
def test_states_of_the_first_release_load(name: str) -> None:
    assert ChannelState.from_json(stored(name)).to_json() == stored(name)


def test_every_key_of_the_first_release_means_what_it_meant() -> None:
    complete = ChannelState.from_json(stored("complete_sync"))
    leads = complete.modules["Leads"]
    assert leads.table == "leads"
    assert leads.cursor is not None
    assert leads.final_to is not None
    assert leads.final_to <= leads.cursor == leads.deleted_cursor
    assert leads.read_at is not None
    assert leads.fields is not None
    assert leads.fields["UTM_Source1"] == "text"
    assert leads.picks is not None
    assert "Contacted" in leads.picks["Lead_Status"]
    assert isinstance(complete.emails, EmailState)
    assert complete.emails.id.isdigit()
    begun = ChannelState.from_json(stored("interrupted_bulk")).modules["Leads"]
    assert begun.cursor is None
    assert begun.bare_names
    assert begun.bulk is not None
    assert (begun.bulk.rows, begun.bulk.below, begun.bulk.fields[0]) == (1_000, None, "id")
    narrow = ChannelState.from_json(stored("without_metadata")).modules["Leads"]
    assert narrow.names is not None
    assert "Last_Name" in narrow.names
    assert not narrow.bare_names


@pytest.mark.parametrize("name", ["complete_sync", "interrupted_bulk"])
@pytest.mark.long
def test_a_sync_goes_on_from_a_state_of_the_first_release(bench: SyncBench, name: str) -> None:
    bench.connect(ALL_SCOPES)
    bench.limit(job_credits=1, queries_from=10**9)
    bench.org.insert_many("Leads", [{"Last_Name": f"L{n}", "Company": "C"} for n in range(300)])
    loader = Loader(bench.settings, bench.warehouse, "acme")
    loader.load({}, stored(name))
    report = bench.sync("Leads")
    assert report.complete, report
    ledger.assert_equal(bench, "Leads")
    after = Loader(bench.settings, bench.warehouse, "acme").state["modules"]
    assert after.keys() == stored(name)["modules"].keys()
    assert "bulk" not in after["Leads"]
