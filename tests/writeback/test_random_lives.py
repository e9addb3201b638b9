"""Random lives of wishes: people edit in Zoho, processes die between a change and its record, answers are lost.

The invariant: Zoho's last status is explained by what people did and by the recorded history, and each wish that is
done stands for exactly one change of ours that took effect and was not known to be lost.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, settings, strategies
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from sqlalchemy import update

from tests.ingest.conftest import CLIENT, CLIENT_SECRET
from tests.writeback.conftest import WORDS, Bench, connected
from zoho_pipeline.channels.registry.platform_tables import writebacks
from zoho_pipeline.settings import load_settings
from zoho_pipeline.simulator import Simulator
from zoho_pipeline.writeback import wishes
from zoho_pipeline.writeback.model import OPEN, Writeback
from zoho_pipeline.writeback.sending import Sending

STATUSES = ("Not Contacted", "Contacted", "Lost Lead", "Attempted to Contact")
WISHES = tuple(WORDS.to_zoho)
PATH = "/crm/v7/Leads/"
MARKS = (None, "platform_wins", "forced")
"""The codes of the step that stores the mark of a change."""


@contextmanager
def place() -> Iterator[Bench]:
    """A connected channel on a simulator of its own."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(TemporaryDirectory())) / "home"
        sim = stack.enter_context(Simulator.start(port=0))
        env = {"ZOHO_PIPELINE_HOME": str(home), "ZOHO_CLIENT_ID": CLIENT, "ZOHO_CLIENT_SECRET": CLIENT_SECRET}
        env["ZOHO_PIPELINE_DATA_CENTERS"] = f'{{"sim": "{sim.url}"}}'
        yield connected(sim, load_settings(env))


