"""The scopes of each family of calls, and what the profile and the sharing rules of a user allow."""

from collections.abc import Callable

import pytest

from tests.simulator.client import Api, code_of, leads
from zoho_pipeline.simulator import Org

MISMATCH = (401, "OAUTH_SCOPE_MISMATCH")


@pytest.mark.parametrize(
    ("path", "params", "enough"),
    [
        ("/Leads", {"fields": "id"}, "ZohoCRM.modules.READ"),
        ("/Leads", {"fields": "id"}, "ZohoCRM.modules.leads.READ"),
        ("/Leads", {"fields": "id"}, "zohocrm.modules.LEADS.all"),
        ("/Leads/deleted", {}, "ZohoCRM.modules.leads.ALL"),
        ("/DealHistory", {"fields": "id"}, "ZohoCRM.modules.deals.READ"),
        ("/users", {}, "ZohoCRM.users.READ"),
        ("/org", {}, "ZohoCRM.org.READ"),
        ("/settings/modules", {}, "ZohoCRM.settings.modules.READ"),
        ("/settings/fields", {"module": "Leads"}, "ZohoCRM.settings.ALL"),
        ("/settings/pipeline", {"layout_id": "1"}, "ZohoCRM.settings.pipeline.READ"),
        ("/settings/holidays", {}, "ZohoCRM.settings.business_hours.READ"),
        ("/Leads/actions/count", {}, "ZohoSearch.securesearch.READ ZohoCRM.modules.leads.READ"),
    ],
)
def test_each_family_needs_its_scope(
    connect: Callable[..., Api], path: str, params: dict[str, str], enough: str
) -> None:
    assert connect(scopes=enough).get(path, **params).status_code in (200, 204)
    for lacking in ("ZohoCRM.modules.tasks.READ", *enough.split()[1:]):
        assert code_of(connect(scopes=lacking).get(path, **params)) == MISMATCH


def test_queries_need_their_own_scope_and_the_modules(org: Org, connect: Callable[..., Api]) -> None:
    query, job = "select id from Leads where id != '1'", {"module": {"api_name": "Leads"}, "fields": ["City"]}
    both = connect(scopes="ZohoCRM.coql.READ ZohoCRM.bulk.READ ZohoCRM.modules.leads.READ")
    assert both.coql(query).status_code == 204
    assert both.bulk(job).status_code == 201
    for scopes in ("ZohoCRM.modules.ALL", "ZohoCRM.coql.READ ZohoCRM.bulk.READ"):
        lacking = connect(scopes=scopes)
        assert code_of(lacking.coql(query)) == code_of(lacking.bulk(job)) == MISMATCH
    other = connect(scopes="ZohoCRM.coql.READ ZohoCRM.bulk.READ ZohoCRM.modules.deals.READ")
    assert code_of(other.coql(query)) == code_of(other.bulk(job)) == MISMATCH


def test_notes_and_mails_of_a_record_need_their_scope_beside(org: Org, connect: Callable[..., Api]) -> None:
    (lead,) = org.insert_many("Leads", leads(1))
    org.insert("Notes", {"Note_Content": "n", "Parent_Id": {"id": lead, "module": "Leads"}})
    org.add_email(lead, subject="s")
    only = connect(scopes="ZohoCRM.modules.leads.READ")
    assert code_of(only.get(f"/Leads/{lead}/Notes", fields="id")) == MISMATCH
    assert code_of(only.get(f"/Leads/{lead}/Emails")) == MISMATCH
    assert code_of(connect(scopes="ZohoCRM.modules.ALL").get(f"/Leads/{lead}/Emails")) == MISMATCH
    more = connect(scopes="ZohoCRM.modules.leads.READ ZohoCRM.modules.notes.READ ZohoCRM.modules.emails.READ")
    assert more.get(f"/Leads/{lead}/Notes", fields="id").status_code == 200
    assert more.get(f"/Leads/{lead}/Emails").status_code == 200


def test_rows_a_user_may_not_see_are_absent_on_every_route(org: Org, connect: Callable[..., Api]) -> None:
    mine, others, hidden = org.insert_many("Leads", leads(3))
    user = org.add_user(first_name="Ravi")
    org.update("Leads", mine, {"Owner": user.id})
    api = connect(user)

    def seen() -> list[set[str]]:
        listed = {row["id"] for row in api.walk("Leads", fields="id")}
        answer = api.coql("select id from Leads where id != '1'")
        return [listed, {row["id"] for row in answer.json()["data"]}, {row["id"] for row in org.rows("Leads", user)}]

    assert seen() == [{mine, others, hidden}] * 3
    user.hide_rows("Leads", {hidden})
    assert seen() == [{mine, others}] * 3
    user.limit_rows("Leads", "own")
    assert seen() == [{mine}] * 3
    user.limit_rows("Leads", {others, hidden})
    assert seen() == [{others}] * 3
    user.show_rows("Leads", {hidden})
    assert seen() == [{others, hidden}] * 3
    assert code_of(api.get(f"/Leads/{mine}")) == (400, "INVALID_DATA")
    user.limit_rows("Leads", "none")
    assert api.get("/Leads", fields="id").status_code == 204
    user.limit_rows("Leads", "all")
    assert len(api.walk("Leads", fields="id")) == 3


def test_hidden_fields_are_gone_and_marked_in_the_metadata(org: Org, connect: Callable[..., Api]) -> None:
    org.insert("Leads", {"Last_Name": "R", "Email": "r@x.example"})
    user = org.add_user()
    user.hide_field("Leads", "Email")
    api = connect(user)
    assert "Email" not in api.get("/Leads", fields="Email,Last_Name").json()["data"][0]
    fields = {f["api_name"]: f for f in api.get("/settings/fields", module="Leads").json()["fields"]}
    assert not fields["Email"]["visible"]
    assert fields["Last_Name"]["visible"]
    assert code_of(api.coql("select Email from Leads where id != '1'")) == (400, "INVALID_QUERY")
    assert "Email" not in org.rows("Leads", user)[0]
    user.show_field("Leads", "Email")
    assert api.get("/Leads", fields="Email").json()["data"][0]["Email"] == "r@x.example"


def test_a_module_without_tab_or_view_permission(org: Org, connect: Callable[..., Api]) -> None:
    user = org.add_user()
    api = connect(user)
    user.hide_module("Leads")
    assert code_of(api.get("/Leads", fields="id")) == (400, "INVALID_MODULE")
    modules = {m["api_name"]: m for m in api.get("/settings/modules").json()["modules"]}
    assert not modules["Leads"]["viewable"]
    user.show_module("Leads")
    user.deny_module("Leads")
    denied = api.get("/Leads", fields="id")
    assert code_of(denied) == (403, "NO_PERMISSION")
    assert denied.json()["details"] == {"permissions": ["Crm_Implied_View_Leads"]}
    user.show_module("Leads")
    assert api.get("/Leads", fields="id").status_code == 204


def test_a_profile_without_api_access(org: Org, connect: Callable[..., Api]) -> None:
    user = org.add_user()
    api = connect(user)
    org.update_user(user, api_access=False)
    answer = api.get("/users")
    assert code_of(answer) == (403, "NO_PERMISSION")
    assert answer.json()["details"] == {"permissions": ["Crm_Implied_Api_Access"]}


def test_a_module_switched_off_for_the_org(org: Org, api: Api) -> None:
    org.remove_module("Campaigns")
    assert code_of(api.get("/Campaigns", fields="id")) == (400, "INVALID_MODULE")
    assert "Campaigns" not in [m["api_name"] for m in api.get("/settings/modules").json()["modules"]]
