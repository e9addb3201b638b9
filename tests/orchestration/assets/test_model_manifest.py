"""The manifest of the SQL project: built once, then read from its file."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from zoho_pipeline.orchestration.assets.model_manifest import load_model_manifest
from zoho_pipeline.settings import Settings, load_settings


@pytest.fixture
def settings(settings_env: Callable[..., dict[str, str]]) -> Settings:
    return load_settings(settings_env())


def manifest_file(settings: Settings) -> Path:
    (path,) = (settings.home / "dagster").glob("models-*.json")
    return path


def test_the_manifest_read_from_its_file_equals_the_one_that_was_built(settings: Settings) -> None:
    built = load_model_manifest(settings)
    assert "channel_insight" in built.models
    path = manifest_file(settings)
    written = json.loads(path.read_text())
    assert load_model_manifest(settings) == built
    written["fingerprint"] = "read from the file"
    path.write_text(json.dumps(written))
    assert load_model_manifest(settings).fingerprint == "read from the file"


def test_a_broken_manifest_file_is_written_again(settings: Settings) -> None:
    built = load_model_manifest(settings)
    path = manifest_file(settings)
    path.write_text("{")
    assert load_model_manifest(settings) == built
    assert json.loads(path.read_text())["fingerprint"] == built.fingerprint
