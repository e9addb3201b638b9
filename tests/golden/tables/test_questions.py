"""The queries of docs/questions.md give the same rows on both engines."""

from collections.abc import Callable

from tests.flows.question_oracle import questions
from tests.golden.sql_lab import write_raw
from tests.golden.tables.random_tables import BUILD_AT, Row, random_world
from zoho_pipeline.reading import published
from zoho_pipeline.transform.run.transform import transform
from zoho_pipeline.warehouse.warehouse import Warehouse


def answers(warehouse: Warehouse) -> dict[str, list[Row]]:
    with warehouse.connect(read_only=False) as connection:
        write_raw(connection, random_world(range(700, 720)))
    transform(warehouse, build_at=BUILD_AT).require_complete()
    with published.connect(warehouse) as connection:
        # rows that are equal in what the query sorts by may come in any order
        return {title: sorted(connection.rows(query), key=repr) for title, query in questions().items()}


def test_both_engines_answer_alike(empty_warehouse: Callable[[str], Warehouse]) -> None:
    on_duckdb, on_postgres = (answers(empty_warehouse(engine)) for engine in ("duckdb", "postgres"))
    assert all(on_duckdb.values())
    for title, rows in on_duckdb.items():
        if "limit" not in questions()[title]:  # the tenth and the eleventh row may be equal in what sorts them
            assert rows == on_postgres[title], title
        assert len(rows) == len(on_postgres[title]), title
