"""One load: it contains each key once, and some tables can be appended to."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from zoho_pipeline.ingest.extract.modules import module_spec
from zoho_pipeline.ingest.load.batch import AppendTracker, newest_by_key

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def test_of_a_key_read_twice_the_later_reading_is_loaded() -> None:
    target = module_spec("Leads")
    read = (("1", "a"), ("2", "b"), ("1", "c"))
    parts = [target.convert([{"id": id_, "City": city}], "acme", NOON).table for id_, city in read]
    assert newest_by_key(target.table, parts).select(["id", "city"]).to_pylist() == [
        {"id": "2", "city": "b"},
        {"id": "1", "city": "c"},
    ]


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 30), min_size=1, max_size=6, unique=True), max_size=6))
def test_what_is_appended_never_holds_an_id_twice(loads: list[list[int]]) -> None:
    kept, appended = AppendTracker(["leads"]), list[int]()
    stored = set[int]()
    for ids in loads:
        new = kept.appendable({"leads": table(ids), "contacts": table(ids)})
        assert new == ({"leads"} if stored.isdisjoint(ids) else set())
        appended += ids if new else []
        stored.update(ids)
    assert len(appended) == len(set(appended))


def test_a_table_with_another_kind_of_id_is_always_merged() -> None:
    kept = AppendTracker(["leads"])
    assert not kept.appendable({"leads": table(["x-1"])})
    assert not kept.appendable({"leads": table([1])})


def table(ids: Sequence[object]) -> pa.Table:
    return pa.table({"id": pa.array([str(id_) for id_ in ids])})
