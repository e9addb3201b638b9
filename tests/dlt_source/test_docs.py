"""docs/dlt-source.md: its examples run as they are, in a program of their own, and its tables name what there is."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.dlt_source.bench import SourceBench
from tests.ingest.conftest import ALL_SCOPES, CLIENT, CLIENT_SECRET
from zoho_pipeline import zoho_crm
from zoho_pipeline.dlt_source.credentials import ZohoCredentials
from zoho_pipeline.simulator.accounts.consent import issue_code

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "dlt-source.md").read_text()


def token_of_the_command(bench: SourceBench) -> str:
    """The refresh token that the page's command gets for a code of the console."""
    hub = bench.sim.hub
    with hub.lock:
        form = {"scope": ALL_SCOPES, "access_type": "offline"}
        code = issue_code(hub, hub.tokens.clients[CLIENT], form, bench.org, bench.org.admin.id).value
    (command,) = re.findall(r"```sh\n(curl.*?)```", PAGE, re.DOTALL)
    command = command.replace("https://accounts.zoho.in", bench.sim.url).replace("code=1000.…", f"code={code}")
    command = command.replace("client_id=1000.…", f"client_id={CLIENT}").replace(
        "_secret=…", f"_secret={CLIENT_SECRET}"
    )
    ended = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    return str(json.loads(ended.stdout)["refresh_token"])


@pytest.mark.long
def test_the_examples_run(bench: SourceBench, tmp_path: Path) -> None:
    lead, *_ = bench.org.insert_many("Leads", [{"Last_Name": f"L{n}"} for n in range(3)])
    token = token_of_the_command(bench)
    (tmp_path / ".dlt").mkdir()
    values = {"client_id": CLIENT, "client_secret": CLIENT_SECRET, "refresh_token": token}
    (toml,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    for name, value in values.items():
        toml = re.sub(rf'{name} = ".*?"', f'{name} = "{value}"', toml)
    (tmp_path / ".dlt" / "secrets.toml").write_text(toml)
    (tmp_path / ".dlt" / "config.toml").write_text(
        "[runtime]\ndlthub_telemetry = false\n"
        f'[sources.zoho_crm]\nlag_seconds = 0\n[sources.zoho_crm.data_centers]\nsim = "{bench.sim.url}"\n'
    )
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) >= 5
    text = (
        "".join(blocks)
        .replace('data_center="in"', 'data_center="sim"')
        .replace('dlt.pipeline("zoho", ', f'dlt.pipeline("zoho", pipelines_dir={str(tmp_path / "pipelines")!r}, ')
    )
    program = tmp_path / "program.py"
    first = text.partition("with pipeline")[0]
    for code, deleted in ((first, lead), (text + "\nassert len(live) == 2, live\n", None)):
        program.write_text(code)
        ended = subprocess.run([sys.executable, program], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr[-3000:]
        if deleted is not None:
            bench.org.delete("Leads", deleted)


def test_the_page_names_every_resource_and_argument() -> None:
    credentials = ZohoCredentials()
    credentials.client_id = credentials.client_secret = credentials.refresh_token = "x"
    for name in zoho_crm(data_center="in", credentials=credentials).resources:
        assert f"`{name}`" in PAGE, name
    for name in ZohoCredentials.get_resolvable_fields():
        assert f"{name} = " in PAGE, name
