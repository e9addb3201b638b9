"""What one thread reads or writes for several syncs: who waits for whom, what refuses one of them, and what all."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Event, Thread
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.ingest.conftest import SyncBench
from zoho_pipeline.channels.errors import LockLost
from zoho_pipeline.channels.registry.sync_records import Run
from zoho_pipeline.ingest.finish.ending import Ending, write
from zoho_pipeline.ingest.group_call import MOST, GroupCall
from zoho_pipeline.ingest.load.sync_log import record_failure
from zoho_pipeline.warehouse.connection import Connection, SqlError, WarehouseBusy, WarehouseError
from zoho_pipeline.warehouse.duckdb_warehouse import DuckDBWarehouse

NAMES = ("first", "second", "third")


def ask_all(calls: "GroupCall[str, str]", names: Sequence[str]) -> dict[str, str | Exception]:
    """Each of these channels asks for its name in a thread of its own. Returns the answers, or the errors."""
    found: dict[str, str | Exception] = {}

    def ask(name: str) -> None:
        try:
            found[name] = calls.ask(name, name)
        except (ValueError, WarehouseError) as error:
            found[name] = error
        finally:
            calls.expect_no_more(name)

    threads = [Thread(target=ask, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def expecting_all(answer: Callable[[Sequence[str], bool], list[str]]) -> "GroupCall[str, str]":
    """Calls that wait for all of NAMES."""
    calls = GroupCall(answer, gather=60.0)
    for name in NAMES:
        calls.expect(name)
    return calls


def ask_during_a_call(
    names: Sequence[str], *, gather: float, expected: Sequence[str] = ()
) -> tuple[dict[str, str | Exception], list[int]]:
    """These channels ask while a call for another one runs. Returns their answers, and the size of each call."""
    is_running, may_end, sizes = Event(), Event(), list[int]()

    def answer(asked: Sequence[str], _: bool) -> list[str]:
        sizes.append(len(asked))
        is_running.set()
        assert may_end.wait(60)
        return list(asked)

    calls = GroupCall(answer, gather=gather)
    for name in expected:
        calls.expect(name)
    first = Thread(target=calls.ask, args=("early", "early"))
    first.start()
    assert is_running.wait(60)
    found: dict[str, str | Exception] = {}
    later = Thread(target=lambda: found.update(ask_all(calls, names)), daemon=True)
    later.start()
    while len(calls._waiting) < len(names):
        time.sleep(0.001)
    may_end.set()
    first.join(60)
    later.join(60)
    return found, sizes


@pytest.mark.parametrize("count", [1, 3, MOST, MOST + 1, 3 * MOST + 2])
def test_all_that_are_expected_are_answered_in_as_few_calls_as_fit(count: int) -> None:
    """Nobody waits for the minute of gathering: the last one that is expected has asked."""
    sizes: list[int] = []

    def answer(asked: Sequence[str], again: bool) -> list[str]:
        assert not again
        sizes.append(len(asked))
        return [name.upper() for name in asked]

    calls, names = GroupCall(answer, gather=60.0), [f"channel {n}" for n in range(count)]
    for name in names:
        calls.expect(name)
    assert ask_all(calls, names) == {name: name.upper() for name in names}
    assert sum(sizes) == count
    assert len(sizes) == -(-count // MOST)


def test_a_sync_that_ends_without_asking_is_waited_for_no_longer() -> None:
    calls: GroupCall[str, str] = GroupCall(lambda asked, _: list(asked), gather=3_600.0)
    for name in (*NAMES, "failed before"):
        calls.expect(name)
    found: dict[str, str | Exception] = {}
    asking = Thread(target=lambda: found.update(ask_all(calls, NAMES)))
    asking.start()
    calls.expect_no_more("failed before")
    asking.join(60)
    assert found == {name: name for name in NAMES}


def test_others_are_waited_for_no_longer_than_the_time_for_gathering() -> None:
    calls: GroupCall[str, str] = GroupCall(lambda asked, _: list(asked), gather=0.05)
    calls.expect("reads a million rows")
    assert ask_all(calls, NAMES) == {name: name for name in NAMES}


def test_one_odd_channel_costs_only_itself() -> None:
    """The others are asked again, and the answer knows that it may have had an effect."""
    seen: list[tuple[int, bool]] = []

    def answer(asked: Sequence[str], again: bool) -> list[str]:
        seen.append((len(asked), again))
        if "second" in asked:
            raise ValueError("second is odd")
        return list(asked)

    found = ask_all(expecting_all(answer), NAMES)
    assert isinstance(found["second"], ValueError)
    assert {name: str(given) for name, given in found.items()} == {
        "first": "first", "second": "second is odd", "third": "third",
    }  # fmt: skip
    assert seen[0] == (3, False)
    assert seen[1:] == [(1, True)] * 3


@pytest.mark.parametrize("count", [1, MOST + 3])
def test_who_asks_during_a_call_waits_no_longer_than_the_time_for_gathering(count: int) -> None:
    """A channel that reads a million rows is expected all the time, and asks much later."""
    names = [f"channel {n}" for n in range(count)]
    found, sizes = ask_during_a_call(names, gather=0.5, expected=["reads a million rows"])
    assert found == {name: name for name in names}
    assert sum(sizes) == count + 1


@pytest.mark.parametrize(("error", "calls_made"), [(SqlError("odd"), 4), (WarehouseError("no server"), 1)])
def test_a_warehouse_that_cannot_be_reached_is_asked_once(error: WarehouseError, calls_made: int) -> None:
    """A server that is gone takes 15 s to show it, for each of 25 channels."""
    sizes: list[int] = []

    def answer(asked: Sequence[str], again: bool) -> list[str]:
        sizes.append(len(asked))
        raise error

    found = ask_all(expecting_all(answer), NAMES)
    assert found.keys() == set(NAMES)
    assert {type(given) for given in found.values()} == {type(error)}
    assert len(sizes) == calls_made


def test_an_answer_too_few_is_an_error_of_all_and_no_answer_of_another() -> None:
    def answer(asked: Sequence[str], again: bool) -> list[str]:
        return list(asked) if again else list(asked)[1:]

    assert ask_all(expecting_all(answer), NAMES) == {name: name for name in NAMES}


def test_a_warehouse_that_is_busy_again_is_waited_for_by_one_of_them() -> None:
    """The call for all failed for another reason. Each wait for the file would take ten minutes."""
    sizes: list[int] = []

    def answer(asked: Sequence[str], again: bool) -> list[str]:
        sizes.append(len(asked))
        raise WarehouseBusy("it is in use") if again else ValueError("one is odd")

    found = ask_all(expecting_all(answer), NAMES)
    assert found.keys() == set(NAMES)
    assert {type(given) for given in found.values()} == {WarehouseBusy}
    assert sizes == [3, 1]


def test_who_asks_during_a_call_is_answered_by_the_next_one() -> None:
    """Without a time for gathering, a call answers all that have come during the one before."""
    found, sizes = ask_during_a_call(NAMES, gather=0.0)
    assert found == {name: name for name in NAMES}
    assert sizes == [1, 3]


class Impatient(DuckDBWarehouse):
    """It waits for the file for a moment instead of ten minutes, and counts the sessions that it could not open."""

    refused = 0

    @contextmanager
    def connect(self, read_only: bool = True, timeout: float = 0.2) -> Iterator[Connection]:
        try:
            with super().connect(read_only, timeout) as connection:
                yield connection
        except WarehouseBusy:
            self.refused += 1
            raise


def test_a_file_that_stays_in_use_is_waited_for_once_per_group(bench: SyncBench) -> None:
    """One by one, 25 endings would wait for ten minutes each, and all other channels with them."""
    assert isinstance(bench.warehouse, DuckDBWarehouse)
    for name in NAMES:
        bench.connect(channel_id=name)
    warehouse = Impatient.from_url(bench.warehouse.url)
    assert isinstance(warehouse, Impatient)
    writer: GroupCall[Ending, list[None]] = GroupCall(
        lambda endings, again: [write(bench.registry, warehouse, endings, again=again)] * len(endings), gather=60.0
    )
    failed: dict[str, BaseException] = {}

    def end(name: str) -> None:
        sync = cast("Any", SimpleNamespace(channel=SimpleNamespace(id=name), run_id="r"))
        try:
            writer.ask(name, Ending(sync, [], Run("r", whole=True, parts=[]), bench.registry.database.now()))
        except WarehouseBusy as error:
            failed[name] = error
        finally:
            writer.expect_no_more(name)

    threads = [Thread(target=end, args=(name,)) for name in NAMES]
    for name in NAMES:
        writer.expect(name)
    with bench.warehouse.exclusive():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failed.keys() == set(NAMES)
    assert warehouse.refused == 1


def test_a_run_whose_end_is_stored_gets_no_second_row(bench: SyncBench) -> None:
    """The server of the registry restarts after the warehouse has the end: the lock is lost, and the sync fails."""
    report, lost = bench.sync("Leads"), LockLost("channel acme: the lock was lost")
    assert report.started_at is not None
    record_failure(bench.registry, bench.warehouse, "acme", ["Leads"], report.run_id, report.started_at, lost, spent=0)
    logged = bench.rows("select outcome from zoho_raw.sync_runs where run_id = ? and module = 'Leads'", report.run_id)
    assert logged == [{"outcome": "complete"}]
    record_failure(bench.registry, bench.warehouse, "acme", ["Leads"], "another run", report.started_at, lost, spent=0)
    assert bench.rows("select outcome from zoho_raw.sync_runs where run_id = 'another run'") == [{"outcome": "failed"}]
