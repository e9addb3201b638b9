"""The recipes of docs/architecture.md are carried out on a copy of the repository, and their results are checked."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from zoho_pipeline.simulator.state.org import ADMIN_ROLES

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text()
_BLOCK = re.compile(r"^```\w+ title=\"([^\"]+)\" ([^\n]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PLACE = re.compile(r"(after|before|instead-of)=\"(.*)\"")

USE = """
import json, sys
from zoho_pipeline.channels.access.client_factory import open_client
from zoho_pipeline.channels.consent.register import register_from_refresh_token
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.ingest.sync.run import sync_channel
from zoho_pipeline.orchestration.assets.model_manifest import load_model_manifest
from zoho_pipeline.reading.query import query
from zoho_pipeline.settings import Secret, load_settings
from zoho_pipeline.simulator import Simulator
from zoho_pipeline.transform.run.transform import transform
from zoho_pipeline.warehouse.warehouse import open_warehouse
from zoho_pipeline.zoho.read.roles import roles

def query_rows(sql, raw=False):
    return query(settings, sql, raw=raw).rows

with Simulator.start() as sim:
    org = sim.add_org(name="Acme", currency="INR")
    org.add_custom_field("Leads", "Region", "Region")
    org.insert("Leads", {"Last_Name": "Rao", "Company": "Dukan", "Country": "India", "Region": "South"})
    org.insert("Leads", {"Last_Name": "Sen", "Country": " "})
    org.insert("Products", {"Product_Name": "Ledger", "Unit_Price": 1250.5, "Product_Active": True})
    scopes = "ZohoCRM.modules.ALL,ZohoCRM.users.READ,ZohoCRM.org.READ,ZohoCRM.settings.ALL,ZohoCRM.coql.READ"
    token = org.grant("client", "secret", scopes)
    settings = load_settings({
        "ZOHO_PIPELINE_HOME": sys.argv[1], "ZOHO_CLIENT_ID": "client", "ZOHO_CLIENT_SECRET": "secret",
        "ZOHO_PIPELINE_SYNC_LAG": "0", "ZOHO_PIPELINE_DATA_CENTERS": json.dumps({"sim": sim.url}),
    })
    registry, warehouse = Registry(settings), open_warehouse(settings)
    register_from_refresh_token(registry, "acme", Secret(token), data_center="sim")
    report = sync_channel(settings, registry, warehouse, "acme")
    transform(settings)
    with open_client(settings, registry, "acme") as client:
        names = [row["name"] for row in roles(client)]
    print(json.dumps({
        "incomplete": [f"{m.module}: {m.detail}" for m in report.modules if m.outcome != "complete"],
        "products": query_rows("select product_name, unit_price, product_active from products", raw=True),
        "regions": query_rows("select region from lead order by region"),
        "countries": query_rows("select country, n_leads from lead_country order by country"),
        "company_rate": query_rows("select company_rate from channel_insight"),
        "assets": [name for name in load_model_manifest(settings).models if "country" in name],
        "roles": names,
    }))
"""


@dataclass(frozen=True)
class Block:
    """One code block of a recipe: the file that it goes into, and the place in it."""

    recipe: str
    file: str
    place: str
    text: str

    def apply(self, root: Path) -> None:
        """Write the block into a copy. AssertionError if its place does not exist exactly once."""
        path = root / self.file
        if self.place == "new":
            assert not path.exists(), f"{self.recipe}: {self.file} exists already"
            path.write_text(self.text)
            return
        match = _PLACE.fullmatch(self.place)
        assert match, f"{self.recipe}: {self.place}"
        how, where = match.groups()
        where, before = where.replace('\\"', '"'), path.read_text()
        if how == "instead-of":
            assert before.count(where) == 1, f"{self.recipe}: {self.file} has {where!r} {before.count(where)} times"
            path.write_text(before.replace(where, self.text.rstrip("\n")))
            return
        lines = before.splitlines(keepends=True)
        found = [number for number, line in enumerate(lines) if line.startswith(where)]
        assert len(found) == 1, f"{self.recipe}: {self.file} has {where!r} at {len(found)} lines"
        lines.insert(found[0] + (how == "after"), self.text)
        path.write_text("".join(lines))


def blocks() -> list[Block]:
    found = []
    for part in re.split(r"^### ", PAGE, flags=re.MULTILINE)[1:]:
        recipe = part.partition("\n")[0]
        found += [Block(recipe, file, place.strip(), text) for file, place, text in _BLOCK.findall(part)]
    return found


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository in which every recipe is carried out."""
    root = tmp_path_factory.mktemp("copy")
    for folder in ("zoho_pipeline", "dbt_like_sql", "docs"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("images"))
    for block in blocks():
        block.apply(root)
    return root


@pytest.fixture(scope="module")
def results(copy: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The results of the changed program: one sync and one transform of a small org."""
    home = tmp_path_factory.mktemp("home")
    env = {name: value for name, value in os.environ.items() if not name.startswith("ZOHO_")} | {
        "PYTHONPATH": str(copy)
    }
    command = [sys.executable, "-W", "ignore", "-c", USE, str(home)]
    done = subprocess.run(command, cwd=home, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    shown: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return shown


def test_every_recipe_has_blocks() -> None:
    recipes = {block.recipe for block in blocks()}
    assert recipes == {"A raw module", "A custom field", "A mart", "A metric", "A call to Zoho"}


@pytest.mark.long
def test_a_raw_module_is_loaded(results: dict[str, Any]) -> None:
    assert results["incomplete"] == []
    assert results["products"] == [["Ledger", 1250.5, True]]


def test_a_custom_field_is_a_column(results: dict[str, Any]) -> None:
    assert results["regions"] == [["South"], [None]]


def test_a_mart_is_built_and_shown(results: dict[str, Any]) -> None:
    assert results["countries"] == [["(none)", 1], ["India", 1]]
    assert results["assets"] == ["lead_country"]


def test_a_metric_reaches_the_insight(results: dict[str, Any]) -> None:
    assert results["company_rate"] == [[0.5]]


def test_a_call_to_zoho_answers(results: dict[str, Any]) -> None:
    assert results["roles"] == list(ADMIN_ROLES)


def test_the_documents_list_what_was_added(copy: Path) -> None:
    tables = (copy / "docs" / "tables.md").read_text()
    assert "| `products` |" in tables
    assert "| `lead_country` |" in tables
