"""Stores submissions: one thread that writes everything that waits in one transaction (group commit).

A submission is acknowledged only after that commit. `push/writer.py` says why there is no transaction for each.
"""

import logging
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Condition, Thread
from typing import Any, Literal

from sqlalchemy import Connection, select, update

from zoho_pipeline.channels.database.database import Database
from zoho_pipeline.channels.errors import RegistryError
from zoho_pipeline.channels.forms import submissions
from zoho_pipeline.channels.forms.form_keys import OpenForm
from zoho_pipeline.channels.forms.submissions import Outcome, Submission
from zoho_pipeline.channels.registry.tables import form_keys

log = logging.getLogger(__name__)

MOST_WAITING = 2_000
"""Submissions that wait for the commit. Beyond it, the sender must try again."""

IDLE_SECONDS = 5.0

Answer = Outcome | Literal["no_consent", "unknown_key"]


class QueueFull(Exception):
    """Too much waits to be written."""


@dataclass(frozen=True)
class _Waiting:
    form: OpenForm
    submission: Submission | None
    done: "Future[Answer]"


class FormWriter:
    """The writer of one process. Its thread starts with the first submission and ends when nothing comes.

    Args:
        most_waiting: submissions that may wait.
    """

    def __init__(self, database: Database, most_waiting: int = MOST_WAITING) -> None:
        self._database, self._most = database, most_waiting
        self._changed = Condition()
        self._pending: list[_Waiting] = []
        self._thread: Thread | None = None

    def put(self, form: OpenForm, submission: Submission | None) -> "Future[Answer]":
        """Queue a submission; None is one without consent, which is only counted. The future ends after its commit.

        Raises:
            QueueFull: too many wait. Nothing was queued.
        """
        waiting = _Waiting(form, submission, Future())
        with self._changed:
            if len(self._pending) >= self._most:
                raise QueueFull
            self._pending.append(waiting)
            if self._thread is None:
                self._thread = Thread(target=self._run, name="form writer", daemon=True)
                self._thread.start()
            self._changed.notify()
        return waiting.done

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._pending:
                    self._changed.wait(IDLE_SECONDS)
                if not self._pending:
                    self._thread = None
                    return
                batch, self._pending = self._pending, []
            self._settle(batch)

    def _settle(self, batch: Sequence[_Waiting]) -> None:
        try:
            with self._database.write() as transaction:
                answers = self._write(transaction, batch)
        except RegistryError as error:
            for waiting in batch:
                waiting.done.set_exception(error)
        except Exception as error:
            log.exception("form submissions cannot be stored: unexpected error")
            for waiting in batch:
                waiting.done.set_exception(error)
        else:
            for waiting, answer in zip(batch, answers, strict=True):
                waiting.done.set_result(answer)

    def _write(self, transaction: Connection, batch: Sequence[_Waiting]) -> list[Answer]:
        """Store what comes by keys that exist. The rows of the keys are locked first, in one order."""
        asked = sorted({waiting.form.form_key for waiting in batch})
        own = select(form_keys.c.form_key).where(form_keys.c.form_key.in_(asked))
        there = set(transaction.scalars(own.order_by(form_keys.c.form_key).with_for_update()))
        now = self._database.now_in(transaction)
        answers: list[Answer] = ["no_consent" if waiting.form.form_key in there else "unknown_key" for waiting in batch]
        kept = [
            (place, waiting.form, waiting.submission)
            for place, waiting in enumerate(batch)
            if waiting.submission is not None and waiting.form.form_key in there
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
