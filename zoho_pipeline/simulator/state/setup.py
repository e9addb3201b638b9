"""Changes of what an org consists of: users, modules, fields, pipelines, business hours, holidays."""

from collections.abc import Mapping, Sequence
from typing import Any

from zoho_pipeline.simulator.state.fields import (
    CURRENCY,
    STATUS_HISTORY,
    SYSTEM_FIELDS,
    Field,
    Pick,
    Pipeline,
    parse_fields,
)
from zoho_pipeline.simulator.state.org import Org
from zoho_pipeline.simulator.state.shared import Shared
from zoho_pipeline.simulator.state.users import ADMIN, User
from zoho_pipeline.simulator.wire import SimulatorError


def new_org(
    shared: Shared, *, name: str, time_zone: str, currency: str, edition: str, id_base: int, location: str,
    environment: str, multi_currency: bool,
) -> Org:  # fmt: skip
    """Make an org with an administrator; raises SimulatorError for an unknown edition."""
    org = Org(
        name=name, time_zone=time_zone, currency=currency, edition=edition, id_base=id_base, location=location,
        environment=environment,
    )  # fmt: skip
    add_user(org, shared, first_name="Asha", last_name="Admin", profile=ADMIN, role="CEO")
    if multi_currency:
        enable_multi_currency(org)
    return org


# Users


def add_user(
    org: Org, shared: Shared, *, first_name: str = "Ravi", last_name: str = "", email: str = "", time_zone: str = "",
    profile: str = "Standard", role: str = "Manager", status: str = "active", confirmed: bool = True,
) -> User:  # fmt: skip
    """Add a user; an empty last name, e-mail address or time zone gets a default."""
    user_id = org.new_id()
    for title in (profile, role):
        org.roles.setdefault(title, org.new_id())
    now = shared.clock.epoch()
    name = last_name or f"User{len(org.users)}"
    org.users[user_id] = user = User(
        user_id, str(int(org.zgid) + 10_000 + len(org.users)), first_name, name,
        email or f"{first_name}.{name}@{org.zgid}.example".lower().replace(" ", ""),
        time_zone or org.time_zone, now, now, profile, role, status=status, confirmed=confirmed,
    )  # fmt: skip
    return user


def update_user(org: Org, shared: Shared, user: User | str, **values: Any) -> None:
    """Change attributes of a user; a new name shows in every owner lookup at once."""
    found = org.user(user)
    for name, value in values.items():
        if not hasattr(found, name):
            raise SimulatorError(f"a user has no attribute {name}")
        setattr(found, name, value)
    found.modified = shared.clock.epoch()
    org.names_version += 1


def delete_user(org: Org, shared: Shared, user: User | str) -> None:
    """Delete a user: GET /users lists it as DeletedUsers, its tokens are revoked, its rows keep it as owner."""
    found = org.user(user)
    found.deleted, found.modified = True, shared.clock.epoch()
    shared.tokens.drop_user(org.id, found.id)


def deactivate_user(org: Org, shared: Shared, user: User | str) -> None:
    """Make a user inactive and revoke its tokens."""
    found = org.user(user)
    found.status, found.modified = "inactive", shared.clock.epoch()
    shared.tokens.drop_user(org.id, found.id)


# Modules and fields


def add_field(org: Org, module: str, words: str) -> None:
    """Switch on standard fields, written as `Api_Name:type` words (see `fields.VISITOR`, `fields.ADS`)."""
    for field in parse_fields(words):
        field.id = org.new_id()
        org.module(module).fields[field.api_name] = field
    org.module(module).reshaped()


def add_custom_field(
    org: Org, module: str, api_name: str, label: str, data_type: str = "text", *, picks: Sequence[str] = (),
    lookup: str = "",
) -> Field:  # fmt: skip
    """Add a custom field; raises SimulatorError when the module has a field with this name."""
    store = org.module(module)
    if api_name in store.fields:
        raise SimulatorError(f"{module} already has a field {api_name}")
    field = Field(api_name, data_type, label, org.new_id(), custom=True, lookup=lookup, picks=[Pick(p) for p in picks])
    store.fields[api_name] = field
    store.reshaped()
    return field


def remove_field(org: Org, module: str, api_name: str) -> None:
    """Remove a field with all its values; Modified_Time does not move."""
    store = org.module(module)
    store.field(api_name)
    del store.fields[api_name]
    for row_id in [row_id for row_id, row in store.rows.items() if api_name in row]:
        store.rows[row_id] = {k: v for k, v in store.rows[row_id].items() if k != api_name}
    store.reshaped()


def set_picks(org: Org, module: str, api_name: str, picks: Sequence[Pick | str]) -> None:
    """Replace the values of a picklist; rows keep the values that they have."""
    org.module(module).field(api_name).picks = [p if isinstance(p, Pick) else Pick(p) for p in picks]


def add_pipeline(org: Org, name: str, stages: Sequence[Pick]) -> Pipeline:
    """Add a pipeline; its stages that the Stage picklist lacks are added to the picklist."""
    pipeline = Pipeline(org.new_id(), name, list(stages))
    org.pipelines.append(pipeline)
    known = org.module("Deals").field("Stage").picks
    known += [stage for stage in stages if stage.actual not in {p.actual for p in known}]
    return pipeline


def enable_status_history(org: Org, api_name: str = "Lead_Status_History", field: str = "Lead_Status") -> None:
    """Track the history of a lead picklist in a module with this name."""
    org.add_module(api_name, parse_fields(STATUS_HISTORY.format(field=field)), "field_tracker")


def enable_multi_currency(org: Org) -> None:
    """Give deals a currency and an exchange rate."""
    org.multi_currency = True
    add_field(org, "Deals", CURRENCY)


def add_module(org: Org, api_name: str, words: str, *, generated_type: str = "custom") -> None:
    """Add a module with the system fields and those of `words` (see `fields.MODULE_FIELDS`), as an administrator does.

    Raises:
        SimulatorError: the org has a module with this name.
    """
    if api_name in org.modules:
        raise SimulatorError(f"the org already has a module {api_name}")
    org.add_module(api_name, parse_fields(f"{words} {SYSTEM_FIELDS}"), generated_type)
    org.layout_ids[api_name] = org.new_id()


def remove_module(org: Org, api_name: str) -> None:
    """Switch a module off for the whole org."""
    org.module(api_name)
    del org.modules[api_name]


# Business hours and holidays


def set_business_hours(org: Org, hours: Mapping[str, Any] | None) -> None:
    """Set business hours in Zoho's shape without `id`; None removes them."""
    org.business_hours = None if hours is None else {"id": org.new_id(), **hours}


def add_holiday(org: Org, name: str, date: str, *, type_: str = "business_holiday") -> None:
    """Add a holiday; `date` is `yyyy-MM-dd`."""
    holiday = {"id": org.new_id(), "name": name, "date": date, "year": int(date[:4]), "type": type_}
    org.holidays.append(holiday | {"shift_hour": None})
