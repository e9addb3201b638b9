"""Compares the raw tables with the ledger of the simulator: the same records, the same values, nothing else."""

import json
from datetime import UTC, datetime
from typing import Any

from tests.ingest.conftest import SyncBench
from zoho_pipeline.ingest.catalog.chosen_modules import records_of
from zoho_pipeline.ingest.catalog.tables import BY_MODULE
from zoho_pipeline.zoho.read.pages import Row

IGNORED = ("synced_at", "custom_fields", "channel_id")


def assert_equal(bench: SyncBench, module: str, user: Any = None) -> None:
    """Assert that the live rows are the live records of the ledger, with the same values."""
    table = BY_MODULE.get(module) or records_of(module)
    ledger = {row["id"]: row for row in bench.org.rows(module, user)}
    live = bench.live(table.name, module)
    assert live.keys() == ledger.keys(), describe(live.keys(), ledger.keys())
    for id_, row in live.items():
        wanted = {c.name: plain(ledger[id_], c.api_name, c.part) for c in table.columns if c.api_name}
        got = {name: comparable(row[name]) for name in wanted}
        assert got == wanted, (module, id_, {n: (got[n], wanted[n]) for n in got if got[n] != wanted[n]})
        others = next(c.name for c in table.columns if c.part == "others")
        check_custom(json.loads(row[others]), ledger[id_], {c.api_name for c in table.columns})


def check_custom(stored: dict[str, Any], record: Row, catalogued: set[str | None]) -> None:
    for name, value in record.items():
        if name in catalogued or name.startswith("$") or name == "id":
            continue
        if isinstance(value, str | int | float):
            assert stored.get(name) == value, (name, stored.get(name), value)
    assert not stored.keys() & catalogued


def describe(stored: Any, ledger: Any) -> str:
    return f"lost {sorted(set(ledger) - set(stored))[:5]}, phantom {sorted(set(stored) - set(ledger))[:5]}"


def plain(record: Row, name: str, part: str) -> Any:
    """Return a value of the ledger in the form that `comparable` gives to stored values."""
    value = record.get(name)
    if part in ("id", "name"):
        return value.get(part) if isinstance(value, dict) else None
    if part == "names":
        return ",".join(tag["name"] for tag in value or ()) or None
    if name == "Parent_Id" and isinstance(value, dict):
        return value["module"]["api_name"]
    if isinstance(value, str) and len(value) >= 20 and value[10:11] == "T":
        return int(datetime.fromisoformat(value).timestamp())
    if isinstance(value, list | dict):
        return json.dumps(value, separators=(",", ":"))
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def comparable(value: Any) -> Any:
    if isinstance(value, datetime):
        return int(value.astimezone(UTC).timestamp())
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, str) and value.startswith(("[", "{")):
        return json.dumps(json.loads(value), separators=(",", ":"))
    return float(value) if not isinstance(value, bool | str | type(None)) else value
