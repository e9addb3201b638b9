"""Normal texts and URLs: examples, properties, and the tables that both engines make of them."""

import unicodedata
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transform.dictionaries.examples import EXAMPLES, results
from zoho_pipeline.transform.dictionaries import hosts, text, times, urls
from zoho_pipeline.transform.dictionaries.dictionary import DICTIONARIES
from zoho_pipeline.transform.dictionaries.text import normal_text, plain_value, shown_text, url_decoded, words
from zoho_pipeline.transform.dictionaries.urls import read_url
from zoho_pipeline.transform.errors import ProjectError
from zoho_pipeline.transform.project.project import Project
from zoho_pipeline.transform.run.dictionary_tables import create_dictionary
from zoho_pipeline.warehouse.connection import TEXTS_PER_LIST
from zoho_pipeline.warehouse.warehouse import Warehouse

FUNCTIONS = {
    name: getattr(module, name) for module in (text, urls, hosts, times) for name in EXAMPLES if hasattr(module, name)
}
BLANKS = [" ", "\t", "\r\n", "\u00a0", "\u2003", "\u200b", "\ufeff", "\u2060"]
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
LETTERS = st.text(st.characters(categories=["L", "N"], max_codepoint=0x24F), min_size=1)


@pytest.mark.parametrize("function", EXAMPLES)
def test_examples(function: str) -> None:
    for (given_text, expected), got in zip(EXAMPLES[function], results(function, FUNCTIONS), strict=True):
        assert got == expected, (function, given_text)


@given(TEXTS)
def test_a_normal_text_is_its_own(value: str) -> None:
    assert normal_text(normal_text(value)) == normal_text(value)
    assert normal_text(shown_text(value)) == normal_text(value)
    assert (normal_text(value) == "") == (shown_text(value) == "")


@given(TEXTS, st.lists(st.sampled_from(BLANKS)), st.lists(st.sampled_from(BLANKS)))
def test_blanks_at_the_ends_and_compositions_make_no_difference(
    value: str, before: list[str], after: list[str]
) -> None:
    for form in ("NFC", "NFD"):
        spelt = "".join([*before, unicodedata.normalize(form, value), *after])
        assert normal_text(spelt) == normal_text(value)


@given(LETTERS)
def test_case_makes_no_difference(value: str) -> None:
    assert normal_text(value.casefold()) == normal_text(value)
    assert normal_text(value.lower()) == normal_text(value) or "İ" in value


@given(TEXTS)
def test_words_stand_between_single_blanks(value: str) -> None:
    found = words(value)
    assert found == "" or found == f" {' '.join(found.split())} "


@given(TEXTS)
def test_escaping_makes_no_difference(value: str) -> None:
    plain = value.replace("%", "").replace("\0", "")
    assert url_decoded(quote(plain, safe="")) == plain
    assert url_decoded(quote(quote(plain, safe=""), safe="")) == plain


@given(TEXTS)
def test_any_text_can_be_read(value: str) -> None:
    found = read_url(value)
    assert "\0" not in read_url(value.replace("\0", "%00")).page
    assert bool(found.host) == bool(found.page)
    assert not found.page.endswith("/")
    for dictionary in (dictionary for name, dictionary in DICTIONARIES.items() if not name.startswith("zone_")):
        for row in dictionary.rows([value]):
            assert len(row) == 1 + len(dictionary.columns)
            assert row[0] == value
            assert "" not in row[1:]


@given(st.text("abc./-", min_size=1), TEXTS)
def test_a_page_has_one_name(host: str, path: str) -> None:
    path = path.translate(dict.fromkeys(map(ord, "?#%&;\0/\\"))).strip()
    host = f"x{host.replace('/', '').strip('.').replace('..', '.')}.com"
    bare = read_url(f"{host}/{quote(path)}")
    for url in (f"http://www.{host.upper()}:80/{quote(path)}/", f"https://{host}.:443/{quote(path)}?a=1#b"):
        assert read_url(url) == bare
    assert read_url(f"//{host}/x{path}x").page == read_url(f"{host}/{quote(f'x{path}x')}").page


def test_a_field_without_json_is_itself() -> None:
    assert [plain_value(value) for value in ("[", "{}", "[1", '{"x":"]"}')] == ["[", "{}", "[1", '{"x":"]"}']


def test_the_seed_of_sources_is_in_normal_form() -> None:
    lines = (Project.load().root / "seeds" / "seed_lead_source_map.csv").read_text(encoding="utf-8").splitlines()[1:]
    assert [line for line in lines if normal_text(line.split(",")[0]) != line.split(",")[0]] == []


def test_both_engines_hold_the_same_bytes(warehouse: Warehouse) -> None:
    values = ["a\\b", "tab\tend\n", "\r", "\\N", "quo'te\"", " É ", "x" * 20_000, "\\", "-- ?", "%s"]
    model = Project.load().models["int_normal_texts"]
    rows = "select ? as value union all " * len(values) + "select cast(null as varchar)"
    with warehouse.connect(read_only=False) as connection:
        connection.execute(f"create temporary table given as {rows}", values)
        made = create_dictionary(connection, model, "temporary table int_normal_texts", "select value from given")
        found = {row[0]: row[1:] for row in connection.fetch("select * from int_normal_texts")[1]}
    assert made == len(values)
    assert found == {v: (shown_text(v) or None, normal_text(v) or None) for v in values}


def test_a_dictionary_is_made_in_lists(warehouse: Warehouse) -> None:
    """More values than one list has, so that the second list follows the first one."""
    model = Project.load().models["int_subject_words"]
    series = "range" if warehouse.dialect == "duckdb" else "generate_series"
    bounds = f"0, {TEXTS_PER_LIST + 5}" if warehouse.dialect == "duckdb" else f"0, {TEXTS_PER_LIST + 4}"
    with warehouse.connect(read_only=False) as connection:
        select = f"select 'Call ' || cast(n as varchar) as value from {series}({bounds}) as s(n)"
        assert create_dictionary(connection, model, "temporary table int_subject_words", select) == TEXTS_PER_LIST + 5
        counted = "select count(*), count(distinct words) from int_subject_words"
        assert connection.fetch(counted)[1] == [(TEXTS_PER_LIST + 5, TEXTS_PER_LIST + 5)]


def _project(root: Path, meta: str, select: str) -> Project:
    (root / "intermediate").mkdir()
    (root / "intermediate" / "names.sql").write_text(select)
    (root / "intermediate" / "names.yml").write_text(
        f"models: [{{name: names, config: {{meta: {{dictionary: {meta}}}}}}}]"
    )
    return Project.load(root)


def test_a_wrong_dictionary_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="unknown dictionary 'texts'; known are normal_text"):
        _project(tmp_path, "texts", "select 'a' as value")


def test_a_dictionary_selects_one_column(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="selects the one column value"):
        _project(tmp_path, "url", "select 'a' as name")
