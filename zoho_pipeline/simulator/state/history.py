"""Values that Zoho fills in itself: names, durations, and the history of stages and statuses.

A history row is one stay in a stage: `Modified_Time` is the time of entry and `Moved_To__s` the next stage (null
while the stay lasts). The end of a stay does not move its Modified_Time.
"""

from collections.abc import Sequence

from zoho_pipeline.simulator.state.org import Org
from zoho_pipeline.simulator.state.store import ModuleStore, Row

_DAY = 86_400
PERSONS = ("Leads", "Contacts")


def fill_system_values(store: ModuleStore, row: Row, old: Row | None = None) -> None:
    """Fill in values that follow from others, at an insert (`old` is None) or a change."""
    if store.api_name in PERSONS:
        name = " ".join(part for part in (row.get("First_Name"), row.get("Last_Name")) if part)
        if name:
            row["Full_Name"] = name
    if "Record_Status__s" in store.fields:
        row.setdefault("Record_Status__s", "Available")
    if store.api_name == "Leads":
        row.setdefault("Converted__s", False)
    elif store.api_name == "Deals":
        _fill_deal(store, row, old)
    elif store.api_name == "Tasks" and row.get("Status") == "Completed":
        row.setdefault("Closed_Time", row["Modified_Time"])


def _fill_deal(store: ModuleStore, row: Row, old: Row | None) -> None:
    stage = row.get("Stage")
    pick = next((p for p in store.fields["Stage"].picks if p.actual == stage), None)
    moved = old is None or old.get("Stage") != stage
    if stage and moved:
        row["Stage_Modified_Time"] = row["Modified_Time"]
    if pick is None:
        return
    if moved and (old is None or old.get("Probability") == row.get("Probability")):
        row["Probability"] = pick.probability
    if row.get("Amount") is not None:
        row["Expected_Revenue"] = round(row["Amount"] * (row.get("Probability") or 0) / 100, 2)
    if pick.forecast_type == "Open":
        for name in ("Sales_Cycle_Duration", "Overall_Sales_Duration"):
            row.pop(name, None)
    elif moved:
        days = (row["Modified_Time"] - row["Created_Time"]) // _DAY
        row["Sales_Cycle_Duration"] = days
        row["Overall_Sales_Duration"] = days + row.get("Lead_Conversion_Time", 0)


def _trackers(org: Org, store: ModuleStore) -> list[tuple[ModuleStore, str, str, str]]:
    """(history module, tracked field, parent lookup, duration field) of each history of a module."""
    if store.api_name == "Deals" and "DealHistory" in org.modules:
        return [(org.modules["DealHistory"], "Stage", "Potential_Name", "Stage_Duration_Calendar_Days")]
    if store.api_name == "Leads":
        return [
            (module, tracked, "Full_Name", "Duration_Days")
            for module in org.modules.values()
            if module.generated_type == "field_tracker" and "Full_Name" in module.fields
            for tracked in module.fields
            if tracked in store.fields and tracked.startswith("Lead_")
        ]
    return []


def track_new(org: Org, store: ModuleStore, rows: Sequence[Row]) -> None:
    """Begin the first stay of new rows."""
    for module, tracked, parent, _ in _trackers(org, store):
        stays = [
            _stay(org, module, store, row, tracked, parent, row["Created_Time"]) for row in rows if row.get(tracked)
        ]
        module.put_many(stays)


def track_change(org: Org, store: ModuleStore, old: Row, new: Row) -> None:
    """End the running stay and begin the next one when a tracked value has changed."""
    for module, tracked, parent, duration in _trackers(org, store):
        if old.get(tracked) == new.get(tracked):
            continue
        entered = new["Modified_Time"]
        running = module.rows.get(org.open_stays.get(f"{module.api_name}:{new['id']}", ""))
        if running is not None:
            days = (entered - running["Modified_Time"]) // _DAY
            module.put(running | {"Moved_To__s": new.get(tracked), duration: max(days, 0)})
        module.put(_stay(org, module, store, new, tracked, parent, entered))


def _stay(org: Org, module: ModuleStore, store: ModuleStore, row: Row, tracked: str, parent: str, entered: int) -> Row:
    stay: Row = {
        "id": org.new_id(),
        parent: (row["id"], row.get(store.name_field)),
        "Created_Time": entered,
        "Modified_Time": entered,
    }
    copied = {tracked, "Amount", "Closing_Date", "Probability", "Expected_Revenue", "Currency", "Modified_By"}
    stay |= {name: row[name] for name in sorted(copied) if name in module.fields and name in row}
    org.open_stays[f"{module.api_name}:{row['id']}"] = stay["id"]
    return stay


def forget_parent(org: Org, store: ModuleStore, row_id: str) -> None:
    """Set the parent of a deleted row's stays to null; the stays remain in the history."""
    for module, _, parent, _ in _trackers(org, store):
        ids = [h["id"] for h in module.rows.values() if (ref := h.get(parent)) is not None and ref[0] == row_id]
        org.orphaned[f"{module.api_name}:{row_id}"] = ids
        for history_id in ids:
            module.put({k: v for k, v in module.rows[history_id].items() if k != parent})


def adopt_again(org: Org, store: ModuleStore, row: Row) -> None:
    """Set the parent of a restored row's stays again."""
    for module, _, parent, _ in _trackers(org, store):
        for history_id in org.orphaned.pop(f"{module.api_name}:{row['id']}", []):
            if (stay := module.rows.get(history_id)) is not None:
                module.put(stay | {parent: (row["id"], row.get(store.name_field))})
