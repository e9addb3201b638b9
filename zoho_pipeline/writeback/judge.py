"""What to do with a wish, by what Zoho holds now: the rules of write-back in one place, without any call.

The sender asks before each change, and a dry run asks once.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from zoho_pipeline.writeback.model import Policy, Writeback
from zoho_pipeline.writeback.switch import Switch
from zoho_pipeline.zoho.read.lead_status import LeadStatus

Action = Literal["done", "unchanged", "write", "refuse", "conflict"]


REASONS = {
    "in_blueprint": "A blueprint of Zoho controls the status of this lead, so it cannot be set directly.",
    "locked": "The lead is locked in Zoho.",
    "not_approved": "The lead waits for an approval in Zoho.",
    "not_reviewed": "The lead is in Zoho's review process.",
    "converted": "The lead was converted, and Zoho does not change converted leads.",
    "not_found": "Zoho has no such lead, or the connected user does not see it.",
    "duplicate": "Zoho found a duplicate value.",
    "invalid_value": "Zoho does not accept the value.",
    "no_permission": "The connected user may not change leads in Zoho.",
    "scope_missing": "The consent does not allow changes of leads.",
    "rejected": "Zoho refused the change.",
}
"""Why a wish is refused, in a sentence for a person."""

SWITCHED_OFF = "Write-back was switched off, so nothing more is sent."


@dataclass(frozen=True)
class Verdict:
    """What to do. `why` is a sentence for a person. `overwrites`: the change is made although it is a conflict."""

    action: Action
    code: str | None
    why: str
    overwrites: bool = False


@dataclass
class Turn:
    """What one round knows: the wish as it is stored, the switch, and when Zoho carried out our own change of it.

    Attributes:
        expected: Zoho's words for which it is no conflict.
        changed_at: see `journal.changed_before`.
        is_decided: Zoho has carried out no change since a person said `force`, if somebody did.
    """

    wish: Writeback
    switch: Switch
    expected: list[str | None]
    changed_at: datetime | None
    is_decided: bool

    def is_older_than(self, seen: LeadStatus | None) -> bool:
        """Whether somebody changed the lead in a later second than our own change, or than a person was asked."""
        return seen is not None and self.changed_at is not None and seen.modified_at > self.changed_at

    def verdict(self, seen: LeadStatus | None) -> Verdict:
        """What to do, by what Zoho shows; None: it shows no such lead."""
        if seen is None:
            return Verdict("refuse", "not_found", REASONS["not_found"])
        wish, is_later = self.wish, self.is_older_than(seen)
        # a person decided about the status that was shown; another one is news, and the wish may wait for hours
        is_shown = wish.resolution == "forced" and seen.status == wish.zoho_status
        found = judge(
            wish.desired,
            self.expected,
            seen.status,
            is_converted=seen.is_converted,
            policy=self.switch.policy,
            is_forced=is_shown and (self.is_decided or not is_later),
            is_ours=wish.sending_since is not None,
            is_later=is_later,
        )
        if not self.switch.works and found.action in ("write", "conflict"):
            return Verdict("refuse", "writeback_off", SWITCHED_OFF)
        return found


def judge(
    desired: str,
    expected: Collection[str | None],
    found: str | None,
    *,
    is_converted: bool,
    policy: Policy,
    is_forced: bool = False,
    is_ours: bool = False,
    is_later: bool = False,
) -> Verdict:
    """Decide about a wish.

    Args:
        desired, expected: Zoho's words: the wish, and those for which it is no conflict.
        found: the status at Zoho; None is an empty one.
        is_forced: a person decided that the wish wins.
        is_ours: a change of ours was sent, and its outcome is not known yet. Then the desired status is our own.
        is_later: somebody changed the lead after our own change. Then even an expected status is news.
    """
    if found == desired:
        if is_ours:
            return Verdict("done", None, "Zoho has the status, and our change was under way.")
        return Verdict("unchanged", None, "Zoho has this status already.")
    if is_converted:
        return Verdict("refuse", "converted", "The lead was converted, and Zoho does not change converted leads.")
    if found in expected and not is_later:
        return Verdict("write", None, f"Zoho has {_shown(found)}, as expected.")
    seen = " or ".join(_shown(word) for word in expected) or "nothing"
    change = f"Zoho has {_shown(found)}, and {seen} was expected"
    if is_later:
        change = f"Zoho carried out the change, and somebody changed the lead after it: it has {_shown(found)}"
    if is_forced:
        return Verdict("write", "forced", f"{change}. A person decided to write over it.", overwrites=True)
    if policy == "platform_wins":
        return Verdict("write", "platform_wins", f"{change}. By the policy the wish wins.", overwrites=True)
    ends = "A person decides." if policy == "hold" else "By the policy Zoho's status stays."
    return Verdict("conflict", "changed_in_zoho", f"{change}. {ends}")


def _shown(word: str | None) -> str:
    return "no status" if word is None else repr(word)
