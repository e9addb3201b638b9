"""What a grant covers, and which needed scopes it lacks."""

import pytest

from zoho_pipeline.zoho.accounts import scopes

ALL_NEEDS_OF_A_SYNC = (
    "records", "deleted", "notes", "coql", "bulk", "users", "org", "modules", "fields", "layouts", "pipeline",
    "business_hours", "holidays",
)  # fmt: skip


@pytest.mark.parametrize(
    ("granted", "wanted", "covered"),
    [
        ("ZohoCRM.modules.ALL", "ZohoCRM.modules.READ", True),
        ("ZohoCRM.modules.READ", "ZohoCRM.modules.leads.READ", True),
        ("ZohoCRM.modules.ALL", "ZohoCRM.modules.leads.READ", True),
        ("zohocrm.modules.leads.all", "ZohoCRM.modules.leads.READ", True),
        ("ZohoCRM.modules.leads.READ", "ZohoCRM.modules.READ", False),
        ("ZohoCRM.modules.leads.READ", "ZohoCRM.modules.deals.READ", False),
        ("ZohoCRM.modules.leads.UPDATE", "ZohoCRM.modules.leads.READ", False),
        ("ZohoCRM.modules.WRITE", "ZohoCRM.modules.READ", False),
        ("ZohoCRM.modules.WRITE", "ZohoCRM.modules.leads.UPDATE", True),
        ("ZohoCRM.modules.READ", "ZohoCRM.modules.leads.UPDATE", False),
        ("ZohoCRM.settings.ALL", "ZohoCRM.settings.pipeline.READ", True),
        ("ZohoCRM.settings.fields.READ", "ZohoCRM.settings.layouts.READ", False),
        ("ZohoCRM.users.ALL", "ZohoCRM.users.READ", True),
        ("ZohoBooks.modules.ALL", "ZohoCRM.modules.READ", False),
        ("ALL", "ZohoCRM.modules.READ", False),
        ("ZohoCRM.ALL", "ZohoCRM.modules.READ", False),
        ("aaaserver.profile.read", "ZohoCRM.users.READ", False),
    ],
)
def test_covers(granted: str, wanted: str, covered: bool) -> None:
    assert scopes.covers(granted, wanted) is covered


def test_the_default_set_lacks_nothing_a_sync_needs() -> None:
    assert [
        n for n in ALL_NEEDS_OF_A_SYNC if scopes.missing(scopes.DEFAULT_SCOPES, n, "Leads" if n == "notes" else None)
    ] == []
    assert all(scopes.allows(scopes.DEFAULT_SCOPES, "records", m) for m in ("Leads", "DealHistory", "My_Module"))


def test_the_default_set_cannot_write() -> None:
    assert {scope.rpartition(".")[2] for scope in scopes.DEFAULT_SCOPES} == {"READ"}


def test_the_minimal_set_reads_modules_and_users_alone() -> None:
    minimal = scopes.MINIMAL_SCOPES
    assert {n for n in scopes.NEEDS if scopes.allows(minimal, n)} >= {"records", "deleted", "users", "related"}
    assert scopes.missing(minimal, "coql", "Leads") == ("ZohoCRM.coql.READ",)
    assert scopes.missing(minimal, "bulk", "Leads") == ("ZohoCRM.bulk.READ",)
    assert scopes.missing(minimal, "org") == ("ZohoCRM.org.READ",)


def test_a_single_module_grant() -> None:
    grant = ("ZohoCRM.modules.leads.READ", "ZohoCRM.coql.READ")
    assert scopes.allows(grant, "coql", "Leads")
    assert scopes.missing(grant, "coql", "Deals") == ("ZohoCRM.modules.deals.READ",)
    assert scopes.missing(grant, "records", "Made_Up") == ("ZohoCRM.modules.custom.READ",)


def test_an_unknown_grant_is_left_to_the_call() -> None:
    assert scopes.missing(None, "bulk", "Leads") == ()


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("ZohoCRM.modules.READ ZohoCRM.users.READ", ("ZohoCRM.modules.READ", "ZohoCRM.users.READ")),
        ("ZohoCRM.modules.READ,ZohoCRM.users.READ ", ("ZohoCRM.modules.READ", "ZohoCRM.users.READ")),
        ("a.b.READ a.b.READ", ("a.b.READ",)),
        ("", None),
        ("  ", None),
        (None, None),
    ],
)
def test_scopes_of_a_token_answer(text: str | None, parsed: tuple[str, ...] | None) -> None:
    assert scopes.parse(text) == parsed


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("/crm/v7/Leads", ("ZohoCRM.modules.leads.READ",)),
        ("/crm/v7/Leads/deleted", ("ZohoCRM.modules.leads.READ",)),
        ("/crm/v7/Leads/123/Notes", ("ZohoCRM.modules.leads.READ", "ZohoCRM.modules.notes.READ")),
        ("/crm/v7/Leads/123/Emails", ("ZohoCRM.modules.leads.READ", "ZohoCRM.modules.emails.READ")),
        ("/crm/v7/Leads/actions/count", ("ZohoSearch.securesearch.READ", "ZohoCRM.modules.leads.READ")),
        ("/crm/v7/coql", ("ZohoCRM.coql.READ", "ZohoCRM.modules.READ")),
        ("/crm/bulk/v7/read/1/result", ("ZohoCRM.bulk.READ", "ZohoCRM.modules.READ")),
        ("/crm/v7/settings/pipeline", ("ZohoCRM.settings.pipeline.READ",)),
        ("/crm/v7/settings/holidays", ("ZohoCRM.settings.business_hours.READ",)),
        ("/crm/v7/users", ("ZohoCRM.users.READ",)),
        ("/crm/v7/org", ("ZohoCRM.org.READ",)),
        ("/elsewhere", ()),
    ],
)
def test_a_refused_path_names_its_scopes(path: str, named: tuple[str, ...]) -> None:
    assert scopes.required_by_path(path) == named
