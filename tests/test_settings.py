"""Settings: a bad value gives one message that names its variable, and secrets are not shown."""

import os
import stat
import threading
from pathlib import Path

import pytest

from zoho_pipeline.settings import Secret, SettingsError, load_settings
from zoho_pipeline.warehouse.duckdb_warehouse import DuckDBWarehouse
from zoho_pipeline.warehouse.warehouse import open_warehouse


def test_defaults_live_in_the_data_folder_of_the_working_folder() -> None:
    settings = load_settings({})
    assert settings.home == Path.cwd() / "data"
    assert settings.warehouse_url == f"duckdb:///{settings.home}/warehouse.duckdb"
    assert settings.registry_url == f"sqlite:///{settings.home}/registry.sqlite"
    assert settings.log_level == "INFO"
    assert not settings.home.exists(), "loading settings creates nothing"


def test_the_environment_wins_over_the_env_file(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("ZOHO_CLIENT_ID=from-file\nZOHO_PIPELINE_LOG_LEVEL=debug\n")
    settings = load_settings({"ZOHO_CLIENT_ID": "from-env"}, dotenv)
    assert settings.client_id == "from-env"
    assert settings.log_level == "DEBUG"


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("ZOHO_PIPELINE_WAREHOUSE", "mysql://host/db", "duckdb:///path or postgresql://"),
        ("ZOHO_PIPELINE_WAREHOUSE", "warehouse.duckdb", "duckdb:///path"),
        ("ZOHO_PIPELINE_REGISTRY", "duckdb:///x", "sqlite:///path or postgresql://"),
        ("ZOHO_PIPELINE_LOG_LEVEL", "LOUD", "DEBUG, INFO, WARNING"),
        ("ZOHO_PIPELINE_DATA_CENTERS", "[1]", "JSON object"),
        ("ZOHO_PIPELINE_DATA_CENTERS", "{", "not JSON"),
        ("ZOHO_PIPELINE_DATA_CENTERS", "[" * 100_000, "not JSON"),
        ("ZOHO_PIPELINE_SECRET_KEY", "\udcff" * 40, "not UTF-8"),
        ("ZOHO_CLIENT_ID", "1000.\udce9", "not UTF-8"),
        ("ZOHO_CLIENT_SECRET", "secret\udcff", "not UTF-8"),
        ("ZOHO_CLIENT_SECRET_IN", "secret\udcff", "not UTF-8"),
        ("ZOHO_PIPELINE_DATA_CENTERS", '{"x": "http://example.com"}', "loopback only"),
        ("ZOHO_PIPELINE_DATA_CENTERS", '{"x": "https://example.com/path"}', "without a path"),
        ("ZOHO_PIPELINE_DATA_CENTERS", '{"x": "https://user:pw@example.com"}', "without a path"),
        ("ZOHO_PIPELINE_DATA_CENTERS", '{"x": "https://example.com:port"}', "https://host"),
        ("ZOHO_PIPELINE_SECRET_KEY", "short", "token_urlsafe"),
        ("ZOHO_PIPELINE_SYNC_LAG", "soon", "a number from 0 to 300"),
        ("ZOHO_PIPELINE_SYNC_LAG", "nan", "a number from 0 to 300"),
        ("ZOHO_PIPELINE_CREDIT_BUDGET", "80", "a number from 0 to 1"),
        ("ZOHO_PIPELINE_TRANSFORM_MEMORY", "2", "a size from 500MB to 1000GB, such as 2GB"),
        ("ZOHO_PIPELINE_TRANSFORM_MEMORY", "100MB", "a size from 500MB to 1000GB, such as 2GB"),
        ("ZOHO_PIPELINE_TRANSFORM_MEMORY", "-2GB", "a size from 500MB to 1000GB, such as 2GB"),
        ("ZOHO_PIPELINE_TRANSFORM_MEMORY", "2000GB", "a size from 500MB to 1000GB, such as 2GB"),
        ("ZOHO_PIPELINE_ENVIRONMENT", "staging", "production, sandbox, developer"),
        ("ZOHO_PIPELINE_SCHEDULE_TIMEZONE", "Mars/Base", "IANA"),
        ("ZOHO_PIPELINE_DAGSTER_OWNERS", "ana@example.com, data-team", "team:NAME"),
    ],
)
def test_a_bad_value_is_named_with_what_it_takes(name: str, value: str, hint: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({name: value})
    assert name in str(caught.value)
    assert hint in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("given", "memory"), [("", 2_000_000_000), ("1500MB", 1_500_000_000), (" 0.5 gb ", 500_000_000)]
)
def test_the_memory_of_a_transform_reaches_the_warehouse(given: str, memory: int) -> None:
    settings = load_settings({"ZOHO_PIPELINE_TRANSFORM_MEMORY": given})
    warehouse = open_warehouse(settings)
    assert isinstance(warehouse, DuckDBWarehouse)
    assert (settings.transform_memory, warehouse.transform_memory) == (memory, memory)


