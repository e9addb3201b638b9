"""Stores submissions by group commit. A submission is acknowledged only after its commit."""

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, select, update

from zoho_pipeline.channels.database.database import Database
from zoho_pipeline.channels.database.group_commit import GroupCommit
from zoho_pipeline.channels.forms import submissions
from zoho_pipeline.channels.forms.form_keys import OpenForm
from zoho_pipeline.channels.forms.submissions import Outcome, Submission
from zoho_pipeline.channels.registry.tables import form_keys

MOST_WAITING = 2_000
"""Submissions that wait for the commit. Beyond it, the sender must try again."""

Answer = Outcome | Literal["no_consent", "unknown_key"]


@dataclass(frozen=True)
class _Sent:
    form: OpenForm
    submission: Submission | None


class FormWriter:
    """The writer of one process.

    Args:
        most_waiting: submissions that may wait.
    """

    def __init__(self, database: Database, most_waiting: int = MOST_WAITING) -> None:
        self._database = database
        self._queue = GroupCommit(database, "form submissions", self._write, most=most_waiting)

    def put(self, form: OpenForm, submission: Submission | None) -> "Future[Answer]":
        """Queue a submission; None is one without consent, which is only counted. The future ends after its commit.

        Raises:
            QueueFull: too many wait. Nothing was queued.
        """
        return self._queue.put(_Sent(form, submission))

    def _write(self, transaction: Connection, batch: Sequence[_Sent]) -> list[Answer]:
        """Store what comes by keys that exist. The rows of the keys are locked first, in one order."""
        asked = sorted({sent.form.form_key for sent in batch})
        own = select(form_keys.c.form_key).where(form_keys.c.form_key.in_(asked))
        there = set(transaction.scalars(own.order_by(form_keys.c.form_key).with_for_update()))
        now = self._database.now_in(transaction)
        answers: list[Answer] = ["no_consent" if sent.form.form_key in there else "unknown_key" for sent in batch]
        kept = [
            (place, sent.form, sent.submission)
            for place, sent in enumerate(batch)
            if sent.submission is not None and sent.form.form_key in there
        ]
        outcomes = submissions.store(transaction, [(form.channel_id, given) for _, form, given in kept], now)
        stored: Counter[str] = Counter()
        suspect: Counter[str] = Counter()
        for (place, form, given), outcome in zip(kept, outcomes, strict=True):
            answers[place] = outcome
            if outcome == "stored":
                stored[form.form_key] += 1
                suspect[form.form_key] += given.suspect_reason is not None
        refused = Counter(w.form.form_key for w in batch if w.submission is None)
        columns = form_keys.c
        for form_key in sorted((stored.keys() | refused.keys()) & there):
            counts = {"stored": columns.stored + stored[form_key], "suspect": columns.suspect + suspect[form_key]}
            values: dict[str, Any] = {**counts, "no_consent": columns.no_consent + refused[form_key]}
            if stored[form_key]:
                values["last_at"] = now
            transaction.execute(update(form_keys).where(columns.form_key == form_key).values(**values))
        return answers
