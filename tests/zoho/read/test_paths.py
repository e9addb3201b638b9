"""Ids and names of modules come from answers and go into paths: nothing else than an id or a name may get there."""

import pytest

from zoho_pipeline.zoho.errors import ModuleMissing, NotFound
from zoho_pipeline.zoho.read.pages import module_path, record_id

BAD = ["", "..", "../org", "1/2", "1?x=1", "1#x", "1%2f2", "1 2", "1\n", "https://evil.example", "1;2"]


@pytest.mark.parametrize("text", [*BAD, "\u0661"])  # a digit of another script
def test_what_is_no_id_reaches_no_path(text: str) -> None:
    with pytest.raises(NotFound):
        record_id(text)


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_module_reaches_no_path(text: str) -> None:
    with pytest.raises(ModuleMissing):
        module_path(text)


def test_ids_and_names_pass() -> None:
    assert record_id("4876876000000300001") == "4876876000000300001"
    assert module_path("Leads", "actions", "count").endswith("/Leads/actions/count")
