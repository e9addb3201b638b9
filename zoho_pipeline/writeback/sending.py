"""The steps that send one wish. Between two of them the process may be killed, and the next worker goes on.

1. Read the lead at Zoho. 2. Is the status there already? 3. Is it the expected one? If the lead was changed in the very
second of the reading, wait until that second is over, and read once more, because the precondition would not see a
further edit of it. Then store the mark of the change with its precondition, and change it. 4. Somebody was quicker:
begin again, a few times. 5. It is another one: the policy of the channel decides. 6. Read the lead once more: another
status than the desired one was lost in the same second, so begin again, but not for ever; else the wish is done.

While the mark stands, nobody knows whether Zoho carried out the change. Then the desired status, found in step 2, is
our own.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, update

from zoho_pipeline.channels.access.client_factory import open_client
from zoho_pipeline.channels.errors import ChannelError, RegistryError
from zoho_pipeline.channels.registry.model import ACTIVE
from zoho_pipeline.channels.registry.platform_tables import writebacks
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.writeback import claims
from zoho_pipeline.writeback.claims import NO_MARK, LostClaim, Withheld
from zoho_pipeline.writeback.journal import LOST, NOT_READ, WRITTEN, changed_before, count_steps, move
from zoho_pipeline.writeback.judge import REASONS, SWITCHED_OFF, Turn, Verdict
from zoho_pipeline.writeback.limits import WritebackLimits
from zoho_pipeline.writeback.model import BROKEN, OFF, State, Writeback
from zoho_pipeline.writeback.switch import break_switch, switch_and_status, switch_in
from zoho_pipeline.writeback.wishes import get_in
from zoho_pipeline.zoho.accounts.scopes import WRITE_BACK_SCOPES
from zoho_pipeline.zoho.connection.client import ZohoClient
from zoho_pipeline.zoho.errors import (
    CreditsExhausted,
    ModuleMissing,
    NoPermission,
    Permanent,
    ReconnectNeeded,
    ScopeMissing,
    ZohoError,
)
from zoho_pipeline.zoho.read.lead_status import LeadStatus, read_lead_status
from zoho_pipeline.zoho.write.lead_status import Refusal, RefusalCode, Stale, Written, write_lead_status

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")

BREAKING = ("scope_missing", "no_permission")
"""Refusals that concern every lead of the channel."""


class Sending:
    """Sends the wishes that one worker has claimed.

    Args:
        worker: the name under which they are claimed.
    """

    def __init__(self, registry: Registry, worker: str, limits: WritebackLimits) -> None:
        self._registry, self._worker, self._limits = registry, worker, limits

    def send(self, wish: Writeback) -> None:
        """Send one claimed wish, and store what came of it. If the claim was lost, it ends and stores nothing.

        Raises:
            RegistryError: the result cannot be stored. The lease ends, and the wish is taken up again.
        """
        try:
            self._send(wish)
        except LostClaim:
            log.info("write-back %s: the claim was lost.", wish.id)
        except Withheld:
            claims.give_back(self._registry, wish.id, self._worker)

    def _send(self, wish: Writeback) -> None:
        try:
            self._attempt(wish)
        except RegistryError:
            raise
        except CreditsExhausted as error:
            self._later(wish, "credits", str(error))
        except (ScopeMissing, NoPermission, ModuleMissing) as error:
            code: RefusalCode = "scope_missing" if isinstance(error, ScopeMissing) else "no_permission"
            self._unseen(wish, Refusal(code, "", str(error)))
        except ReconnectNeeded as error:
            self._later(wish, "reconnect_needed", str(error))
        except Permanent as error:
            self._unseen(wish, Refusal("rejected", "", str(error)))
        except (ZohoError, ChannelError) as error:
            self._later(wish, "zoho_unreachable", str(error))

    def _attempt(self, wish: Writeback) -> None:
        with open_client(
            self._registry.settings, self._registry, wish.channel_id, pacing=self._limits.pacing
        ) as client:
            try:
                self._rounds(client, wish)
            finally:
                self._registry.add_credits(wish.channel_id, client.meter.credits)

    def _rounds(self, client: ZohoClient, wish: Writeback) -> None:
        waited_for: datetime | None = None
        left = waits = self._limits.rounds + 1
        while left and waits:
            turn = self._renewed(wish)
            if turn is None:
                return
            seen = read_lead_status(client, wish.lead_id)
            verdict = turn.verdict(seen)
            if seen is None or verdict.action != "write":
                self._end(turn, seen, verdict)
                return
            if self._superseded(turn, seen):
                return
            wait = min(seen.open_seconds, self._limits.settle_seconds)
            if wait > 0 and seen.modified_at != waited_for:  # a further edit in this second would pass the precondition
                client.sleep(wait)
                waited_for, waits = seen.modified_at, waits - 1
                continue
            if self._change(client, turn, seen, verdict):
                return
            left -= 1
        self._later(wish, "changed_meanwhile", "Somebody changed the lead between each reading and each change.")

    def _renewed(self, wish: Writeback) -> Turn | None:
        """The wish as it is now, in the words of the map of now. None: it is at its end."""
        with self._registry.database.write() as transaction:
            now = self._registry.database.now_in(transaction)
            found = claims.renew(transaction, wish.id, self._worker, now, self._limits.lease)
            switch, status = switch_and_status(transaction, found.channel_id)
            if switch is None or switch.state == BROKEN or status != ACTIVE:
                raise Withheld(wish.id)
            if found.sending_since is None and switch.state == OFF:
                move(transaction, found, "refused", who="worker", now=now, code="writeback_off", detail=SWITCHED_OFF)
                return None
            if found.sending_since is None:
                desired = switch.words.to_write(found.status, switch.picklist)
                if desired is None:
                    detail = f"{found.status!r} is no status of the map or of Zoho's list any more."
                    move(transaction, found, "refused", who="worker", now=now, code="unmapped", detail=detail)
                    return None
                if desired != found.desired:
                    transaction.execute(update(writebacks).where(writebacks.c.id == found.id).values(desired=desired))
                    found = replace(found, desired=desired)
            expected = found.expected_zoho
            if found.expected_status is None:
                ours = claims.own_change_since(transaction, found)
                expected = expected if ours is None else [ours]
            is_decided = count_steps(transaction, found, LOST, WRITTEN, since_decision=True) == 0
            return Turn(found, switch, expected, changed_before(transaction, found), is_decided)

    def _end(self, turn: Turn, seen: LeadStatus | None, verdict: Verdict) -> None:
        """Store an end that needs no change at Zoho."""
        values: dict[str, Any] = {}
        if seen is not None:
            values = {"zoho_status": seen.status, "zoho_modified_at": seen.modified_at}
        if verdict.action == "done":
            self._move(turn.wish, "done", "found", verdict.why, **values)
        elif verdict.action == "unchanged":
            self._move(turn.wish, "unchanged", None, verdict.why, **values)
        elif verdict.action == "refuse" and claims.was_written(turn.wish):
            self._move(turn.wish, "done", NOT_READ, f"{claims.WRITTEN_UNREAD} {verdict.why}", **values)
        else:
            state: State = "refused" if verdict.action == "refuse" else "conflict"
            if state == "conflict":
                values |= {"resolution": None if turn.switch.policy == "hold" else "zoho_wins"}
            self._end_unless_superseded(turn, seen, state, verdict, values | NO_MARK)

    def _end_unless_superseded(
        self, turn: Turn, seen: LeadStatus | None, state: State, verdict: Verdict, values: dict[str, Any]
    ) -> None:
        """One transaction: a newer wish that comes after the look for one finds this wish at its end."""
        builds_on = not turn.is_older_than(seen)

        def step(transaction: Connection, found: Writeback, now: datetime) -> None:
            if not claims.supersede(transaction, found, self._worker, now, builds_on=builds_on):
                self._moved(transaction, found, now, state, verdict.code, verdict.why, values)

        self._with_claim(turn.wish, step)

    def _change(self, client: ZohoClient, turn: Turn, seen: LeadStatus, verdict: Verdict) -> bool:
        """Mark the wish, change the status, and look. Returns whether the attempt is over."""
        earlier = turn.wish
        # a policy, or a person, that writes over a later edit may change its mind before that is sent
        values = {"zoho_status": seen.status, "zoho_modified_at": turn.changed_at or seen.modified_at}

        def mark(transaction: Connection, found: Writeback, now: datetime) -> Writeback:
            switch, status = switch_and_status(transaction, found.channel_id)
            if status != ACTIVE or switch is None or switch.changed_at != turn.switch.changed_at:
                raise Withheld(found.id)  # the next attempt goes by what holds then
            sent = values | {"sending_since": now, "sending_precondition": seen.modified_at}
            sent |= claims.decided(found, seen.status)
            self._moved(transaction, found, now, "sending", verdict.code, verdict.why, sent)
            return get_in(transaction, found.id)

        marked = self._with_claim(earlier, mark)
        try:
            wished = (client, earlier.lead_id, earlier.desired)
            outcome = write_lead_status(*wished, unmodified_since=seen.modified_time, trigger=turn.switch.trigger)
        except ZohoError:
            self._unmark(marked, earlier, "not_sent", "Zoho did not carry out the change.")
            raise
        if isinstance(outcome, Written):
            return self._look(client, turn, marked, outcome.modified_at or seen.modified_at)
        if isinstance(outcome, Stale):
            self._unmark(marked, earlier, "already_modified", "Somebody changed the lead after our reading.")
            return False
        if isinstance(outcome, Refusal):
            self._refused(marked, outcome, seen)
            return True
        self._later(marked, "unknown", outcome.why)
        return True

    def _look(self, client: ZohoClient, turn: Turn, marked: Writeback, changed_at: datetime) -> bool:
        """Read the lead after a change that Zoho carried out. Returns whether the attempt is over."""
        turn.changed_at = changed_at
        try:
            after = read_lead_status(client, marked.lead_id)
        except ZohoError:
            known = {"zoho_status": marked.desired, "zoho_modified_at": changed_at}
            why = "Zoho carried out the change, and could not be read."
            self._move(marked, "sending", WRITTEN, why, **known)
            raise
        if after is not None and after.status == marked.desired:
            values = {"zoho_status": after.status, "zoho_modified_at": after.modified_at}
            self._move(marked, "done", None, "Zoho has the status.", **values)
            return True

        def lose(transaction: Connection, found: Writeback, now: datetime) -> bool:
            switch = switch_in(transaction, found.channel_id)
            policy = switch.policy if switch is not None and switch.works else None
            return claims.lose(transaction, found, self._worker, now, after, changed_at, policy, self._limits)

        return self._with_claim(marked, lose) or self._superseded(turn, after)

    def _unmark(self, marked: Writeback, earlier: Writeback, code: str, why: str) -> None:
        """Take the mark of a change back that was surely not carried out. An earlier mark in doubt stands."""
        state: State = "queued" if earlier.sending_since is None else "sending"
        mark = {"sending_since": earlier.sending_since, "sending_precondition": earlier.sending_precondition}
        self._move(marked, state, code, why, **mark)

    def _refused(self, wish: Writeback, refusal: Refusal, seen: LeadStatus | None) -> None:
        """End a wish that Zoho refuses. A refusal that concerns every lead breaks the switch, once."""
        detail = REASONS[refusal.code]
        if refusal.zoho_code or refusal.message:
            detail = f"{detail} Zoho: {' '.join(filter(None, (refusal.zoho_code, refusal.message)))}"
        values: dict[str, Any] = dict(NO_MARK)
        if seen is not None:
            values |= {"zoho_status": seen.status, "zoho_modified_at": seen.modified_at}

        def step(transaction: Connection, found: Writeback, now: datetime) -> None:
            moved = self._moved(transaction, found, now, "refused", refusal.code, detail, values)
            claims.pass_on_unless_changed(transaction, found)
            if moved and refusal.code in BREAKING:
                break_switch(transaction, found.channel_id, detail, now)

        self._with_claim(wish, step)
        if refusal.code == "scope_missing":
            self._registry.add_missing_scopes(wish.channel_id, WRITE_BACK_SCOPES)

    def _unseen(self, wish: Writeback, refusal: Refusal) -> None:
        """Zoho refuses to show the lead. That ends a wish, but not one whose change is in doubt, or was carried out."""

        def step(transaction: Connection, found: Writeback, now: datetime) -> bool:
            if found.sending_since is None:
                return False
            why = f"Zoho does not show the lead: {refusal.message}"
            claims.put_off(transaction, found, self._worker, now, self._limits, code=refusal.code, why=why)
            if refusal.code in BREAKING:
                break_switch(transaction, found.channel_id, f"{REASONS[refusal.code]} Zoho: {refusal.message}", now)
            return True

        if not self._with_claim(wish, step):
            self._refused(wish, refusal, None)

    def _later(self, wish: Writeback, code: str, why: str) -> None:
        """Let the wish wait for its next try, or end it when its time is over. A mark stands."""

        def step(transaction: Connection, found: Writeback, now: datetime) -> None:
            claims.put_off(transaction, found, self._worker, now, self._limits, code=code, why=why)

        self._with_claim(wish, step)

    def _superseded(self, turn: Turn, seen: LeadStatus | None) -> bool:
        """End the wish if a newer one for the lead came while a change of this one was in doubt."""

        def step(transaction: Connection, found: Writeback, now: datetime) -> bool:
            return claims.supersede(transaction, found, self._worker, now, builds_on=not turn.is_older_than(seen))

        return self._with_claim(turn.wish, step)

    def _move(self, wish: Writeback, state: State, code: str | None, detail: str, **values: Any) -> Writeback:
        """Move the wish to a state, and return it. LostClaim: it is no longer this worker's."""

        def step(transaction: Connection, found: Writeback, now: datetime) -> Writeback:
            self._moved(transaction, found, now, state, code, detail, values)
            return get_in(transaction, found.id)

        return self._with_claim(wish, step)

    def _moved(
        self,
        transaction: Connection,
        wish: Writeback,
        now: datetime,
        state: State,
        code: str | None,
        detail: str,
        values: dict[str, Any],
    ) -> bool:
        mine = claims.is_mine(self._worker, now)
        return move(transaction, wish, state, who="worker", now=now, code=code, detail=detail, only_if=mine, **values)

    def _with_claim(self, wish: Writeback, step: Callable[[Connection, Writeback, datetime], Answer]) -> Answer:
        """Run a step with the wish as it is stored, and return its answer. LostClaim: it is no longer this worker's."""
        database = self._registry.database
        with database.write() as transaction:
            database.one_at_a_time(transaction, f"writeback {wish.channel_id}")
            now = database.now_in(transaction)
            return step(transaction, claims.renew(transaction, wish.id, self._worker, now, self._limits.lease), now)
