"""What a write-back is: one wish for the status of one lead, from the wish to its end."""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal, get_args

from zoho_pipeline.channels.errors import DamagedValue
from zoho_pipeline.channels.registry.platform_tables import writebacks
from zoho_pipeline.channels.registry.tables import require_types, types_of

Policy = Literal["zoho_wins", "platform_wins", "hold"]
"""What happens where Zoho has neither the status that is wished nor the one that the user saw.

`zoho_wins` keeps Zoho's, `platform_wins` writes over it, `hold` lets a person decide.
"""
POLICIES: tuple[Policy, ...] = get_args(Policy)

State = Literal["queued", "sending", "done", "unchanged", "refused", "conflict", "kept", "superseded", "failed"]
"""`sending`: a call was, or may have been, sent, and its outcome is not stored yet. `conflict` without a resolution
waits for a person. `kept`: that person kept Zoho's status."""
STATES: tuple[State, ...] = get_args(State)
OPEN: tuple[State, ...] = ("queued", "sending")

ON, OFF, DEGRADED, BROKEN = "on", "off", "degraded", "broken"
WORKS = (ON, DEGRADED)
"""`degraded`: a value of the map left Zoho's list, and the others work. `broken`: Zoho refuses every change."""

LONGEST_DETAIL = 500


@dataclass(frozen=True)
class Writeback:
    """A row of `registry_writebacks`; its columns say what each value is."""

    id: str
    channel_id: str
    lead_id: str
    status: str
    desired: str
    expected_status: str | None
    expected_zoho: list[str | None]
    expected_modified_at: datetime | None
    state: State
    resolution: str | None
    code: str | None
    detail: str | None
    tries: int
    next_try_at: datetime | None
    lease_until: datetime | None
    worker: str | None
    sending_since: datetime | None
    sending_precondition: datetime | None
    actor: str | None
    reason: str | None
    zoho_status: str | None
    zoho_modified_at: datetime | None
    echo_seen_at: datetime | None
    created_at: datetime
    queued_at: datetime
    finished_at: datetime | None

    @property
    def waits_for_a_person(self) -> bool:
        return self.state == "conflict" and self.resolution is None


@dataclass(frozen=True)
class Step:
    """A row of `registry_writeback_events`: who moved a write-back from one state to another, and why."""

    at: datetime
    who: str
    from_state: str | None
    to_state: str
    code: str | None
    detail: str | None


_NAMES = tuple(column.name for column in fields(Writeback))
TYPES = types_of(writebacks)


def of_row(row: Any) -> Writeback:
    """The write-back in a row of the table, or in another mapping with its columns. DamagedValue: it holds none."""
    require_types(row, TYPES)
    expected = row["expected_zoho"]
    is_list = isinstance(expected, list) and all(isinstance(word, str | None) for word in expected)
    if row["state"] not in STATES or not is_list:
        raise DamagedValue("a write-back that this version does not know")
    return Writeback(**{name: row[name] for name in _NAMES})
