"""The commands `forms …`, and the way of a submission from a page into the numbers and out of them again."""

import sqlite3
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi.testclient import TestClient

from tests.cli.conftest import Built, Run
from zoho_pipeline.channels.forms import person_keys, salts
from zoho_pipeline.channels.platform.audit import Audit
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.service_settings import ServiceSettings
from zoho_pipeline.settings import load_settings
from zoho_pipeline.web.app import create_app

PAGE = "https://www.acme.in"
EMAIL = "Chandra.Devi@acme.in"


def registry_of(built: Built) -> Registry:
    return Registry(load_settings({"ZOHO_PIPELINE_HOME": str(built.home)}, dotenv=built.home / "no.env"))


def post(built: Built, form_key: str, **fields: Any) -> httpx.Response:
    body: dict[str, Any] = {"submission_id": str(uuid4()), "consent": {"analytics": True, "text_version": "1"}}
    body |= {"email": EMAIL, "elapsed_ms": 9000, "utm_source": "blog", "landing_url": f"{PAGE}/seo"} | fields
    settings = load_settings({"ZOHO_PIPELINE_HOME": str(built.home)}, dotenv=built.home / "no.env")
    with TestClient(create_app(settings, ServiceSettings())) as client:
        return client.post(f"/v1/forms/{form_key}", json=body, headers={"Origin": PAGE})


def done(built: Built, *words: object) -> Any:
    answer = built.run(*words, "--format", "json")
    assert answer.code == 0, answer.err
    return answer.json


@pytest.mark.long
def test_a_submission_is_in_the_numbers_after_the_next_sync_and_transform(built: Built) -> None:
    form_key = done(built, "forms", "keys", "add", "acme", "--origin", PAGE)["form_key"]
    at = datetime.now(UTC) - timedelta(hours=1)
    assert post(built, form_key, submitted_at=at.isoformat()).status_code == 202
    robot = post(built, form_key, hp="x", submitted_at=at.isoformat())
    assert robot.status_code == 202
    lead = built.org.insert("Leads", {"Last_Name": "Devi", "Company": "Acme", "Email": EMAIL.upper()})
    done(built, "sync")
    report = done(built, "transform")
    assert report["channels"] == ["acme"]
    rows = done(built, "sql", "select * from form_submission order by is_suspect")
    assert [row["zoho_lead_id"] for row in rows] == [lead, None]
    assert (rows[0]["relation"], rows[0]["matched_by"], rows[1]["suspect_reason"]) == ("creating", "email", "honeypot")
    (found,) = done(built, "sql", f"select captured_by from lead where zoho_lead_id = '{lead}'")
    assert found == {"captured_by": "landing_page"}
    # a late one is enough for a new build, and without one nothing is built
    assert done(built, "transform")["channels"] == []
    post(built, form_key, email="nobody@acme.in", submitted_at=(at - timedelta(days=2)).isoformat())
    assert done(built, "transform")["channels"] == ["acme"]
    assert len(done(built, "sql", "select * from form_submission")) == 3
    # and out again
    registry = registry_of(built)
    key = person_keys.email_key(salts.salt_of(registry, "acme"), EMAIL)  # type: ignore[arg-type]
    assert key is not None
    assert key.encode() in (built.home / "warehouse.duckdb").read_bytes()
    assert done(built, "forms", "forget", "acme", "--email", EMAIL) == {"channel_id": "acme", "forgotten": 2}
    assert len(done(built, "sql", "select * from form_submission")) == 1
    built.org.delete("Leads", lead)
    done(built, "sync")
    assert done(built, "sql", "--raw", "select * from zoho_raw.person_keys") == []
    assert ("forms.forgot", "2 submissions") in [
        (row["action"], row["detail"]) for row in Audit(registry.database).rows()
    ]


def test_the_life_of_a_form_key(built: Built) -> None:
    registry_of(built).store_settings("acme", tenant="acme-inc")
    made = done(built, "forms", "keys", "add", "acme", "--origin", PAGE, "--origin", "http://localhost:3000")
    assert made["form_key"].startswith("fk_")
    assert made["secret"].startswith("whsec_")
    shown = built.run("forms", "keys", "add", "acme")
    assert "forms.js" in shown.out
    assert "whsec_" in shown.out
    post(built, made["form_key"])
    post(built, made["form_key"], consent={"analytics": False})
    first, second = done(built, "forms", "list", "acme")
    assert (first["form_key"], first["stored"], first["no_consent"]) == (made["form_key"], 1, 1)
    assert second["origins"] == []
    assert "secret" not in first
    (row,) = done(built, "forms", "list", "acme", "--submissions")
    assert (row["utm_source"], row["state"]) == ("blog", "waiting")
    assert not [name for name in row if name.endswith("_key")]
    assert "blog" in built.run("forms", "list", "acme", "--submissions").out
    assert done(built, "forms", "keys", "remove", made["form_key"])["removed"] is True
    assert post(built, made["form_key"]).status_code == 404
    registry = registry_of(built)
    told = {row["action"]: row["tenant"] for row in Audit(registry.database).rows("acme")}
    assert told["forms.key_added"] == told["forms.key_removed"] == "acme-inc"
    again = built.run("forms", "keys", "remove", made["form_key"])
    assert (again.code, "forms list" in again.err) == (1, True)


