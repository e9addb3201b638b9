"""The memory of DuckDB in a transform: it is limited, and a statement that needs more gets more."""

from collections.abc import Iterator

import duckdb
import pytest

from zoho_pipeline.transform.run.duckdb_memory import RoomyConnection, limit_memory
from zoho_pipeline.warehouse.connection import Connection, SqlError
from zoho_pipeline.warehouse.duckdb_connection import DuckDBConnection

LIMIT = "select current_setting('memory_limit')"
LARGE = "create temporary table large as select i, repeat('x', 20) || i as text from range(2000000) as rows(i)"


@pytest.fixture
def session() -> Iterator[Connection]:
    """A session that cannot spill."""
    with duckdb.connect() as raw:
        raw.execute("set temp_directory = ''")
        yield RoomyConnection(raw)


def limit_of(session: Connection) -> str:
    return str(session.fetch(LIMIT)[1][0][0])


def test_a_transform_has_three_gigabytes(session: Connection) -> None:
    default = limit_of(session)
    limit_memory(session)
    assert limit_of(session) == ("2.7 GiB" if default.endswith("GiB") and float(default.split()[0]) > 2.8 else default)


@pytest.mark.parametrize("text", [LARGE, f"begin; {LARGE}; commit"])
@pytest.mark.parametrize("call", ["execute", "fetch"])
def test_a_statement_that_needs_more_gets_more(session: Connection, call: str, text: str) -> None:
    """Whatever a transform does: it builds, it checks, it publishes."""
    default = limit_of(session)
    session.execute("set memory_limit = '20MB'")
    with pytest.raises(SqlError):
        DuckDBConnection(session.raw).execute(LARGE)
    getattr(session, call)(text)
    assert session.fetch("select count(*) from large")[1] == [(2_000_000,)]
    assert limit_of(session) == default
    session.execute("begin")  # no transaction was left open
    session.execute("rollback")


def test_another_failure_keeps_the_limit(session: Connection) -> None:
    session.execute("set memory_limit = '20MB'")
    for run in (session.fetch, session.execute):
        with pytest.raises(SqlError):
            run("select * from nothing")
    assert limit_of(session).endswith("MiB")
