from collections.abc import Callable

import pytest

from zoho_pipeline.settings import Settings, load_settings


@pytest.fixture(params=["sqlite", "postgres"])
def settings(request: pytest.FixtureRequest, settings_env: Callable[..., dict[str, str]]) -> Settings:
    """Settings whose registry has no tables yet: a SQLite file in HOME, and then a Postgres."""
    if request.param == "sqlite":
        return load_settings(settings_env())
    return load_settings(settings_env(ZOHO_PIPELINE_REGISTRY=request.getfixturevalue("postgres_url")))
