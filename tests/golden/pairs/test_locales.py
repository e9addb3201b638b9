"""The facts of equal texts do not depend on the locale of the database."""

from pathlib import Path
from uuid import uuid4

import psycopg2
import pytest

from tests.golden.pairs.csv_pairs import BUILD_AT, Row, broken, expectations, given
from tests.golden.sql_lab import write_raw
from zoho_pipeline.reading import published
from zoho_pipeline.settings import Settings
from zoho_pipeline.transform.errors import TransformError
from zoho_pipeline.transform.run.transform import transform
from zoho_pipeline.warehouse.warehouse import open_warehouse

CASES = ("same_texts", "lead_sources", "topics")
LOCALES = {
    "C": "locale 'C'",
    "Turkish": "locale_provider icu icu_locale 'tr-TR' locale 'C'",
    "Swedish": "locale_provider icu icu_locale 'sv-SE' locale 'C'",
}


def _database(server: str, options: str, encoding: str = "UTF8") -> str:
    """The URL of a new database; the test is skipped if the server lacks the locale."""
    name = f"locale_{uuid4().hex[:12]}"
    connection = psycopg2.connect(server)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f"create database {name} template template0 encoding '{encoding}' {options}")
    except psycopg2.Error as error:
        pytest.skip(f"the server has no such locale: {error}")
    finally:
        connection.close()
    base, _, query = server.partition("?")
    return base.rpartition("/")[0] + f"/{name}" + (f"?{query}" if query else "")


@pytest.mark.parametrize("locale", LOCALES)
def test_equal_texts_are_equal_in_every_locale(locale: str, postgres_server: str, tmp_path: Path) -> None:
    rows: dict[str, list[Row]] = {
        table: [row for row in rows if str(row["channel_id"]).split(".")[0] in CASES] for table, rows in given().items()
    }
    url = _database(postgres_server, LOCALES[locale])
    warehouse = open_warehouse(Settings(home=tmp_path, warehouse_url=url, registry_url=""))
    with warehouse.connect(read_only=False) as connection:
        write_raw(connection, rows)
    transform(warehouse, build_at=BUILD_AT).require_complete()
    with published.connect(warehouse) as connection:
        for expected in expectations():
            if expected.case in CASES:
                assert broken(expected, connection.rows(f"select * from {expected.mart}")) == [], expected.mart


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_of_another_encoding_is_refused(encoding: str, postgres_server: str, tmp_path: Path) -> None:
    url = _database(postgres_server, "locale 'C'", encoding)
    warehouse = open_warehouse(Settings(home=tmp_path, warehouse_url=url, registry_url=""))
    with pytest.raises(TransformError, match=f"has the encoding {encoding}.*template template0 encoding 'UTF8'"):
        transform(warehouse, build_at=BUILD_AT)
