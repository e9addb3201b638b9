"""Snapshot files: what is saved comes back, and nothing else is accepted."""

import os
import stat
from pathlib import Path

import pytest

from tests.simulator.client import ALL_SCOPES, CLIENT, Api, leads
from zoho_pipeline.simulator import Simulator, SimulatorError


def test_a_saved_simulator_comes_back_whole(simulator: Simulator, tmp_path: Path) -> None:
    org = simulator.add_org(name="Acme", multi_currency=True)
    user = org.add_user(first_name="Ravi")
    user.hide_field("Leads", "Fax")
    user.limit_rows("Leads", "own")
    org.add_custom_field("Leads", "utm", "UTM", picks=["a"])
    org.enable_status_history()
    ids = org.insert_many("Leads", [row | {"utm": "a", "Lead_Status": "Contacted", "Tag": ["x"]} for row in leads(5)])
    made = org.convert(ids[0], deal={"Amount": 3, "Currency": "USD"})
    org.insert("Notes", {"Note_Content": "n", "Parent_Id": {"id": ids[1], "module": "Leads"}})
    org.add_email(ids[1], subject="mail")
    org.delete("Leads", ids[2])
    org.delete("Leads", ids[3], permanent=True)
    api = Api(simulator, org.grant(CLIENT["client_id"], CLIENT["client_secret"], ALL_SCOPES))
    api.get("/org")
    simulator.clock.freeze("2100-06-01T00:00:00Z")
    simulator.switches.bulk_rows = 77
    path = tmp_path / "deep" / "zoho.state"
    simulator.control.save(path=str(path))
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    with Simulator.start(state=path) as again:
        (copy,) = again.orgs
        for module in org.modules:
            assert copy.rows(module) == org.rows(module)
        assert copy.rows("Leads", user.id) == []
        assert (again.clock.epoch(), again.switches.bulk_rows) == (simulator.clock.epoch(), 77)
        assert copy.credits_used == org.credits_used == 0  # the clock had been moved by years
        revived = Api(again, api.refresh_token)
        assert len(revived.walk("Leads", fields="id", converted="both")) == 3
        assert revived.get(f"/Leads/{ids[1]}/Emails").json()["Emails"][0]["subject"] == "mail"
        copy.restore("Leads", ids[2])
        copy.update("Deals", str(made["Deals"]), {"Stage": "Closed Won"})
        assert len(copy.rows("DealHistory")) == 2
        assert copy.insert("Leads", {"Last_Name": "new"}) not in ids
        revived.http.close()
    api.http.close()


def test_a_missing_state_is_an_empty_simulator_and_a_foreign_one_is_refused(tmp_path: Path) -> None:
    with Simulator.start(state=tmp_path / "none") as sim:
        assert sim.orgs == []
    for text in ("not json", '{"kind": "other"}', '{"kind": "head", "format": 99}'):
        (tmp_path / "bad").write_text(text)
        with pytest.raises(SimulatorError, match="line 1: this is not a snapshot"):
            Simulator.start(state=tmp_path / "bad")
