"""The published world, and settings with a client at Zoho."""

from pathlib import Path

import pytest

from tests.web.world import channels, world
from zoho_pipeline.settings import Settings, load_settings

__all__ = ["channels", "world"]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    env = {"ZOHO_PIPELINE_HOME": str(tmp_path / "home"), "ZOHO_CLIENT_ID": "1000.C", "ZOHO_CLIENT_SECRET": "s"}
    return load_settings(env, dotenv=tmp_path / "no.env")
