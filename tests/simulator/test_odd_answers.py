"""What the simulator sends when a test orders odd values, odd headers, damaged files, or an answer without end."""

import io
import zipfile
import zlib

import httpx
import pytest

from tests.simulator.api.test_bulk import create, poll
from tests.simulator.client import Api
from tests.simulator.control.test_endpoints import order
from zoho_pipeline.simulator import Org, Simulator
from zoho_pipeline.simulator.api.bulk_files import DAMAGES
from zoho_pipeline.simulator.faults import gzip_bomb


def test_a_garbled_value_shows_in_every_answer_and_leaves_the_stored_value(api: Api, org: Org) -> None:
    lead = org.insert("Leads", {"Last_Name": "L", "Company": "C"})
    org.garble("Leads", lead, "Company", b'"\xff"')
    shown = b'"Company":"\xff"'
    assert shown in api.get("/Leads", fields="id,Company").content.replace(b" ", b"")
    assert shown in api.get(f"/Leads/{lead}").content.replace(b" ", b"")
    assert org.row("Leads", lead)["Company"] == "C"
    org.garble("Leads", lead, "Company", None)
    assert api.get(f"/Leads/{lead}").json()["data"][0]["Company"] == "C"


def test_a_header_and_a_body_that_a_test_orders(api: Api, simulator: Simulator) -> None:
    simulator.faults.next(1, "header", "/users", text="X-API-CREDITS-REMAINING: ²")
    assert api.get("/users").headers["x-api-credits-remaining"] == "²"
    simulator.faults.next(1, "body", "/users", text='{"users": "\udcff"}')
    assert api.get("/users").content == b'{"users": "\xff"}'


def test_a_bomb_is_small_and_unpacks_to_gigabytes() -> None:
    bomb = gzip_bomb()
    assert len(bomb) < 4 << 20
    unpack = zlib.decompressobj(zlib.MAX_WBITS | 16)
    assert len(unpack.decompress(bomb[: len(bomb) // 100])) > 20 << 20
    assert not unpack.eof


def test_a_body_without_end_goes_on_until_the_client_leaves(api: Api, simulator: Simulator) -> None:
    simulator.faults.next(1, "endless", "/users")
    with httpx.stream("GET", f"{simulator.url}/crm/v7/users", headers=api.headers) as answer:
        read = 0
        for part in answer.iter_raw():
            read += len(part)
            if read > 4 << 20:
                break
    assert read > 4 << 20


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_damaged(api: Api, org: Org, simulator: Simulator, damage: str) -> None:
    org.insert_many("Leads", [{"Last_Name": f"L{n}", "Company": "C"} for n in range(9)])
    order(simulator, "switches", bulk_damage=damage)
    job = create(api, module={"api_name": "Leads"}, fields=["Last_Name", "Company"])
    poll(api, job)
    body = api.get(f"/crm/bulk/v7/read/{job}/result").content
    order(simulator, "switches", bulk_damage="")
    other = create(api, module={"api_name": "Leads"}, fields=["Last_Name", "Company"])
    poll(api, other)
    good = api.get(f"/crm/bulk/v7/read/{other}/result").content
    with zipfile.ZipFile(io.BytesIO(good)) as archive:
        (name,) = archive.namelist()
        assert archive.read(name).count(b"\n") == 10
    assert body != good
