"""A new submission of a form rebuilds its channel, and is published with what it changes. So does a forgotten one."""

from datetime import timedelta
from typing import Any

import pytest

from tests.transform.test_shipped import NOON, company, fill
from zoho_pipeline.reading import published
from zoho_pipeline.transform.run.transform import transform
from zoho_pipeline.warehouse.warehouse import Warehouse

LEAD = NOON - timedelta(hours=1)
"""The creation of the newest lead of the channel `tea`, l0."""


def rows(warehouse: Warehouse, query: str) -> list[tuple[Any, ...]]:
    with published.connect(warehouse) as connection:
        return list(connection.fetch(query)[1])


@pytest.mark.long
@pytest.mark.parametrize("warehouse", ["duckdb", "postgres"], indirect=True)
def test_a_new_submission_rebuilds_its_channel_and_a_forgotten_one_too(warehouse: Warehouse) -> None:
    company(warehouse)
    fill(warehouse, "person_keys", [{"channel_id": "tea", "module": "Leads", "id": "l0", "kind": "email", "key": "k"}])
    fill(warehouse, "form_submissions", [])
    transform(warehouse, build_at=NOON).require_complete()
    captured = "select zoho_lead_id from lead where captured_by = 'landing_page'"
    basis = "select touch_input_basis, utm_source from lead_source_attribution where zoho_lead_id = 'l0'"
    forms = "select submission_id, zoho_lead_id, relation from form_submission"
    assert (rows(warehouse, captured), rows(warehouse, basis), rows(warehouse, forms)) == ([], [("zoho", None)], [])

    sent = LEAD - timedelta(hours=1)
    submission = {"channel_id": "tea", "submission_id": "s", "submitted_at": sent, "received_at": sent}
    fill(warehouse, "form_submissions", [submission | {"email_key": "k", "utm_source": "blog", "is_suspect": False}])
    report = transform(warehouse, build_at=NOON)
    report.require_complete()
    assert (report.channels, report.unchanged, report.published) == (("tea",), ("new",), True)
    assert rows(warehouse, captured) == [("l0",)]
    assert rows(warehouse, basis) == [("form", "blog")]
    assert rows(warehouse, forms) == [("s", "l0", "creating")]
    assert not transform(warehouse, build_at=NOON).published

    with warehouse.connect(read_only=False) as connection:
        connection.execute("delete from zoho_raw.form_submissions")
    report = transform(warehouse, build_at=NOON)
    report.require_complete()
    assert report.channels == ("tea",)
    assert (rows(warehouse, captured), rows(warehouse, basis), rows(warehouse, forms)) == ([], [("zoho", None)], [])


@pytest.mark.parametrize("warehouse", ["duckdb", "postgres"], indirect=True)
@pytest.mark.long
def test_a_new_key_of_a_lead_rebuilds_its_channel(warehouse: Warehouse) -> None:
    """A lead that was typed in later finds the form that was sent before."""
    company(warehouse)
    submission = {"channel_id": "tea", "submission_id": "s", "submitted_at": LEAD, "received_at": LEAD}
    fill(warehouse, "form_submissions", [submission | {"phone_key": "p"}])
    transform(warehouse, build_at=NOON).require_complete()
    relation = "select relation, matched_by from form_submission"
    assert rows(warehouse, relation) == [("none", None)]
    fill(warehouse, "person_keys", [{"channel_id": "tea", "module": "Leads", "id": "l0", "kind": "mobile", "key": "p"}])
    assert transform(warehouse, build_at=NOON).channels == ("tea",)
    assert rows(warehouse, relation) == [("creating", "phone")]
