"""Answers that mislead a client without an error: wrong Date headers, and bulk files that lack rows."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx
import pytest

from tests.simulator.api.test_bulk import create, download, poll
from tests.simulator.client import Api, leads
from tests.simulator.control.test_endpoints import order
from zoho_pipeline.simulator import Org, Simulator


def ahead(simulator: Simulator, answer: httpx.Response) -> float:
    """The seconds by which the Date of an answer is ahead of the clock."""
    shown = parsedate_to_datetime(answer.headers["date"])
    return (shown - simulator.clock.now().replace(microsecond=0)).total_seconds()


def test_the_date_header_differs_from_the_clock_until_it_is_corrected(api: Api, simulator: Simulator) -> None:
    simulator.clock.freeze("2026-01-01T00:00:00Z")
    order(simulator, "switches", date_offset=86_400)
    lead = order(simulator, "insert", module="Leads", values={"Last_Name": "stamped by the clock"})
    answer = api.get("/Leads", fields="id,Created_Time")
    assert ahead(simulator, answer) == 86_400
    (row,) = answer.json()["data"]
    assert row["id"] == lead
    assert datetime.fromisoformat(row["Created_Time"]) == datetime(2026, 1, 1, tzinfo=UTC)
    order(simulator, "switches", date_offset=-60.0)
    assert ahead(simulator, api.get("/org")) == -60
    order(simulator, "switches", date_offset=0)
    assert ahead(simulator, api.get("/org")) == 0


def test_one_answer_alone_carries_a_wrong_date_or_none(api: Api, simulator: Simulator) -> None:
    simulator.clock.freeze()
    order(simulator, "fault", n=1, kind="wrong_date", path="/org", after=1, seconds=-3_600)
    assert [ahead(simulator, api.get("/org")) for _ in range(3)] == [0, -3_600, 0]
    simulator.faults.next(1, "no_date", "/org")
    assert "date" not in api.get("/org").headers
    simulator.faults.next(1, "bad_date", "/org")
    assert api.get("/org").headers["date"] == "yesterday"
    assert ahead(simulator, api.get("/org")) == 0


@pytest.mark.parametrize(("kind", "held"), [("header", 0), ("half", 3), ("twice", 14)])
@pytest.mark.parametrize("lies", [False, True])
def test_a_bulk_file_lacks_rows_or_has_too_many(
    api: Api, org: Org, simulator: Simulator, kind: str, held: int, lies: bool
) -> None:
    org.insert_many("Leads", leads(7))
    order(simulator, "switches", bulk_file=kind, bulk_count_lies=lies)
    job = create(api, fields=["Last_Name"])
    finished = poll(api, job)
    header, rows = download(api, job)
    assert (finished["state"], header, len(rows)) == ("COMPLETED", ["Id", "Last_Name"], held)
    assert finished["result"]["count"] == (held if lies else 7)


def test_a_bulk_page_comes_a_second_time(api: Api, org: Org, simulator: Simulator) -> None:
    ids = org.insert_many("Leads", leads(6))
    simulator.switches.update(bulk_rows=3, bulk_file="repeated")
    first = create(api, fields=["Last_Name"])
    token = poll(api, first)["result"]["next_page_token"]
    answer = api.bulk({"page_token": token})
    second = answer.json()["data"][0]["details"]["id"]
    poll(api, second)
    assert [row["Id"] for row in download(api, first)[1]] == ids[:3]
    assert [row["Id"] for row in download(api, second)[1]] == ids[:3]