class Lives(RuleBasedStateMachine):
    """People, platform, processes and the clock around one lead."""

    def __init__(self) -> None:
        super().__init__()
        self._stack = ExitStack()
        self.bench = self._stack.enter_context(place())
        self.bench.sim.clock.freeze()
        self.bench.limit(settle_seconds=0.001)  # the clock stands still, so a longer wait shows nothing more
        self.person = "Not Contacted"  # what the last person left
        self.made: list[str] = []
        self.policy = "zoho_wins"

    def teardown(self) -> None:
        self._stack.close()

    def _edit(self, status: str) -> None:
        self.bench.org.update("Leads", self.bench.lead, {"Lead_Status": status})
        self.person = status

    @rule(status=strategies.sampled_from(STATUSES))
    def a_person_edits(self, status: str) -> None:
        self._edit(status)

    @rule(seconds=strategies.sampled_from([1, 2, 60]))
    def time_passes(self, seconds: int) -> None:
        self.bench.sim.clock.advance(seconds)

    @rule(word=strategies.sampled_from(WISHES), expected=strategies.sampled_from([None, *WISHES]))
    def the_platform_wishes(self, word: str, expected: str | None) -> None:
        known = self.bench.known(status=self.bench.status())
        self.made.append(self.bench.ask(word, expected, known).id)

    @rule(policy=strategies.sampled_from(["zoho_wins", "platform_wins", "hold"]))
    def the_policy_changes(self, policy: str) -> None:
        self.bench.on(policy=policy)
        self.policy = policy

    @rule(choice=strategies.sampled_from(["keep", "force"]), which=strategies.integers(0, 50))
    def a_person_decides(self, choice: Any, which: int) -> None:
        waiting = [wish for wish in self._all() if wish.waits_for_a_person]
        if waiting:
            wishes.resolve(self.bench.registry, waiting[which % len(waiting)].id, choice, "key:boss")

    @rule()
    def a_worker_sends(self) -> None:
        """Without a race, a change is made only over what was expected, over our own, or by a decision."""
        before, effective = self.bench.status(), self._effective()
        wish = self._send()
        if wish is None or self._effective() == effective or self.policy == "platform_wins":
            return
        ours = {other.desired for other in self._all() if other.id != wish.id and other.state == "done"}
        assert wish.resolution == "forced" or before in ours or before in self._sent(wish).expected_zoho

    @rule(
        fault=strategies.sampled_from(["reset_after", "truncated", "reset", "server_error", "concurrency"]),
        at=strategies.sampled_from([0, 1, 2, 3]),
    )
    def a_worker_sends_and_the_network_fails(self, fault: str, at: int) -> None:
        self.bench.sim.faults.next(1, fault, PATH, after=at)
        self._send()
        self.bench.sim.faults.clear()

    @rule(
        status=strategies.sampled_from(STATUSES),
        at=strategies.sampled_from([1, 2, 3, 4]),
        after=strategies.booleans(),
        seconds=strategies.sampled_from([0, 1]),
    )
    def a_worker_sends_while_a_person_edits(self, status: str, at: int, after: bool, seconds: int) -> None:
        if not self._open():
            return

        def edit() -> None:
            self.bench.sim.clock.advance(seconds)
            self._edit(status)

        self.bench.sim.on_call(at, edit, PATH, after=after)
        self._send()
        self._drop_hooks()

    @rule(at=strategies.sampled_from([1, 2, 3, 4]), after=strategies.booleans())
    def a_worker_dies(self, at: int, after: bool) -> None:
        """Its claim ends during the k-th call, so nothing of what follows is stored: as if it was killed there."""
        if self._open():
            self.bench.sim.on_call(at, self._end_leases, PATH, after=after)
            self._send()
            self._drop_hooks()
            self._end_leases()

    def _send(self) -> Writeback | None:
        wish = self.bench.claim()
        if wish is not None:
            Sending(self.bench.registry, "w", self.bench.limits).send(wish)
        return wish

    def _sent(self, wish: Writeback) -> Writeback:
        return wishes.get(self.bench.registry, wish.id)

    def _effective(self) -> int:
        return sum(call.status == 200 for call in self.bench.puts())

    def _end_leases(self) -> None:
        with self.bench.registry.database.write() as transaction:
            past = self.bench.registry.database.now_in(transaction) - timedelta(seconds=1)
            transaction.execute(update(writebacks).values(lease_until=past))

    def _drop_hooks(self) -> None:
        self.bench.sim.hub.hooks.clear()

    def _all(self) -> list[Writeback]:
        return [wishes.get(self.bench.registry, made) for made in self.made]

    def _open(self) -> list[Writeback]:
        return [wish for wish in self._all() if wish.state in OPEN]

    @invariant()
    def one_wish_at_most_waits_unsent(self) -> None:
        """Beside one whose change was lost: a worker must read the lead before it ends."""
        queued = [wish for wish in self._all() if wish.state == "queued"]
        lost = [wish for wish in queued if any(code in ("lost", "written") for _, code in self.bench.path(wish))]
        assert len(lost) <= 1
        assert len(queued) - len(lost) <= 1

    @invariant()
    def the_status_is_what_a_person_left_or_what_the_history_says(self) -> None:
        status = self.bench.status()
        changed = [wish for wish in self._all() if self._was_sent(wish)]
        assert status == self.person or status in {wish.desired for wish in changed}, (status, self.person)

    @invariant()
    def each_end_is_told_once(self) -> None:
        ends: dict[str, list[str]] = {}
        for kind, data in self.bench.told():
            if "writeback_id" in data:
                ends.setdefault(data["writeback_id"], []).append(kind)
        for wish in self._all():
            kinds = ends.get(wish.id, [])
            assert kinds.count("writeback.done") == (wish.state == "done")
            assert kinds.count("writeback.refused") == (wish.state in ("refused", "failed"))

    @invariant()
    def each_change_has_its_mark_and_each_done_wish_its_change(self) -> None:
        """A done wish has exactly one change that counted; one that was lost in its second is recorded as lost."""
        marks = counted = 0
        for wish in self._all():
            path = self.bench.path(wish)
            marks += sum(state == "sending" and code in MARKS for state, code in path)
            counted += sum(code == "lost" or (state, code) == ("done", None) for state, code in path)
        assert counted <= self._effective() <= marks

    def _was_sent(self, wish: Writeback) -> bool:
        return any(state == "sending" for state, _ in self.bench.path(wish))


LIFE = settings(
    max_examples=6, stateful_step_count=14, deadline=None, suppress_health_check=list(HealthCheck), print_blob=False
)
TestLives = Lives.TestCase
TestLives.settings = LIFE


class LongLives(Lives):
    """The same, longer."""


TestLongLives = pytest.mark.long(LongLives.TestCase)
TestLongLives.settings = settings(LIFE, max_examples=80, stateful_step_count=30)