def test_secrets_of_any_script_are_compared() -> None:
    assert Secret("clé" * 20) == Secret("clé" * 20)
    assert Secret("clé" * 20) != Secret("cle" * 20)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9000", "http://localhost:1", "http://[::1]:9", "https://zoho.example"]
)
def test_added_data_centres_take_https_or_loopback(url: str) -> None:
    assert load_settings({"ZOHO_PIPELINE_DATA_CENTERS": f'{{"Sim": "{url}/"}}'}).data_centers == {"sim": url}


def test_a_data_centre_may_have_a_secret_of_its_own() -> None:
    settings = load_settings({"ZOHO_CLIENT_ID": "id", "ZOHO_CLIENT_SECRET": "all", "ZOHO_CLIENT_SECRET_IN": "india"})
    assert settings.require_client("in") == ("id", Secret("india"))
    assert settings.require_client("eu") == ("id", Secret("all"))


def test_a_missing_client_is_named_only_when_it_is_needed() -> None:
    with pytest.raises(SettingsError, match="ZOHO_CLIENT_ID"):
        load_settings({}).require_client("in")
    with pytest.raises(SettingsError, match="ZOHO_CLIENT_SECRET_IN"):
        load_settings({"ZOHO_CLIENT_ID": "id"}).require_client("in")


def test_no_secret_shows_in_the_settings() -> None:
    settings = load_settings(
        {
            "ZOHO_CLIENT_SECRET": "s3cret-client",
            "ZOHO_CLIENT_SECRET_IN": "s3cret-india",
            "ZOHO_PIPELINE_SECRET_KEY": "s3cret-" + "k" * 40,
            "ZOHO_PIPELINE_WAREHOUSE": "postgresql://me:s3cret-pw@host/db",
            "ZOHO_PIPELINE_FAILURE_WEBHOOK": "https://hooks.example/s3cret-hook",
        }
    )
    assert "s3cret" not in f"{settings!r} {settings.client_secret} {settings.client_secret:>20}"


def test_the_encryption_key_is_made_once_and_is_its_owners_alone(home: Path) -> None:
    made: list[tuple[Secret, ...]] = []
    barrier = threading.Barrier(8)

    def read() -> None:
        settings = load_settings({"ZOHO_PIPELINE_HOME": str(home)})
        barrier.wait()
        made.append(settings.secret_keys)

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 8
    assert len(set(made)) == 1, "eight processes at the same time use one key"
    assert stat.S_IMODE((home / "secret.key").stat().st_mode) == 0o600
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert os.listdir(home) == ["secret.key"], "no temporary file is left behind"


def test_several_keys_are_newest_first() -> None:
    new, old = "n" * 32, "o" * 32
    assert load_settings({"ZOHO_PIPELINE_SECRET_KEY": f"{new},{old}"}).secret_keys == (Secret(new), Secret(old))


def test_a_home_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    settings = load_settings({"ZOHO_PIPELINE_HOME": str(tmp_path / "file" / "home")})
    with pytest.raises(Exception, match="ZOHO_PIPELINE_HOME"):
        settings.ensure_home()


@pytest.mark.parametrize("name", ["none", "NONE", "a" * 64, "a\0b"])
def test_the_role_of_queries_is_a_role(name: str) -> None:
    with pytest.raises(SettingsError, match="ZOHO_PIPELINE_SQL_ROLE"):
        load_settings({"ZOHO_PIPELINE_SQL_ROLE": name})
    assert load_settings({"ZOHO_PIPELINE_SQL_ROLE": " zoho reader "}).sql_role == "zoho reader"
    assert load_settings({}).sql_role is None


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("ZOHO_PIPELINE_WAREHUOSE", "ZOHO_PIPELINE_WAREHOUSE"),
        ("ZOHO_PIPELINE_HOMES", "ZOHO_PIPELINE_HOME"),
        ("ZOHO_PIPELINE_X", "ZOHO_PIPELINE_"),
        ("zoho_pipeline_home", "ZOHO_PIPELINE_HOME"),
        ("ZOHO_PIPLINE_HOME", "ZOHO_PIPELINE_HOME"),
        ("ZOHO_CLIENT_SECERT", "ZOHO_CLIENT_SECRET"),
        ("ZOHO_CLEINT_ID", "ZOHO_CLIENT_ID"),
    ],
)
def test_a_misspelt_variable_is_named_with_the_nearest(name: str, meant: str, tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text(f"{name}=\n")
    for given in ({"env": {name: "x"}}, {"env": {}, "dotenv": dotenv}):
        with pytest.raises(SettingsError, match=f"{name} is not a setting; did you mean {meant}") as caught:
            load_settings(**given)  # type: ignore[arg-type]
        assert caught.value.exit_code == 2


def test_names_of_others_are_left_alone() -> None:
    others = ("ZOHO_CLIENT_SECRET_IN", "ZOHO_LIVE_CLIENT_ID", "ZOHO_API_KEY", "ZOHOBOOKS_ORG", "ZOHO_DESK_CLIENT_ID")
    assert load_settings(dict.fromkeys((*others, "ZOHO_PIPELINE_CODE_PORT", "PATH"), "4266")).client_id is None
