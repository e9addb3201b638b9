"""The memory of DuckDB in a transform: it is limited, and a statement that needs more gets more."""

from collections.abc import Callable, Iterator

import duckdb
import pytest

from zoho_pipeline.transform.run.duckdb_session import TransformConnection, set_up
from zoho_pipeline.warehouse.connection import SqlError

LIMIT = "select current_setting('memory_limit')"
SELECT = "select i, repeat('x', 20) || i as text from range(2000000) as rows(i)"
LARGE = f"create temporary table large as {SELECT}"


@pytest.fixture
def session() -> Iterator[TransformConnection]:
    """A session that cannot spill."""
    with duckdb.connect() as raw:
        raw.execute("set temp_directory = ''")
        yield TransformConnection(raw)


def limit_of(session: TransformConnection) -> str:
    return str(session.fetch(LIMIT)[1][0][0])


@pytest.mark.parametrize(
    ("budget", "limit"), [(2_000_000_000, "1.4 GiB"), (1_000_000_000, "524.5 MiB"), (1, "95.3 MiB"), (10**15, None)]
)
def test_the_limit_follows_from_the_budget_and_from_the_machine(budget: int, limit: str | None) -> None:
    with duckdb.connect() as raw:
        default = str(raw.execute(LIMIT).fetchall()[0][0])
        session = TransformConnection(raw, budget=budget)
        set_up(session)
        (expected, unit), (got, got_unit) = (limit or default).split(), limit_of(session).split()
        assert got_unit == unit
        assert float(got) == pytest.approx(float(expected), abs=0.11)  # it is shown with one decimal, cut off


def test_the_next_batch_has_the_limit_again(session: TransformConnection) -> None:
    set_up(session)
    before = limit_of(session)
    session.execute("set memory_limit = '20MB'")
    session.execute(LARGE)
    assert limit_of(session) != before
    session.limit_memory()
    assert limit_of(session) == before


@pytest.mark.parametrize("run", [TransformConnection.execute, TransformConnection.fetch])
def test_a_statement_that_needs_more_gets_more(
    session: TransformConnection, run: Callable[[TransformConnection, str], object]
) -> None:
    default = limit_of(session)
    session.execute("set memory_limit = '20MB'")
    with pytest.raises(duckdb.OutOfMemoryException):
        session.raw.execute(LARGE)
    run(session, LARGE)
    assert session.fetch("select count(*) from large")[1] == [(2_000_000,)]
    assert limit_of(session) == default
    session.execute("begin")  # no transaction was left open
    session.execute("rollback")


def test_a_transaction_that_needs_more_gets_more(session: TransformConnection) -> None:
    session.execute("set memory_limit = '20MB'")
    session.execute(f"begin; create temporary table first (a integer); {LARGE}; commit")
    assert session.fetch("select count(*) from large")[1] == [(2_000_000,)]
    session.execute("begin; commit")


@pytest.mark.long
def test_a_dictionary_that_needs_more_gets_more(session: TransformConnection) -> None:
    """Its values leave the session and come back with their meaning, each in a way of its own."""
    default = limit_of(session)
    session.execute("set memory_limit = '20MB'")
    texts = [text for some in session.texts(f"select distinct text from ({SELECT})") for text in some]
    assert len(texts) == 2_000_000
    assert limit_of(session) == default
    session.execute("create temporary table meanings (text varchar)")
    session.execute("set memory_limit = '20MB'")
    session.append("meanings", [("text", "varchar")], [(f"{text} {'y' * 300}",) for text in texts[:200_000]])
    assert session.fetch("select count(*) from meanings")[1] == [(200_000,)]
    assert limit_of(session) == default


def test_another_failure_keeps_the_limit(session: TransformConnection) -> None:
    session.execute("set memory_limit = '20MB'")
    for run in (session.fetch, session.execute):
        with pytest.raises(SqlError):
            run("select * from nothing")
    assert limit_of(session).endswith("MiB")
