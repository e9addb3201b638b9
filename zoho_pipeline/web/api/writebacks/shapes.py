"""The bodies of the API of write-back."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from zoho_pipeline.writeback.model import State

LeadId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,32}$")]
Word = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class StatusWish(BaseModel):
    """The status that a lead shall have."""

    model_config = ConfigDict(extra="forbid")
    status: Word = Field(description="A word of the platform, by the map of the channel; or one of Zoho's list.")
    expected_status: Word | None = Field(
        default=None,
        description="The status that the user saw. If Zoho has another one, the wish is a conflict. Null: the status "
        "of the published lead counts.",
    )
    actor: Annotated[str, StringConstraints(max_length=200)] | None = Field(
        default=None, description="Who wishes it, in your words. It is stored with the wish, and never sent to Zoho."
    )
    reason: Annotated[str, StringConstraints(max_length=500)] | None = Field(
        default=None, description="Why. It is stored with the wish, and never sent to Zoho."
    )


class WishAccepted(BaseModel):
    """The wish is stored, and a worker sends it."""

    id: str = Field(description="The id for `GET /v1/writebacks/{id}`.")
    state: State = Field(description="`queued`: it is not sent yet.")
    zoho_status: str = Field(description="The status that Zoho gets, in Zoho's word.")


class DryRun(BaseModel):
    """What would happen to the wish if Zoho has what the published lead shows."""

    would: Literal["write", "nothing", "refuse", "conflict"]
    request: dict[str, Any] | None = Field(description="The call that would be sent; null: none.")
    why: str = Field(description="The reason, in a sentence.")


class StepShown(BaseModel):
    """A step of a write-back."""

    model_config = ConfigDict(populate_by_name=True)
    at: datetime
    who: str
    from_state: str | None = Field(serialization_alias="from")
    to_state: str = Field(serialization_alias="to")
    code: str | None
    detail: str | None


class WritebackShown(BaseModel):
    """A wish for the status of a lead, and what came of it."""

    id: str
    channel_id: str
    lead_id: str
    status: str = Field(description="The word of the wish.")
    zoho_status: str = Field(description="Zoho's word for it.")
    expected_status: str | None = Field(description="What the user saw, if the wish said it.")
    state: State = Field(description="`conflict` without a resolution waits for a decision.")
    resolution: Literal["kept", "forced", "zoho_wins"] | None = Field(description="How a conflict was decided.")
    code: str | None = Field(description="Why it is in this state; programs read this.")
    detail: str | None = Field(description="The same in a sentence.")
    tries: int = Field(description="Failed tries.")
    next_try_at: datetime | None
    found_status: str | None = Field(description="The status that Zoho had at the last look.")
    zoho_modified_at: datetime | None = Field(description="Zoho's Modified_Time at the last look.")
    echo_seen_at: datetime | None = Field(description="When a sync read our own change back.")
    actor: str | None = Field(description="Null without the scope `write` or `pii`.")
    reason: str | None = Field(description="Null without the scope `write` or `pii`.")
    created_at: datetime
    finished_at: datetime | None


class WritebackWithSteps(WritebackShown):
    """A write-back with its journal."""

    events: list[StepShown] = Field(description="Each step, the oldest first.")


class WritebackPage(BaseModel):
    """Write-backs of a channel, the newest first."""

    data: list[WritebackShown]
    next_cursor: str | None


class Decision(BaseModel):
    """What shall happen to a conflict that waits."""

    model_config = ConfigDict(extra="forbid")
    choice: Literal["keep", "force"] = Field(
        description="`keep` leaves Zoho's status as it is. `force` writes the wish over it."
    )
    found_status: Annotated[str, StringConstraints(max_length=1_000)] | None = Field(
        default=None,
        description="The `found_status` that the person saw; null is an empty one. If Zoho has another one by now, the "
        "answer is 409. Without this field, the decision is about whichever status waits.",
    )
