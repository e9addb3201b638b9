"""Deletion, restore, conversion and merge: the events that lose rows in careless connectors."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from zoho_pipeline.simulator.clock import to_epoch
from zoho_pipeline.simulator.state import history
from zoho_pipeline.simulator.state.store import Deletion, ModuleStore, Row
from zoho_pipeline.simulator.wire import SimulatorError

if TYPE_CHECKING:
    from zoho_pipeline.simulator.state.org import Org

ATTACHED = ("Calls", "Events", "Tasks", "Notes")


def delete(org: "Org", api_name: str, row_id: str, *, permanent: bool, at: int) -> None:
    """Move a live row to the bin, or (also from the bin) away for good with a new entry of its own."""
    store = org.module(api_name)
    if row_id in store.bin and permanent:
        row = store.bin.pop(row_id)
        store.deletions = [d for d in store.deletions if d.id != row_id]
    else:
        row = store.take(row_id)
        history.forget_parent(org, store, row_id)
        if not permanent:
            store.bin[row_id] = row
    org.names_version += 1
    store.version += 1
    store.deletions.append(_deletion(org, store, row, at, "permanent" if permanent else "recycle"))


def _deletion(org: "Org", store: ModuleStore, row: Row, at: int, kind: str) -> Deletion:
    if kind == "permanent":  # Zoho may show neither people nor name for these
        return Deletion(row["id"], at, kind, None, None, None)
    by = (org.admin.id, org.admin.full_name)
    created_by = row.get("Created_By")
    creator = None if created_by is None else (created_by[0], org.user_brief(created_by)["name"])
    return Deletion(row["id"], at, kind, by, creator, row.get(store.name_field))


def restore(org: "Org", api_name: str, row_id: str, *, at: int) -> None:
    store = org.module(api_name)
    if row_id not in store.bin:
        raise SimulatorError(f"{api_name} has no row {row_id} in the recycle bin")
    row = store.bin.pop(row_id)
    store.deletions = [d for d in store.deletions if d.id != row_id]
    if org.switches.restore_bumps_modified:
        row = row | {"Modified_Time": at}
    store.put(row)
    history.adopt_again(org, store, row)
    org.names_version += 1


def convert(
    org: "Org", lead_id: str, *, at: int, account_id: str | None = None, contact_id: str | None = None,
    account: Mapping[str, Any] | None = None, contact: Mapping[str, Any] | None = None,
    deal: Mapping[str, Any] | None = None,
) -> dict[str, str | None]:  # fmt: skip
    """Convert a lead into a new or an existing contact and account, and into a deal where `deal` is given.

    A lead without a company gets no account unless one is named. Values given win over those carried over.
    """
    leads = org.module("Leads")
    lead = leads.row(lead_id)
    if lead.get("Converted__s"):
        raise SimulatorError(f"lead {lead_id} is already converted")
    born = {"Created_Time": at, "Owner": lead["Owner"]}
    if account_id is None and (account is not None or lead.get("Company")):
        base = {"Account_Name": lead.get("Company") or lead["Last_Name"]}
        account_id = org.insert("Accounts", born | base | dict(account or {}))
    link = {} if account_id is None else {"Account_Name": {"id": account_id}}
    if contact_id is None:
        contact_id = org.insert("Contacts", born | _carried(lead) | link | dict(contact or {}))
    deal_id = None
    if deal is not None:
        base = {"Deal_Name": f"{lead.get('Company') or lead['Last_Name']}", "Stage": "Qualification"}
        days = {"Lead_Conversion_Time": (at - lead["Created_Time"]) // 86_400}
        source = {"Lead_Source": lead.get("Lead_Source"), "Contact_Name": {"id": contact_id}}
        deal_id = org.insert("Deals", born | base | days | source | link | dict(deal))
    _mark_converted(org, leads, lead, at, account_id, contact_id, deal_id)
    if org.switches.conversion_moves_activities:
        _move_activities(org, lead_id, at, account_id, contact_id, deal_id)
    return {"Accounts": account_id, "Contacts": contact_id, "Deals": deal_id}


def _carried(lead: Row) -> dict[str, Any]:
    names = ("First_Name", "Last_Name", "Email", "Secondary_Email", "Phone", "Mobile", "Lead_Source", "Description")
    return {name: lead.get(name) for name in names}


def _mark_converted(
    org: "Org", leads: ModuleStore, lead: Row, at: int, account: str | None, contact: str, deal: str | None
) -> None:
    marks: Row = {"Converted__s": True, "Converted_Date_Time": at}
    marks["Lead_Conversion_Time"] = (at - lead["Created_Time"]) // 86_400
    for name, row_id in (("Account", account), ("Contact", contact), ("Deal", deal)):
        if row_id is not None:
            marks[f"Converted_{name}"] = (row_id, org.name_of(row_id))
    if org.switches.conversion_bumps_modified:
        marks["Modified_Time"] = at
    leads.put(lead | marks)


def _move_activities(org: "Org", lead_id: str, at: int, account: str | None, contact: str, deal: str | None) -> None:
    """After conversion a lead's activities and notes hang on the contact, and on the deal or account."""
    what, module = (deal, "Deals") if deal else (account, "Accounts")
    for store, row in pointing_at(org, lead_id):
        moved = dict(row)
        if "Parent_Id" in row:
            moved["Parent_Id"] = (contact, org.name_of(contact), "Contacts")
        else:
            moved["Who_Id"] = (contact, org.name_of(contact))
            for name in ("What_Id", "$se_module"):
                moved.pop(name, None)
            if what:
                moved |= {"What_Id": (what, org.name_of(what)), "$se_module": module}
        if org.switches.moved_activities_bump_modified:
            moved["Modified_Time"] = max(at, row["Modified_Time"])
        store.put(moved)
        attach(org, store, [moved])
    if lead_id in org.emails:
        org.emails.setdefault(contact, []).extend(org.emails.pop(lead_id))


