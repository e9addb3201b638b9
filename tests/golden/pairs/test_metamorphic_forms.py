"""What submissions of forms must not change: everything, where they match nothing."""

import random

import pytest

from tests.golden.pairs.csv_pairs import BUILD_AT, Row, given
from tests.golden.sql_lab import SqlLab

Marts = dict[str, list[Row]]
FORM_TABLES = ("form_submissions", "person_keys")
FORM_CHANNELS = {row["channel_id"] for row in given()["form_submissions"]}


@pytest.fixture(scope="module")
def lab_marts() -> Marts:
    return SqlLab(given(), BUILD_AT).marts()


def strangers(seed: int) -> dict[str, list[Row]]:
    """Submissions of nobody and of robots, and keys of leads that sent no form, for every channel of the pairs."""
    rng = random.Random(seed)
    submissions: list[Row] = []
    keys: list[Row] = []
    for lead in given()["leads"]:
        key = f"{lead['id']}-{seed}"
        keys.append(
            {"channel_id": lead["channel_id"], "module": "Leads", "id": lead["id"], "kind": "email", "key": key}
        )
        if lead.get("created_time"):
            suspect = rng.random() < 0.5
            submissions.append(
                {
                    "channel_id": lead["channel_id"],
                    "submission_id": key,
                    "submitted_at": lead["created_time"],
                    "received_at": lead["created_time"],
                    "email_key": key if suspect else f"nobody-{key}",
                    "phone_key": rng.choice((None, key)),
                    "is_suspect": str(suspect).lower(),
                    "utm_source": rng.choice(("linkedin", "Fair", None)),
                    "utm_campaign": rng.choice(("spring", "CAMP", None)),
                    "utm_content": rng.choice(("hero", "post-one", None)),
                    "landing_url": rng.choice(("https://example.com/two?utm_id=1", None)),
                }
            )
    return {"form_submissions": submissions, "person_keys": keys}


@pytest.mark.long
def test_submissions_that_match_nothing_change_nothing_else(lab_marts: Marts) -> None:
    plain = {name: rows for name, rows in given().items() if name not in FORM_TABLES}
    without, lab = SqlLab(plain, BUILD_AT), SqlLab(plain | strangers(7), BUILD_AT)
    assert lab.failing() == []
    before, after = without.marts(), lab.marts()
    assert len(after["form_submission"]) > 100
    assert {row["relation"] for row in after.pop("form_submission")} == {"none"}
    assert before.pop("form_submission") == []
    assert after == before
    for mart, rows in before.items():  # the marts of channels without a form are those of the pairs
        expected = [row for row in lab_marts[mart] if row["channel_id"] not in FORM_CHANNELS]
        assert [row for row in rows if row["channel_id"] not in FORM_CHANNELS] == expected, mart
    assert {row["captured_by"] for row in before["lead"]} == {"zoho_crm"}
    assert {row["touch_input_basis"] for row in before["lead_source_attribution"]} == {"zoho"}


@pytest.mark.long
def test_forms_change_no_total(lab_marts: Marts) -> None:
    """Leads, deals and revenue of a channel are the same with its forms and without them, under every model."""
    plain = SqlLab({name: rows for name, rows in given().items() if name not in FORM_TABLES}, BUILD_AT).marts()
    names = ("credited_leads", "credited_deals", "credited_won_deals", "won_revenue", "n_leads", "n_converted")

    def totals(marts: Marts) -> dict[str, list[object]]:
        found: dict[str, list[object]] = {}
        for row in marts["content_performance"]:
            if row["channel_id"] == "forms.a":
                sums = found.setdefault(row["model"], [0] * len(names))
                found[row["model"]] = [total + row[name] for total, name in zip(sums, names, strict=True)]
        return found

    assert len(totals(plain)) == 5
    assert totals(lab_marts) == totals(plain)
    assert lab_marts["content_performance"] != plain["content_performance"]
    for mart in ("lead", "lead_volume", "lead_first_contact"):
        assert len(lab_marts[mart]) == len(plain[mart])
