"""The memory of DuckDB in a transform: it is limited, and a statement that needs more gets more."""

from collections.abc import Callable, Iterator

import duckdb
import pytest

from zoho_pipeline.transform.run.duckdb_session import TransformConnection, set_up
from zoho_pipeline.warehouse.connection import SqlError

LIMIT = "select current_setting('memory_limit')"
LARGE = "create temporary table large as select i, repeat('x', 20) || i as text from range(2000000) as rows(i)"


@pytest.fixture
def session() -> Iterator[TransformConnection]:
    """A session that cannot spill."""
    with duckdb.connect() as raw:
        raw.execute("set temp_directory = ''")
        yield TransformConnection(raw)


def limit_of(session: TransformConnection) -> str:
    return str(session.fetch(LIMIT)[1][0][0])


def test_a_transform_has_three_gigabytes(session: TransformConnection) -> None:
    default = limit_of(session)
    set_up(session)
    assert limit_of(session) == ("2.7 GiB" if default.endswith("GiB") and float(default.split()[0]) > 2.8 else default)


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


def test_another_failure_keeps_the_limit(session: TransformConnection) -> None:
    session.execute("set memory_limit = '20MB'")
    with pytest.raises(SqlError):
        session.fetch("select * from nothing")
    assert limit_of(session).endswith("MiB")
