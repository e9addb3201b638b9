"""Related lists, mails and counts."""

from collections.abc import Callable

import pytest

from tests.simulator.client import Api, code_of, leads
from zoho_pipeline.simulator import Org, Simulator, SimulatorError


@pytest.fixture
def lead(org: Org) -> str:
    return org.insert_many("Leads", leads(1))[0]


def test_notes_of_a_record(api: Api, org: Org, lead: str) -> None:
    assert api.get(f"/Leads/{lead}/Notes", fields="id").status_code == 204
    parent = {"module": {"api_name": "Leads"}, "id": lead}
    ids = [org.insert("Notes", {"Note_Content": f"n{n}", "Parent_Id": parent}) for n in range(3)]
    body = api.get(f"/Leads/{lead}/Notes", fields="Note_Content", per_page=2).json()
    assert [row["id"] for row in body["data"]] == ids[:0:-1]
    assert body["info"]["more_records"]
    rest = api.get(f"/Leads/{lead}/Notes", fields="Note_Content", per_page=2, page=2).json()
    assert [row["Note_Content"] for row in rest["data"]] == ["n0"]
    assert api.get(f"/Leads/{lead}/Notes", since="2100-01-01T00:00:00Z", fields="id").status_code == 304


def test_related_lists_need_fields_a_record_and_a_name(api: Api, lead: str) -> None:
    assert code_of(api.get(f"/Leads/{lead}/Notes")) == (400, "REQUIRED_PARAM_MISSING")
    assert code_of(api.get("/Leads/1/Notes", fields="id")) == (400, "INVALID_DATA")
    assert code_of(api.get(f"/Leads/{lead}/Nothing", fields="id")) == (400, "INVALID_DATA")


def test_activities_are_split_into_open_and_closed(api: Api, org: Org, simulator: Simulator, lead: str) -> None:
    simulator.clock.set("2026-03-01T00:00:00Z")
    api.token = api.mint()["access_token"]
    about = {"What_Id": lead, "$se_module": "Leads"}
    open_task = org.insert("Tasks", {"Subject": "a", "Status": "Not Started", **about})
    done_task = org.insert("Tasks", {"Subject": "b", "Status": "Completed", **about})
    planned = org.insert("Calls", {"Subject": "c", "Call_Type": "Outbound",
                                   "Call_Start_Time": "2026-04-01T00:00:00Z", **about})  # fmt: skip

    def ids(name: str) -> list[str]:
        answer = api.get(f"/Leads/{lead}/{name}", fields="Subject")
        return [row["id"] for row in answer.json()["data"]] if answer.status_code == 200 else []

    assert (ids("Tasks"), ids("Tasks_History")) == ([open_task], [done_task])
    assert (ids("Calls"), ids("Calls_History")) == ([planned], [])
    assert org.row("Tasks", done_task)["Closed_Time"] is not None


def test_stage_history_of_a_deal(api: Api, org: Org) -> None:
    deal = org.insert("Deals", {"Deal_Name": "D", "Stage": "Qualification"})
    org.update("Deals", deal, {"Stage": "Closed Won"})
    rows = api.get(f"/Deals/{deal}/Stage_History", fields="Stage,Moved_To__s").json()["data"]
    assert [(row["Stage"], row["Moved_To__s"]) for row in rows] == [
        ("Closed Won", None), ("Qualification", "Closed Won"),
    ]  # fmt: skip


def test_mails_come_ten_at_a_time_newest_first(api: Api, org: Org, lead: str) -> None:
    for n in range(12):
        org.add_email(
            lead, subject=f"m{n}", sent_time=1_767_571_200 + n, sent=n % 2 == 0, to=[{"email": "x@y.example"}]
        )
    body = api.get(f"/Leads/{lead}/Emails").json()
    assert [mail["subject"] for mail in body["Emails"]] == [f"m{n}" for n in range(11, 1, -1)]
    first = body["Emails"][0]
    assert (first["sent"], first["sent_time"], first["owner"]["id"]) == (
        False, "2026-01-05T05:30:11+05:30", org.admin.id,
    )  # fmt: skip
    assert first["from"]["email"] == org.admin.email
    assert body["info"]["more_records"]
    rest = api.get(f"/Leads/{lead}/Emails", index=body["info"]["next_index"]).json()
    assert [mail["subject"] for mail in rest["Emails"]] == ["m1", "m0"]
    assert (rest["info"]["more_records"], rest["info"]["next_index"]) == (False, None)


def test_mails_of_other_mailboxes_are_hidden_unless_shared(org: Org, lead: str, connect: Callable[..., Api]) -> None:
    user = org.add_user()
    org.add_email(lead, subject="private", shared=False)
    org.add_email(lead, subject="shared")
    org.add_email(lead, subject="own", user=user, shared=False)
    mails = connect(user).get(f"/Leads/{lead}/Emails").json()["Emails"]
    assert {mail["subject"] for mail in mails} == {"shared", "own"}


def test_mails_follow_a_conversion(api: Api, org: Org, lead: str) -> None:
    org.add_email(lead, subject="before")
    made = org.convert(lead)
    assert api.get(f"/Leads/{lead}/Emails").status_code == 204
    assert api.get(f"/Contacts/{made['Contacts']}/Emails").json()["Emails"][0]["subject"] == "before"


def test_counts_with_criteria_words_and_conversions(api: Api, org: Org) -> None:
    ids = org.insert_many("Leads", [row | {"City": "AB"[n % 2], "Email": f"{n}@x.example"}
                                    for n, row in enumerate(leads(6))])  # fmt: skip
    org.convert(ids[0])

    def count(**params: str) -> int:
        return int(api.get("/Leads/actions/count", **params).json()["count"])

    assert (count(), count(converted="true"), count(converted="both")) == (5, 1, 6)
    assert count(criteria="(City:equals:A)", converted="both") == 3
    assert count(criteria="((City:equals:A)and(Last_Name:starts_with:lead))", converted="both") == 3
    assert count(criteria="(((City:equals:A))or(City:in:B,C))", converted="both") == 6
    assert count(criteria=r"(City:equals:a\)b)") == 0
    assert (count(email="3@x.example"), count(word="00004"), count(phone="1")) == (1, 1, 0)
    before = org.credits_used
    count()
    assert org.credits_used - before == 50


@pytest.mark.parametrize(
    "criteria", ["City", "(City:equals:A", "(Nothing:equals:A)", "(City:equals:A)xor(id:equals:1)"]
)
def test_wrong_count_criteria(api: Api, criteria: str) -> None:
    assert code_of(api.get("/Leads/actions/count", criteria=criteria)) == (400, "INVALID_DATA")


def test_a_count_takes_one_way_to_choose(api: Api) -> None:
    answer = api.get("/Leads/actions/count", criteria="(City:equals:A)", word="x")
    assert code_of(answer) == (400, "AMBIGUITY_DURING_PROCESSING")


def test_unknown_users_of_mails_are_named(org: Org, lead: str) -> None:
    with pytest.raises(SimulatorError, match="unknown user nobody"):
        org.add_email(lead, user="nobody")
