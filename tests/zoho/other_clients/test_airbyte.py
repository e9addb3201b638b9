"""An independent check: Airbyte's connector reads the same from the simulator as our client.

It is optional. The connector needs Python 3.9 to 3.11 and libraries that conflict with ours, so it is installed in a
separate environment. AIRBYTE_PYTHON names the interpreter of that environment.
"""

import json
import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.zoho.conftest import ALL_SCOPES, CLIENT_ID, CLIENT_SECRET, connect
from tests.zoho.walks import walk_records
from zoho_pipeline.zoho.read import metadata

PYTHON = os.environ.get("AIRBYTE_PYTHON", "")
pytestmark = pytest.mark.skipif(
    not PYTHON,
    reason="AIRBYTE_PYTHON is not set: python3.11 -m venv V && V/bin/pip install airbyte-source-zoho-crm==0.3.6, "
    "then AIRBYTE_PYTHON=V/bin/python",
)


@pytest.fixture(scope="module")
def seen(filled: tuple[Any, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the connector read of the filled org, in a separate process."""
    simulator, org = filled
    refresh_token = org.grant(CLIENT_ID, CLIENT_SECRET, " ".join(ALL_SCOPES))
    script = Path(__file__).with_name("airbyte_connector.py")
    command = [PYTHON, str(script), simulator.url, CLIENT_ID, CLIENT_SECRET]
    done = subprocess.run(
        command,
        input=refresh_token,
        capture_output=True,
        text=True,
        cwd=tmp_path_factory.mktemp("airbyte"),
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def test_it_connects_and_finds_the_modules(seen: dict[str, Any], filled: tuple[Any, Any]) -> None:
    assert (seen["works"], seen["problem"]) == (True, "")
    with connect(*filled).client as client:
        modules = {module.api_name for module in metadata.modules(client) if module.api_supported}
        columns = {field.api_name for field in metadata.fields(client, "Leads")}
    assert modules == set(seen["streams"])
    assert columns <= set(seen["columns"])


def test_it_reads_the_leads_that_are_not_converted(seen: dict[str, Any], filled: tuple[Any, Any]) -> None:
    """It misses converted leads (airbytehq/airbyte#39398), because it never requests them."""
    fields = ("Last_Name", "Company", "Email", "Owner", "Created_Time", "Modified_Time")
    with connect(*filled).client as client:
        pages = walk_records(client, "Leads", fields, converted="false")
        ours = {row["id"]: {name: row[name] for name in fields} for page in pages for row in page.rows}
    assert {row["id"]: {name: row[name] for name in fields} for row in seen["leads"]} == ours
    after = datetime(2026, 3, 1, 15, tzinfo=UTC)
    newer = {id_ for id_, row in ours.items() if datetime.fromisoformat(row["Modified_Time"]) > after}
    assert newer
    assert {row["id"] for row in seen["newer"]} == newer
