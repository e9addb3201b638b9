"""Paths in settings: URLs give the same path back, and what cannot work is refused before anything is written."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from zoho_pipeline.channels.database.database import Database
from zoho_pipeline.local_paths import duckdb_path, expanded, require_usable, sqlite_path, sqlite_url
from zoho_pipeline.settings import Settings, SettingsError, load_settings

names = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/\0"), min_size=1, max_size=60)
ODD = ["o'brien", 'a"b', "a b", "#", "{x}", "{0}", "[ab]", "*", "$HOME", "a;b", "-dash", "né ü 数", "a=1", ":memory:"]


@given(st.lists(names.filter(lambda name: name not in (".", "..")), min_size=1, max_size=4))
def test_a_url_gives_its_path_back(parts: list[str]) -> None:
    path = Path("/").joinpath(*parts)
    assert sqlite_path(sqlite_url(path)) == path
    assert duckdb_path(f"duckdb:///{path}") == path


@pytest.mark.parametrize("name", [*ODD, "what?", "100%", "%20", "a?b%3F"])
def test_a_registry_file_of_any_name(tmp_path: Path, name: str) -> None:
    file = tmp_path / name / f"{name}.sqlite"
    settings = Settings(home=tmp_path / "home", warehouse_url="", registry_url=sqlite_url(file))
    with Database(settings).write() as connection:
        connection.execute(text("create table t (a integer)"))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [file]


@pytest.mark.parametrize("name", ODD)
def test_a_home_of_any_name_is_taken_as_it_stands(name: str) -> None:
    settings = load_settings({"ZOHO_PIPELINE_HOME": name})
    assert settings.home == Path.cwd() / name
    assert sqlite_path(settings.registry_url) == settings.home / "registry.sqlite"
    assert duckdb_path(settings.warehouse_url) == settings.home / "warehouse.duckdb"


REFUSED = {
    "a\nb": "control character",
    "a\tb": "control character",
    "\x7f": "control character",
    "C:\\data": "the character \\",
    "what?": "the character ?",
    "\udce9": "not UTF-8",
    "n" * 256: "too long",
    "é" * 128: "too long",
    "y/" * 300: "bytes",
    "~no-such-user/x": "no such user",
}


CASES = [
    (setting, name, said)
    for name, said in {**REFUSED, "100%": "the character %"}.items()
    for setting in ("HOME", "WAREHOUSE", "PUBLISHED", "REGISTRY")
    if (setting, name) != ("REGISTRY", "C:\\data")  # SQLite takes it
    if setting == "HOME" or name != "100%"  # only dlt, which works in HOME, cannot use it
]


@pytest.mark.parametrize(("setting", "name", "said"), CASES)
def test_a_path_that_cannot_work_is_refused_before_anything_is_written(setting: str, name: str, said: str) -> None:
    url = {"WAREHOUSE": "duckdb:///", "REGISTRY": "sqlite:///"}.get(setting, "")
    name = name * 7 if name.startswith("y/") else name
    said = "%3F" if (setting, name) == ("REGISTRY", "what?") else said
    with pytest.raises(SettingsError, match=f"^ZOHO_PIPELINE_{setting} ") as caught:
        load_settings({f"ZOHO_PIPELINE_{setting}": f"{url}{name}"})
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert os.listdir() == []


def test_the_name_of_a_file_leaves_room_for_the_files_beside_it() -> None:
    require_usable(Path("/", "n" * 215), "duckdb")
    with pytest.raises(ValueError, match="a file 215"):
        require_usable(Path("/", "n" * 216), "duckdb")
    require_usable(Path("/", "n" * 255), "home")


@pytest.mark.parametrize(
    "url", ["sqlite:////srv/what?/r.sqlite", "sqlite:////srv/r?x=1", "sqlite:////srv/r?", "sqlite:///?"]
)
def test_a_question_mark_that_begins_no_option_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match=r"ZOHO_PIPELINE_REGISTRY .*(%3F|names a database)"):
        load_settings({"ZOHO_PIPELINE_REGISTRY": url})


@pytest.mark.parametrize("name", ["zoho_raw", "Marts", "zoho_raw_staging"])
def test_a_warehouse_with_the_name_of_a_schema_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match=f"ZOHO_PIPELINE_WAREHOUSE .*{name.lower()}.*another name"):
        load_settings({"ZOHO_PIPELINE_WAREHOUSE": f"duckdb:///data/{name}.duckdb"})


def test_options_of_the_driver_stay() -> None:
    assert sqlite_path("sqlite:////srv/a%20b.sqlite?timeout=5") == Path("/srv/a b.sqlite")


def test_a_tilde_is_the_home_of_a_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/somewhere")
    assert expanded("~/x") == Path("/somewhere/x")
    assert expanded("./~x") == Path.cwd() / "~x"
