"""Access tokens: Zoho gives ten in ten minutes, so runs and processes with the same credentials share one."""

import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from dlt.pipeline.exceptions import PipelineStepFailed

from tests.dlt_source.bench import SourceBench
from tests.dlt_source.test_broken_runs import assert_no_secret
from tests.ingest.conftest import CLIENT, CLIENT_SECRET
from zoho_pipeline.dlt_source.token_file import Block, Kept, TokenFile
from zoho_pipeline.dlt_source.tokens import SharedTokens
from zoho_pipeline.settings import Secret
from zoho_pipeline.zoho.accounts.data_centers import DataCenter, DataCenters
from zoho_pipeline.zoho.accounts.oauth import AccessToken
from zoho_pipeline.zoho.errors import RefreshTokenRevoked, TokenThrottled

PROCESS = """
import sys
from pathlib import Path
from zoho_pipeline.dlt_source.tokens import SharedTokens
from zoho_pipeline.settings import Secret
from zoho_pipeline.zoho.accounts.data_centers import DataCenters
url, client, secret, refresh, folder = sys.argv[1:]
center = DataCenters.with_added({"sim": url}).get("sim")
try:
    print(SharedTokens(center, client, Secret(secret), Secret(refresh), Path(folder)).current().value.reveal())
except Exception as error:
    print(type(error).__name__)
"""


def center(bench: SourceBench) -> DataCenter:
    return DataCenters.with_added({"sim": bench.sim.url}).get("sim")


def tokens(bench: SourceBench, folder: Path | None, refresh_token: str = "") -> SharedTokens:
    given = (Secret(CLIENT_SECRET), Secret(refresh_token or bench.refresh_token))
    return SharedTokens(center(bench), CLIENT, *given, folder)


def process(bench: SourceBench, folder: Path) -> str:
    """What another process gets: its token, or the name of the error."""
    arguments = (bench.sim.url, CLIENT, CLIENT_SECRET, bench.refresh_token, str(folder))
    ended = subprocess.run([sys.executable, "-c", PROCESS, *arguments], capture_output=True, text=True, check=True)
    return ended.stdout.strip()


def requested(bench: SourceBench) -> int:
    return len(bench.sim.hub.tokens.grants[bench.refresh_token].minted)


@pytest.mark.long
def test_sources_of_a_process_share_a_token(bench: SourceBench) -> None:
    bench.org.insert("Leads", {"Last_Name": "L"})
    for _ in range(2):
        bench.run("Leads")
    for _ in range(12):
        tokens(bench, None).current()
    assert requested(bench) == 1
    assert_no_secret(bench)
    (file,) = (bench.folder / "pipelines").glob(".zoho_crm_token.*[!k]")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_processes_share_a_token(bench: SourceBench, tmp_path: Path) -> None:
    first = process(bench, tmp_path)
    assert process(bench, tmp_path) == first == tokens(bench, tmp_path).current().value.reveal()
    assert requested(bench) == 1


def test_a_refused_token_is_replaced_once(bench: SourceBench, tmp_path: Path) -> None:
    old = tokens(bench, tmp_path).current()
    bench.sim.expire_access_tokens()
    newer = tokens(bench, tmp_path).refused(old)
    assert newer.value != old.value
    assert tokens(bench, tmp_path).refused(old).value == newer.value
    assert process(bench, tmp_path) == newer.value.reveal()
    assert requested(bench) == 2


def test_other_credentials_get_another_token(bench: SourceBench, tmp_path: Path) -> None:
    own = tokens(bench, tmp_path).current()
    other = bench.org.grant(CLIENT, CLIENT_SECRET, bench.scopes)
    assert tokens(bench, tmp_path, other).current().value != own.value
    with pytest.raises(RefreshTokenRevoked):
        tokens(bench, tmp_path, "1000.unknown").current()


def test_a_throttle_is_remembered_and_the_message_names_the_wait(bench: SourceBench) -> None:
    """Zoho makes the wait longer for each request, so that a run per minute would wait for ever."""
    folder = bench.folder / "pipelines"
    bench.sim.faults.next(1, "throttle", "/oauth/v2/token")
    with pytest.raises(PipelineStepFailed, match=r"no access token for now.*in 10 min \(at ..:..:.. UTC\)"):
        bench.run("Leads")
    with pytest.raises(TokenThrottled, match="none is sent"):
        tokens(bench, folder).current()
    assert process(bench, folder) == "TokenThrottled"
    assert requested(bench) == 0


def identity_file(folder: Path) -> TokenFile:
    return TokenFile(folder, Secret("identity"))


def test_a_file_says_what_was_written(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    token = AccessToken(Secret("1000.a.b"), now, "https://www.zohoapis.in", ("ZohoCRM.org.READ",))
    for kept in (Kept(token), Kept(token, Block(now, 600)), Kept(block=Block(now, 0.5)), Kept()):
        identity_file(tmp_path).write(kept)
        assert identity_file(tmp_path).read() == kept


@pytest.mark.parametrize("damage", [b"", b"\0\xff", b"gAAAA", None])
def test_a_damaged_file_counts_as_none(bench: SourceBench, tmp_path: Path, damage: bytes | None) -> None:
    process(bench, tmp_path)
    (file,) = tmp_path.glob(".zoho_crm_token.*[!k]")
    data = file.read_bytes()
    file.write_bytes(data[:-7] if damage is None else damage)
    assert process(bench, tmp_path).startswith("1000.")
    assert requested(bench) == 2


def test_where_no_file_can_be_written_memory_serves(bench: SourceBench, tmp_path: Path) -> None:
    """The folder is a file, so that neither a lock nor a token can be written there."""
    place = tmp_path / "file"
    place.write_text("")
    assert tokens(bench, place).current().value == tokens(bench, place).current().value
    assert requested(bench) == 1


def test_a_block_ends_also_if_the_clock_was_set_back() -> None:
    now = datetime.now(UTC)
    assert Block(now, 600).left(now) == timedelta(seconds=600)
    assert Block(now, 600).left(now + timedelta(seconds=601)) < timedelta(0)
    assert Block(now + timedelta(days=1), 600).left(now) == timedelta(0)
