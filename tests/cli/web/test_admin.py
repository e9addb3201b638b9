"""The commands `web keys`, `web origins` and `web login`."""

from typing import get_args

import pytest

from tests.cli.conftest import Run
from zoho_pipeline.cli.web.admin import SCOPES
from zoho_pipeline.web.auth import principal


def test_the_scopes_are_those_of_the_server() -> None:
    assert SCOPES == principal.SCOPES
    assert get_args(principal.Kind)


def test_a_key_is_shown_once_and_can_be_revoked(run: Run) -> None:
    made = run("web", "keys", "add", "backend", "--tenant", "acme-inc", "--scope", "read", "--format", "json")
    assert made.code == 0
    key = made.json["key"]
    assert key.startswith(f"zpk_{made.json['id']}_")
    assert len(key) == len("zpk__") + 12 + 43
    listed = run("web", "keys", "list", "--format", "json")
    assert [(row["name"], row["tenants"], row["scopes"]) for row in listed.json] == [
        ("backend", ["acme-inc"], ["read"])
    ]
    assert key not in listed.out + run("web", "keys", "list").out
    revoked = run("web", "keys", "revoke", made.json["id"], "--format", "json")
    assert revoked.json["revoked_at"] is not None
    assert "revoked" in run("web", "keys", "revoke", made.json["id"]).out


def test_a_key_of_all_tenants_with_an_end(run: Run) -> None:
    made = run("web", "keys", "add", "m", "--all-tenants", "--scope", "metrics", "--days", "90", "--format", "json")
    assert made.json["tenants"] is None
    assert made.json["expires_at"] > made.json["created_at"]
    assert "all" in run("web", "keys", "list").out


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["keys", "add", "x", "--scope", "read"], 2),
        (["keys", "add", "x", "--scope", "read", "--tenant", "a", "--all-tenants"], 2),
        (["keys", "add", "x", "--tenant", "a"], 2),
        (["keys", "add", "x", "--tenant", "a", "--scope", "root"], 2),
        (["keys", "add", "x", "--tenant", "", "--scope", "read"], 2),
        (["keys", "add", "x", "--tenant", "a", "--scope", "read", "--days", "0"], 2),
        (["keys", "add", " ", "--tenant", "a", "--scope", "read"], 2),
        (["keys", "revoke", "nobody"], 1),
        (["origins", "set", "acme-inc"], 2),
        (["origins", "set", "acme-inc", "http://app.example.com"], 2),
        (["origins", "set", "acme-inc", "https://app.example.com/path"], 2),
        (["origins", "set", "acme-inc", "https://ok.example.com", "*"], 2),
        (["origins", "set", "", "https://app.example.com"], 2),
    ],
)
def test_wrong_use_is_one_line(run: Run, arguments: list[str], code: int) -> None:
    answer = run("web", *arguments)
    assert (answer.code, answer.out) == (code, "")
    assert answer.err.startswith("error: ")
    assert answer.err.count("\n") == 1


def test_origins_are_stored_as_browsers_write_them(run: Run) -> None:
    given = ["HTTPS://App.Example.com:443", "http://localhost:3000", "https://app.example.com"]
    answer = run("web", "origins", "set", "acme-inc", *given, "--format", "json")
    assert answer.json == {"tenant": "acme-inc", "origins": ["https://app.example.com", "http://localhost:3000"]}
    assert "http://localhost:3000" in run("web", "origins", "set", "acme-inc", "http://localhost:3000").out


def test_a_login_link_names_the_public_url(run: Run) -> None:
    link = run("web", "login", "--format", "json", ZOHO_PIPELINE_PUBLIC_URL="https://zoho.example.com").json["url"]
    assert link.startswith("https://zoho.example.com/ui/login?t=")
    assert run("web", "login", ZOHO_PIPELINE_PUBLIC_URL="nonsense").code == 2
