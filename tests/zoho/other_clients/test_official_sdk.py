"""An independent check: Zoho's own SDK reads the same from the simulator as our client."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.zoho.conftest import ALL_SCOPES, CLIENT_ID, CLIENT_SECRET, connect
from tests.zoho.walks import walk_records
from zoho_pipeline.zoho.connection.client import ZohoClient
from zoho_pipeline.zoho.read import deleted, metadata

pytest.importorskip("zohocrmsdk", reason="Zoho's SDK (zohocrmsdk8-0) is not installed")


@pytest.fixture(scope="module")
def seen(filled: tuple[Any, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the SDK read of the filled org, in a separate process."""
    simulator, org = filled
    refresh_token = org.grant(CLIENT_ID, CLIENT_SECRET, " ".join(ALL_SCOPES))
    folder = tmp_path_factory.mktemp("sdk")
    script = Path(__file__).with_name("official_sdk.py")
    command = [sys.executable, str(script), simulator.url, CLIENT_ID, CLIENT_SECRET, str(folder)]
    done = subprocess.run(command, input=refresh_token, capture_output=True, text=True, cwd=folder, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


@pytest.fixture
def client(filled: tuple[Any, Any]) -> Iterator[ZohoClient]:
    with connect(*filled).client as client:
        yield client


def test_leads(seen: dict[str, Any], client: ZohoClient) -> None:
    fields = ("Last_Name", "Company", "Created_Time", "Converted__s", "Owner")
    pages = walk_records(client, "Leads", fields, converted="both")
    ours = {row["id"]: row for page in pages for row in page.rows}
    assert len(seen["leads"]) == len(ours) == 446
    for lead in seen["leads"]:
        row = ours[lead["id"]]
        assert (lead["name"], lead["company"], lead["owner"]) == (row["Last_Name"], row["Company"], row["Owner"]["id"])
        assert lead["converted"] is row["Converted__s"]
        # The SDK gives times in the zone of this machine.
        assert datetime.fromisoformat(lead["created"]).astimezone() == datetime.fromisoformat(row["Created_Time"])


def test_deleted_leads(seen: dict[str, Any], client: ZohoClient) -> None:
    ours = deleted.get_page(client, "Leads").rows
    assert sorted((r["id"], r["type"]) for r in seen["deleted"]) == sorted((r["id"], r["type"]) for r in ours)


def test_nothing_new(seen: dict[str, Any]) -> None:
    assert seen["tomorrow"] in (204, 304)


def test_metadata(seen: dict[str, Any], client: ZohoClient) -> None:
    assert sorted(seen["modules"]) == sorted(module.api_name for module in metadata.modules(client))
    assert seen["fields"] == {field.api_name: field.data_type for field in metadata.fields(client, "Leads")}