@pytest.mark.long
def test_a_purge_deletes_submissions_keys_and_salt(built: Built) -> None:
    form_key = done(built, "forms", "keys", "add", "acme", "--origin", PAGE)["form_key"]
    built.org.insert("Leads", {"Last_Name": "Devi", "Company": "Acme", "Email": EMAIL})
    post(built, form_key)
    done(built, "sync")
    registry = registry_of(built)
    salt = salts.salt_of(registry, "acme")
    assert salt is not None
    key = str(person_keys.email_key(salt, EMAIL)).encode()
    post(built, form_key)
    built.add("acme", built.org, "ZohoCRM.modules.ALL,ZohoCRM.users.READ,ZohoCRM.org.READ,ZohoCRM.settings.ALL")
    done(built, "channels", "remove", "acme", "--purge")
    assert salts.salt_of(registry, "acme") is None
    files = [path for path in built.home.rglob("*") if path.is_file()]
    assert [path.name for path in files if key in path.read_bytes() or form_key.encode() in path.read_bytes()] == [
        # the audit says which key was made, and a form key is public
        "registry.sqlite"
    ]
    assert key not in (built.home / "registry.sqlite").read_bytes()


@pytest.mark.long
def test_a_damaged_row_of_the_channel_keeps_nobody_from_being_forgotten(built: Built) -> None:
    form_key = done(built, "forms", "keys", "add", "acme", "--origin", PAGE)["form_key"]
    post(built, form_key)
    done(built, "transform")
    post(built, form_key)
    with sqlite3.connect(built.home / "registry.sqlite") as connection:
        connection.execute("update registry_channels set field_map = '7'")
    assert "is damaged" in built.run("forms", "keys", "add", "acme").err
    assert [key["form_key"] for key in done(built, "forms", "list", "acme")] == [form_key]
    assert len(done(built, "forms", "list", "acme", "--submissions")) == 2
    assert done(built, "forms", "forget", "acme", "--email", EMAIL) == {"channel_id": "acme", "forgotten": 2}
    assert done(built, "sql", "select * from form_submission") == []
    assert done(built, "forms", "keys", "remove", form_key)["removed"] is True


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["keys", "add", "nobody"], "nobody"),
        (["keys", "add", "acme", "--origin", "https://a.in/page"], "not an origin"),
        (["keys", "add", "acme", "--origin", "http://a.in"], "loopback"),
        (["list", "nobody"], "nobody"),
        (["forget", "acme"], "--email"),
        (["forget", "nobody", "--email", "a@b.in"], "nobody"),
    ],
)
def test_bad_input_names_a_cure(built: Built, words: list[str], said: str) -> None:
    answer = built.run("forms", *words)
    assert answer.code in (1, 2)
    assert said in answer.err


def test_a_short_number_is_refused(built: Built) -> None:
    done(built, "forms", "keys", "add", "acme")
    answer = built.run("forms", "forget", "acme", "--phone", "12345")
    assert (answer.code, "Give the whole number" in answer.err) == (1, True)


@pytest.mark.parametrize(
    ("name", "value"), [("FORMS_RETENTION_DAYS", "7"), ("FORMS_WINDOW_DAYS", "1.5"), ("FORM_RETENTION_DAYS", "90")]
)
def test_a_bad_setting_is_named(run: Run, name: str, value: str) -> None:
    answer = run("channels", "list", **{f"ZOHO_PIPELINE_{name}": value})
    assert answer.code == 2
    assert f"ZOHO_PIPELINE_{name}" in answer.err


@pytest.mark.long
def test_the_window_of_the_settings_reaches_the_models(built: Built) -> None:
    def parameters(**env: str) -> list[dict[str, str]]:
        assert built.run("transform", **env).code == 0
        return list(done(built, "sql", "--raw", "select name, value from zoho_raw.channel_parameters"))

    assert parameters() == []
    given = {"ZOHO_PIPELINE_FORMS_WINDOW_DAYS": "30"}
    assert parameters(**given) == [{"name": "forms_window_days", "value": "30"}]
    done(built, "channels", "set", "acme", "--param", "forms_window_days=10")
    assert parameters(**given) == [{"name": "forms_window_days", "value": "10"}]
