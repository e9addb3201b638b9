"""Seeds and models as editors on other systems save them, and lines in messages about them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.params import combined
from tests.transform.conftest import Raw
from zoho_pipeline.transform.errors import ProjectError
from zoho_pipeline.transform.project.project import Project
from zoho_pipeline.transform.run.transform import transform
from zoho_pipeline.warehouse.duckdb_warehouse import DuckDBWarehouse

NAMES = 'source,name\nweb,"Web\nsite"\nad,Advert\n'
TYPED = """
seeds:
  - name: seed_names
    columns:
      - {name: source, data_type: text}
      - {name: name, data_type: integer}
"""
Make = Callable[..., Project]


@pytest.fixture
def warehouse(duckdb_warehouse: DuckDBWarehouse) -> DuckDBWarehouse:
    return duckdb_warehouse


def rewrite(project: Project, file: str, data: bytes) -> Project:
    (project.root / file).write_bytes(data)
    return Project.load(project.root)


@pytest.mark.parametrize(
    ("encoding", "file"),
    combined(
        ["utf-8", "utf-8-sig", "utf-16"],
        ["seeds/seed_names.csv", "marts/lead.sql", "marts/marts.yml"],
        quick=[
            ("utf-8", "marts/lead.sql"),
            ("utf-8-sig", "marts/marts.yml"),
            ("utf-16", "seeds/seed_names.csv"),
        ],
    ),
)
def test_a_file_in_another_encoding_is_the_same_file(
    warehouse: DuckDBWarehouse, raw: Raw, project: Make, encoding: str, file: str
) -> None:
    made = project()
    text = (made.root / file).read_text().replace("\n", "\r\n")
    transform(warehouse, project=rewrite(made, file, text.encode(encoding)))
    with warehouse.published() as marts:
        assert marts is not None
        rows = marts.fetch("select id, source from lead where channel_id = 'a' order by id")[1]
    assert rows == [("1", "Website"), ("2", "Advert")]


def test_a_seed_with_semicolons(warehouse: DuckDBWarehouse, raw: Raw, project: Make) -> None:
    made = project({"seeds/seeds.yml": TYPED.replace("integer", "text")})
    transform(warehouse, project=rewrite(made, "seeds/seed_names.csv", NAMES.replace(",", ";").encode()))
    with warehouse.published() as marts:
        assert marts is not None
        assert ("1", "Web\nsite") in marts.fetch("select id, source from lead where channel_id = 'a'")[1]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"caf\xe9,name\n", r"seed_names\.csv: is not UTF-8 text"),
        (b'source,name\nweb,1\n"ad,2\n', r"seed_names\.csv:3: is not CSV"),
        (b'source,name\n"w\neb",1\nad\n', r"seed_names\.csv:4: has 1 fields"),
        (b'source,name\n"w\neb",one\nad,2\n', r"seed_names\.csv:2: has a value of another type"),
    ],
)
def test_a_wrong_seed_is_named_by_its_line(
    warehouse: DuckDBWarehouse, raw: Raw, project: Make, data: bytes, said: str
) -> None:
    made = rewrite(project({"seeds/seeds.yml": TYPED}), "seeds/seed_names.csv", data)
    with pytest.raises(ProjectError, match=said):
        transform(warehouse, project=made)


@pytest.mark.parametrize("file", ["marts/lead.sql", "marts/marts.yml"])
def test_a_model_file_that_is_no_text_is_named(project: Make, file: str) -> None:
    with pytest.raises(ProjectError, match=rf"{Path(file).name}: is not UTF-8 text"):
        rewrite(project(), file, b"select '\xe9'")
