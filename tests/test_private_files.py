"""Who else can reach the key file, HOME and `.env`: what is refused, and what is said with a cure."""

import logging
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.private_files import keeps_modes, key_file_risk, warn_of_open_home, write_once, write_private
from zoho_pipeline.settings import SettingsError, load_settings

KEY = "k" * 43


def key_of_mode(home: Path, mode: int) -> Path:
    home.mkdir(mode=0o700, exist_ok=True)
    path = home / "secret.key"
    path.write_text(KEY)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("mode", [0o666, 0o644, 0o604, 0o602, 0o660, 0o620, 0o777])
def test_a_key_that_others_can_reach_is_refused_and_the_cure_works(home: Path, mode: int) -> None:
    path = key_of_mode(home, mode)
    with pytest.raises(SettingsError, match=rf"mode {mode:o}.*chmod 600 {path}") as refused:
        Registry(load_settings({"ZOHO_PIPELINE_HOME": str(home)}))
    assert KEY not in str(refused.value)
    path.chmod(0o600)
    assert Registry(load_settings({"ZOHO_PIPELINE_HOME": str(home)})).list() == ()


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o440, 0o640])
def test_a_key_of_the_owner_or_given_to_a_group_is_taken(home: Path, mode: int) -> None:
    """Kubernetes gives a secret to a pod by its group."""
    key_of_mode(home, mode)
    assert load_settings({"ZOHO_PIPELINE_HOME": str(home)}).secret_keys[0].reveal() == KEY


def test_the_other_cure_is_the_key_in_the_environment(home: Path) -> None:
    key_of_mode(home, 0o666)
    settings = load_settings({"ZOHO_PIPELINE_HOME": str(home), "ZOHO_PIPELINE_SECRET_KEY": KEY})
    assert Registry(settings).list() == ()


def test_where_the_file_system_keeps_no_modes_the_key_is_taken_with_a_warning(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A folder of Windows in a container shows every file with mode 777, and chmod changes nothing."""
    path = key_of_mode(home, 0o777)
    for _ in range(2):
        assert key_file_risk(path, keeps_modes=lambda folder: False) is None
    assert [record.getMessage() for record in caplog.records if "keeps no modes" in record.getMessage()] == [
        f"The key file {path} has mode 777, and its file system keeps no modes. If other people use this machine, put "
        "the key into ZOHO_PIPELINE_SECRET_KEY and remove the file."
    ]


def test_the_probe_of_a_file_system_leaves_nothing_behind(tmp_path: Path) -> None:
    assert keeps_modes(tmp_path)
    assert os.listdir(tmp_path) == []
    assert keeps_modes(tmp_path / "there-is-none"), "what cannot be tried counts as a usual file system"


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o707, 0o703])
def test_a_home_that_others_can_write_is_named_once_with_the_cure(
    tmp_path: Path, mode: int, caplog: pytest.LogCaptureFixture
) -> None:
    home = tmp_path / "open"
    home.mkdir()
    home.chmod(mode)
    for _ in range(2):
        load_settings({"ZOHO_PIPELINE_HOME": str(home)}).ensure_home()
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert f"chmod 700 {home}" in record.getMessage()
    assert f"{home}/zoho-pipeline" in record.getMessage()
    inner = load_settings({"ZOHO_PIPELINE_HOME": str(home / "zoho-pipeline")}).ensure_home()
    assert inner.stat().st_mode & 0o777 == 0o700
    assert len(caplog.records) == 1, "the second cure needs no chmod"


@pytest.mark.parametrize("mode", [0o700, 0o750, 0o755, 0o775, 0o2770])
def test_a_home_that_only_its_owner_and_a_group_can_write_is_no_risk(
    tmp_path: Path, mode: int, caplog: pytest.LogCaptureFixture
) -> None:
    """OpenShift runs a container as any user of group 0, and its volumes are writable for this group."""
    home = tmp_path / "closed"
    home.mkdir()
    home.chmod(mode)
    load_settings({"ZOHO_PIPELINE_HOME": str(home)}).ensure_home()
    assert caplog.records == []


def test_a_home_without_modes_is_taken(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tmp_path.chmod(0o777)
    warn_of_open_home(tmp_path, keeps_modes=lambda folder: False)
    assert caplog.records == []


@pytest.mark.parametrize(
    ("line", "mode", "warned"),
    [
        ("ZOHO_CLIENT_SECRET=s3cret", 0o644, True),
        ("ZOHO_CLIENT_SECRET_IN=s3cret", 0o604, True),
        ("ZOHO_PIPELINE_WAREHOUSE=postgresql://user:s3cret@host/db", 0o644, True),
        ("ZOHO_CLIENT_SECRET=s3cret", 0o640, False),
        ("ZOHO_CLIENT_SECRET=", 0o644, False),
        ("ZOHO_PIPELINE_LOG_LEVEL=INFO", 0o644, False),
        ("OTHER_TOOL_SECRET=s3cret", 0o644, False),
    ],
)
def test_an_env_file_with_secrets_that_others_can_read_is_named(
    tmp_path: Path, line: str, mode: int, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / ".env"
    path.write_text(line)
    path.chmod(mode)
    for _ in range(2):
        load_settings({}, path)
    assert len(caplog.records) == warned
    assert "s3cret" not in caplog.text
    assert not warned or f"chmod 600 {path}" in caplog.text


@pytest.mark.parametrize(
    ("write", "named"),
    [(lambda path: write_once(path, KEY), "link"), (lambda path: write_private(path, KEY.encode()), "replace")],
)
def test_a_power_failure_leaves_a_whole_key_or_none(tmp_path: Path, write: Callable[[Path], None], named: str) -> None:
    """The disk has the text before the name, and the name before the caller goes on."""
    called: list[str] = []

    def see(frame: FrameType, event: str, function: Any) -> None:
        if event == "c_call" and function in (os.fsync, os.link, os.replace):
            called.append(function.__name__)

    sys.setprofile(see)
    try:
        write(tmp_path / "secret.key")
    finally:
        sys.setprofile(None)
    assert called == ["fsync", named, "fsync"]
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("secret.key", KEY)]


def test_the_draft_of_a_killed_process_goes_with_the_next_write(tmp_path: Path) -> None:
    path, hour = tmp_path / "token", 3_600
    dead, alive, other = (tmp_path / name for name in (".token.71.0123abcd", ".token.72.0123abcd", ".token.71.txt"))
    for file, age in ((dead, 2 * hour), (alive, 0), (other, 2 * hour)):
        file.write_text("sealed")
        os.utime(file, (time.time() - age,) * 2)
    write_private(path, b"new")
    assert set(tmp_path.iterdir()) == {path, alive, other}
