"""Users, deal stages, business hours and holidays: a value that does not fit is kept, counted and named."""

from typing import Any

import pytest
from sqlalchemy import text

from tests.ingest.conftest import SyncBench
from tests.params import both_engines
from zoho_pipeline.ingest.report import ModuleReport
from zoho_pipeline.simulator import Pick

HOURS = {
    "type": "custom",
    "same_as_everyday": True,
    "business_days": ["Monday", "Funday"],
    "daily_timing": ["09:00", "18:00"],
    "week_starts_on": "Monday",
}


def spoil_users(bench: SyncBench) -> tuple[str, str]:
    user = bench.org.add_user(first_name="Ravi")
    user.locale = {"language": "en"}  # type: ignore[assignment]
    return user.id, "locale"


def spoil_stages(bench: SyncBench) -> tuple[str, str]:
    bench.org.add_pipeline("Renewals", [Pick("Offered", probability="likely", forecast_type="Open")])  # type: ignore[arg-type]
    return "Renewals/Offered", "probability"


def spoil_hours(bench: SyncBench) -> tuple[str, str]:
    bench.org.set_business_hours(HOURS)
    assert bench.org.business_hours is not None
    return bench.org.business_hours["id"], "business_hours"


def spoil_holidays(bench: SyncBench) -> tuple[str, str]:
    bench.org.add_holiday("Founders' day", f"{bench.sim.clock.now().year}-02-30")
    return bench.org.holidays[-1]["id"], "date"


SPOILT = {
    "users": spoil_users,
    "deal_stages": spoil_stages,
    "business_hours": spoil_hours,
    "holidays": spoil_holidays,
}


def part(bench: SyncBench, name: str) -> ModuleReport:
    return next(found for found in bench.sync().modules if found.module == name)


@both_engines()
@pytest.mark.parametrize("name", SPOILT)
def test_a_value_that_does_not_fit_is_rejected_and_counted(bench: SyncBench, name: str) -> None:
    id_, field = SPOILT[name](bench)
    report = part(bench, name)
    assert (report.outcome, report.rejected_rows) == ("complete", 1)
    assert rejected(bench, name) == [{"id": id_, "field": field}]
    part(bench, name)
    assert rejected(bench, name) == [{"id": id_, "field": field}], "the next sync rejects it again, and stores it once"
    runs = bench.rows("select rejected_rows from zoho_raw.sync_runs where module = ?", name)
    assert [row["rejected_rows"] for row in runs] == [1, 1]
    assert bench.rows(f"select count(*) as n from zoho_raw.{name}")[0]["n"] >= 1, "the row itself is loaded"


def rejected(bench: SyncBench, name: str) -> list[dict[str, Any]]:
    return bench.rows("select id, field from zoho_raw.rejected_records where module = ? and reason <> ''", name)


@pytest.mark.long
def test_what_fits_is_not_rejected(bench: SyncBench) -> None:
    bench.org.set_business_hours({**HOURS, "business_days": ["Monday", "Friday"]})
    bench.org.add_holiday("New year", f"{bench.sim.clock.now().year}-01-01")
    report = bench.sync()
    assert {found.module: found.rejected_rows for found in report.modules if found.rejected_rows} == {}
    assert bench.rows("select count(*) as n from zoho_raw.business_intervals") == [{"n": 2}]
    stages = bench.rows("select stage, probability from zoho_raw.deal_stages where stage = 'Closed Won'")
    assert stages == [{"stage": "Closed Won", "probability": 100}]


def test_users_that_are_read_for_their_names_alone_reject_too(bench: SyncBench) -> None:
    """A sync of one module reads users if its rows have ids without names."""
    bench.connect("ZohoCRM.modules.ALL,ZohoCRM.users.READ,ZohoCRM.org.READ,ZohoCRM.settings.ALL,ZohoCRM.coql.READ")
    bench.limit(queries_from=1, list_credits=1_000)
    id_, field = spoil_users(bench)
    bench.org.insert_many("Leads", [{"Last_Name": f"L{n}"} for n in range(3)])
    assert bench.sync("Leads").complete
    assert rejected(bench, "users") == [{"id": id_, "field": field}]


def test_a_time_zone_that_this_host_does_not_know_stops_no_sync(bench: SyncBench) -> None:
    """Zoho, or the host that connected the channel, may know a newer zone. The years are those of UTC then."""
    bench.org.add_holiday("New year", f"{bench.sim.clock.now().year}-01-01")
    with bench.registry.database.write() as transaction:
        transaction.execute(text("update registry_channels set timezone = 'Mars/Base'"))
    assert part(bench, "holidays").outcome == "complete"
    assert bench.rows("select count(*) as n from zoho_raw.holidays") == [{"n": 1}]