def attach(org: "Org", store: ModuleStore, rows: Sequence[Row]) -> None:
    """Remember what activities and notes hang on, so that a conversion need not walk them all."""
    if store.api_name not in ATTACHED:
        return
    for row in rows:
        for name in ("What_Id", "Who_Id", "Parent_Id"):
            if (ref := row.get(name)) is not None:
                org.attached.setdefault(ref[0], {})[row["id"]] = store.api_name


def pointing_at(org: "Org", record_id: str) -> list[tuple[ModuleStore, Row]]:
    """Live activities and notes that hang on a record today."""
    found = []
    for row_id, api_name in org.attached.get(record_id, {}).items():
        store = org.modules.get(api_name)
        row = store.rows.get(row_id) if store else None
        if store is None or row is None:
            continue
        refs = (row.get("What_Id"), row.get("Who_Id"), row.get("Parent_Id"))
        if any(ref is not None and ref[0] == record_id for ref in refs):
            found.append((store, row))
    return found


def merge(org: "Org", api_name: str, winner_id: str, loser_id: str, *, at: int) -> None:
    store = org.module(api_name)
    winner = store.row(winner_id)
    if winner_id == loser_id:
        raise SimulatorError("a row cannot be merged with itself")
    loser = store.take(loser_id)
    merged = loser | winner
    if org.switches.merge_bumps_modified:
        merged["Modified_Time"] = at
    store.put(merged)
    for other, row in pointing_at(org, loser_id):
        moved = dict(row)
        for name in ("What_Id", "Who_Id", "Parent_Id"):
            if (ref := row.get(name)) is not None and ref[0] == loser_id:
                moved[name] = (winner_id, merged.get(store.name_field), *ref[2:])
        other.put(moved)
        attach(org, other, [moved])
    if org.switches.merge_in_deleted:
        store.deletions.append(_deletion(org, store, loser, at, "permanent"))
    org.names_version += 1


def bump_parents(org: "Org", rows: Sequence[Row], at: int) -> None:
    """Move Modified_Time of what new notes and activities hang on."""
    for row in rows:
        for ref in (row.get("What_Id"), row.get("Parent_Id")):
            if ref is None:
                continue
            for api_name in ("Leads", "Deals", "Contacts", "Accounts"):
                store = org.modules.get(api_name)
                if store is not None and (parent := store.rows.get(ref[0])) is not None:
                    store.put(parent | {"Modified_Time": at})


def add_email(org: "Org", record_id: str, mail: dict[str, Any]) -> str:
    user = org.user(mail.pop("user", org.admin))
    at = to_epoch(mail.pop("sent_time", org.hub.clock.epoch()))
    message_id = f"{int(org.new_id()):x}{record_id}"
    entry = {"message_id": message_id, "time": at, "sent": True, "subject": "", "source": "crm", "cc": None}
    entry["from"] = {"user_name": user.full_name, "email": user.email}
    entry["owner"] = {"name": user.full_name, "id": user.id}
    entry["status"] = [{"type": "sent"}]
    entry["to"] = mail.pop("to", [])
    org.emails.setdefault(record_id, []).append(entry | mail)
    return message_id
