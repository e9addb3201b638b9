"""The changes of rows: insert, update, delete, restore, convert, merge, and mails on a record.

Each function takes the org and what all orgs share. The caller holds `shared.lock`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from zoho_pipeline.simulator.clock import to_epoch
from zoho_pipeline.simulator.state import history
from zoho_pipeline.simulator.state.org import NAMED, Org
from zoho_pipeline.simulator.state.shared import Shared
from zoho_pipeline.simulator.state.store import CONVERTERS, Deletion, ModuleStore, Row
from zoho_pipeline.simulator.wire import SimulatorError

ATTACHED = ("Calls", "Events", "Tasks", "Notes")


def insert(org: Org, shared: Shared, api_name: str, values: Mapping[str, Any]) -> str:
    """Add one row in Zoho's shape and return its id; see `insert_many`."""
    return insert_many(org, shared, api_name, [values])[0]


def insert_many(org: Org, shared: Shared, api_name: str, rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Add rows in Zoho's shape at once and return their ids in order.

    Fields that are not given get Zoho's defaults. Raises SimulatorError for an unknown field and for an id
    that is taken or given twice.
    """
    store = org.module(api_name)
    now = shared.clock.epoch()
    fresh = [_new_row(org, store, values, now) for values in rows]
    ids = [row["id"] for row in fresh]
    if len(set(ids)) < len(ids) or not store.rows.keys().isdisjoint(ids):
        raise SimulatorError(f"{api_name}: an id is taken or given twice")
    store.put_many(fresh)
    history.track_new(org, store, fresh)
    attach(org, store, fresh)
    if shared.switches.note_bumps_parent:
        bump_parents(org, fresh, now)
    org.board.announce(shared, org.users, store.api_name, "insert", dict.fromkeys(ids, ()))
    return ids


def _new_row(org: Org, store: ModuleStore, values: Mapping[str, Any], now: int) -> Row:
    row = converted_values(org, store, values)
    row["id"] = str(values["id"]) if "id" in values else org.new_id()
    row.setdefault("Created_Time", now)
    row.setdefault("Modified_Time", row["Created_Time"])
    admin = (org.admin.id, None)
    if store.generated_type != "field_tracker":
        owner = row.setdefault("Owner", admin)
        row.setdefault("Created_By", owner)
        row.setdefault("Modified_By", owner)
    history.fill_system_values(store, row)
    return row


def converted_values(org: Org, store: ModuleStore, values: Mapping[str, Any]) -> Row:
    """Values in the inner shape of the store, without empty ones; raises SimulatorError for an unknown field."""
    row: Row = {}
    for name, value in values.items():
        if name == "id" or value is None:
            continue
        field = store.field(name)
        convert_value = CONVERTERS.get(field.type)
        if convert_value is not None:
            value = convert_value(value)
            if field.type in ("lookup", "parentlookup") and value[1] is None:
                value = (value[0], org.name_of(value[0]), *value[2:])
        row[name] = value
    return row


def update(
    org: Org, shared: Shared, api_name: str, row_id: str, values: Mapping[str, Any], *, touch: bool = True,
    by_client: str | None = None,
) -> None:  # fmt: skip
    """Change a row as a user would; `touch=False` leaves Modified_Time, as a formula or a system job does.

    `by_client` is the OAuth client that makes the change.
    """
    store = org.module(api_name)
    old = store.row(row_id)
    new = {k: v for k, v in old.items() if k not in values} | converted_values(org, store, values)
    new["id"], new["Created_Time"] = old["id"], new.get("Created_Time", old["Created_Time"])
    new["Modified_Time"] = old["Modified_Time"]
    if "Modified_Time" in values:
        new["Modified_Time"] = to_epoch(values["Modified_Time"])
    elif touch:
        new["Modified_Time"] = shared.clock.epoch()
    history.fill_system_values(store, new, old)
    store.put(new)
    history.track_change(org, store, old, new)
    attach(org, store, [new])
    if store.api_name in NAMED and old.get(store.name_field) != new.get(store.name_field):
        org.names_version += 1
    if touch:
        changed = [name for name in new if new[name] != old.get(name) and name in values]
        org.board.announce(shared, org.users, store.api_name, "update", {row_id: changed}, by_client=by_client)


def delete(org: Org, shared: Shared, api_name: str, row_id: str, *, permanent: bool, at: int) -> None:
    """Move a live row to the recycle bin, or delete it permanently (a row in the bin too).

    A permanent deletion replaces the row's entry in the list of deletions with an entry of its own.
    """
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
    org.board.announce(shared, org.users, store.api_name, "delete", {row_id: ()})


def _deletion(org: Org, store: ModuleStore, row: Row, at: int, kind: str) -> Deletion:
    if kind == "permanent":  # Zoho may leave out users and name here
        return Deletion(row["id"], at, kind, None, None, None)
    by = (org.admin.id, org.admin.full_name)
    created_by = row.get("Created_By")
    creator = None if created_by is None else (created_by[0], org.user_brief(created_by)["name"])
    return Deletion(row["id"], at, kind, by, creator, row.get(store.name_field))


def restore(org: Org, shared: Shared, api_name: str, row_id: str, *, at: int) -> None:
    """Take a row out of the recycle bin; its entry in the list of deletions goes too."""
    store = org.module(api_name)
    if row_id not in store.bin:
        raise SimulatorError(f"{api_name} has no row {row_id} in the recycle bin")
    row = store.bin.pop(row_id)
    store.deletions = [d for d in store.deletions if d.id != row_id]
    if shared.switches.restore_bumps_modified:
        row = row | {"Modified_Time": at}
    store.put(row)
    history.adopt_again(org, store, row)
    org.names_version += 1
    if shared.switches.push_on_restore:
        org.board.announce(shared, org.users, store.api_name, "insert", {row_id: ()})


def convert(
    org: Org, shared: Shared, lead_id: str, *, at: int, account_id: str | None = None, contact_id: str | None = None,
    account: Mapping[str, Any] | None = None, contact: Mapping[str, Any] | None = None,
    deal: Mapping[str, Any] | None = None,
) -> dict[str, str | None]:  # fmt: skip
    """Convert a lead into a contact and an account, new or existing, and into a deal when `deal` is given.

    A lead without a company gets no account unless one is given. Given values replace those of the lead.
    Returns the id of each made or named row by module; None where there is none.
    """
    leads = org.module("Leads")
    lead = leads.row(lead_id)
    if lead.get("Converted__s"):
        raise SimulatorError(f"lead {lead_id} is already converted")
    company = lead.get("Company") or lead["Last_Name"]
    born = {"Created_Time": at, "Owner": lead["Owner"]}
    if account_id is None and (account is not None or lead.get("Company")):
        base = {"Account_Name": company}
        account_id = insert(org, shared, "Accounts", born | base | dict(account or {}))
    link = {} if account_id is None else {"Account_Name": {"id": account_id}}
    if contact_id is None:
        contact_id = insert(org, shared, "Contacts", born | _carried(lead) | link | dict(contact or {}))
    deal_id = None
    if deal is not None:
        base = {"Deal_Name": company, "Stage": "Qualification"}
        days = {"Lead_Conversion_Time": _days_since(lead, at)}
        source = {"Lead_Source": lead.get("Lead_Source"), "Contact_Name": {"id": contact_id}}
        deal_id = insert(org, shared, "Deals", born | base | days | source | link | dict(deal))
    _mark_converted(org, shared, leads, lead, at, account_id, contact_id, deal_id)
    if shared.switches.conversion_moves_activities:
        _move_activities(org, shared, lead_id, at, account_id, contact_id, deal_id)
    return {"Accounts": account_id, "Contacts": contact_id, "Deals": deal_id}


def _days_since(lead: Row, at: int) -> int:
    created: int = lead["Created_Time"]
    return (at - created) // 86_400


def _carried(lead: Row) -> dict[str, Any]:
    names = ("First_Name", "Last_Name", "Email", "Secondary_Email", "Phone", "Mobile", "Lead_Source", "Description")
    return {name: lead.get(name) for name in names}


def _mark_converted(
    org: Org, shared: Shared, leads: ModuleStore, lead: Row, at: int, account: str | None, contact: str,
    deal: str | None,
) -> None:  # fmt: skip
    marks: Row = {"Converted__s": True, "Converted_Date_Time": at}
    marks["Lead_Conversion_Time"] = _days_since(lead, at)
    for name, row_id in (("Account", account), ("Contact", contact), ("Deal", deal)):
        if row_id is not None:
            marks[f"Converted_{name}"] = (row_id, org.name_of(row_id))
    if shared.switches.conversion_bumps_modified:
        marks["Modified_Time"] = at
    leads.put(lead | marks)
    org.board.announce(shared, org.users, "Leads", "update", {lead["id"]: list(marks)})


def _move_activities(
    org: Org, shared: Shared, lead_id: str, at: int, account: str | None, contact: str, deal: str | None
) -> None:
    """Link a converted lead's activities and notes to the contact, and to the deal or else the account."""
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
        if shared.switches.moved_activities_bump_modified:
            moved["Modified_Time"] = max(at, row["Modified_Time"])
        store.put(moved)
        attach(org, store, [moved])
    if lead_id in org.emails:
        org.emails.setdefault(contact, []).extend(org.emails.pop(lead_id))


def attach(org: Org, store: ModuleStore, rows: Sequence[Row]) -> None:
    """Remember to which records activities and notes are linked, so that a conversion need not read them all."""
    if store.api_name not in ATTACHED:
        return
    for row in rows:
        for name in ("What_Id", "Who_Id", "Parent_Id"):
            if (ref := row.get(name)) is not None:
                org.attached.setdefault(ref[0], {})[row["id"]] = store.api_name


def pointing_at(org: Org, record_id: str) -> list[tuple[ModuleStore, Row]]:
    """Live activities and notes that are linked to a record now, each with its module."""
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


def merge(org: Org, shared: Shared, api_name: str, winner_id: str, loser_id: str, *, at: int) -> None:
    """Merge two rows: the loser is deleted and fills the empty values of the winner."""
    store = org.module(api_name)
    winner = store.row(winner_id)
    if winner_id == loser_id:
        raise SimulatorError("a row cannot be merged with itself")
    loser = store.take(loser_id)
    merged = loser | winner
    if shared.switches.merge_bumps_modified:
        merged["Modified_Time"] = at
    store.put(merged)
    for other, row in pointing_at(org, loser_id):
        moved = dict(row)
        for name in ("What_Id", "Who_Id", "Parent_Id"):
            if (ref := row.get(name)) is not None and ref[0] == loser_id:
                moved[name] = (winner_id, merged.get(store.name_field), *ref[2:])
        other.put(moved)
        attach(org, other, [moved])
    if shared.switches.merge_in_deleted:
        store.deletions.append(_deletion(org, store, loser, at, "permanent"))
    org.names_version += 1
    if shared.switches.push_on_merge:
        org.board.announce(shared, org.users, store.api_name, "update", {winner_id: ()})
        org.board.announce(shared, org.users, store.api_name, "delete", {loser_id: ()})


def bump_parents(org: Org, rows: Sequence[Row], at: int) -> None:
    """Move Modified_Time of the records to which new notes and activities are linked."""
    for row in rows:
        for ref in (row.get("What_Id"), row.get("Parent_Id")):
            if ref is None:
                continue
            for api_name in ("Leads", "Deals", "Contacts", "Accounts"):
                store = org.modules.get(api_name)
                if store is not None and (parent := store.rows.get(ref[0])) is not None:
                    store.put(parent | {"Modified_Time": at})


def add_email(org: Org, shared: Shared, record_id: str, mail: dict[str, Any]) -> str:
    """Add a mail to a record and return its message id; `mail` holds any of the values in `OrgHandle.add_email`."""
    user = org.user(mail.pop("user", org.admin))
    at = to_epoch(mail.pop("sent_time", shared.clock.epoch()))
    message_id = f"{int(org.new_id()):x}{record_id}"
    entry = {"message_id": message_id, "time": at, "sent": True, "subject": "", "source": "crm", "cc": None}
    entry["from"] = {"user_name": user.full_name, "email": user.email}
    entry["owner"] = {"name": user.full_name, "id": user.id}
    entry["status"] = [{"type": "sent"}]
    entry["to"] = mail.pop("to", [])
    org.emails.setdefault(record_id, []).append(entry | mail)
    return message_id
