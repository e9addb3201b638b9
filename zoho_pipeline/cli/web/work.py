"""The command `work`: the worker that syncs on request."""

import signal
from collections.abc import Callable
from threading import Thread
from typing import TYPE_CHECKING, Any, NoReturn, Self

import click

from zoho_pipeline import stopping
from zoho_pipeline.cli.output import format_option, print_json, say
from zoho_pipeline.cli.program import BUG, STOPPED, leave
from zoho_pipeline.cli.session import Session
from zoho_pipeline.service_settings import load_service_settings
from zoho_pipeline.settings import PipelineError

if TYPE_CHECKING:
    from zoho_pipeline.worker.worker import Worker

STOPPING = "Stopping: syncs end at their next checkpoint, and their requests go back into the queue.\n"


class _Signals:
    """Lets SIGTERM and Ctrl-C stop the worker, for the length of the block. `stopped`: the number of the first one.

    Args:
        says: whether it says so at once on stderr.
        unstarted: ends the process where there is no worker yet. Its import takes seconds on a busy machine, and
            nothing was taken.
    """

    def __init__(self, *, says: bool, unstarted: Callable[[int], NoReturn]) -> None:
        self.worker: Worker | None = None
        self.stopped: int | None = None
        self._says, self._unstarted = says, unstarted
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGTERM, signal.SIGINT):
            self._before[number] = signal.signal(number, self._stop)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def end_with_input(self) -> None:
        """Stop when the server that started this worker ends. The body of a thread."""
        stopping.wait_for_the_end_of_input()
        self._stop()

    def _stop(self, number: int = signal.SIGTERM, _: object = None) -> None:
        if self.stopped is None:
            self.stopped = number
            if self._says:
                stopping.announce(STOPPING)
        if self.worker is None:
            self._unstarted(self.stopped)
        self.worker.stop(quickly=signal.SIGINT in (self.stopped, number))


@click.command(short_help="Sync on request, publish, and send events.")
@click.option("--once", is_flag=True, help="Do what is waiting, then end: with exit code 1 if a request failed.")
@click.option("--check", is_flag=True, help="Only say whether a worker of this machine lives: exit code 0 or 1.")
@click.option("--beside", is_flag=True, hidden=True, help="End when standard input ends.")
@format_option
def work(once: bool, check: bool, beside: bool, output: str) -> None:
    """Take the requests for a sync that the web server stores: sync each channel, build its marts, publish them.

    The worker also makes the first sync of a new channel, and sends events to the endpoints (see
    `zoho-pipeline web endpoints`). Several workers may run, also on several hosts that share a registry on
    Postgres. On SIGTERM or Ctrl-C, a sync stops at its next checkpoint, its request goes back into the
    queue, and the command ends within ten seconds, after Ctrl-C within two. The exit code is then 0, but with
    --once it is 143 or 130.

    \b
    Examples:
      zoho-pipeline work
      zoho-pipeline work --once --format json
      zoho-pipeline work --check
    """
    if check:
        _check(output)
        return

    def unstarted(number: int) -> NoReturn:
        if output == "json":
            print_json({"done": [], "failed": {}, "left": {}})
        elif not beside:
            say("The worker has stopped. It had taken nothing.")
        leave(_exit_code(number, once))

    with stopping.own_handling(), _Signals(says=not beside, unstarted=unstarted) as signals:  # before the import
        if beside:
            Thread(target=signals.end_with_input, name="beside", daemon=True).start()
        from zoho_pipeline.worker.worker import Worker

        service, session = load_service_settings(), Session()
        signals.worker = worker = Worker(session.settings, service)
        complete = signals.stopped is None and worker.run(once=once)
    if output == "json":
        print_json({"done": sorted(worker.done), "failed": worker.failed, "left": worker.left})
    elif signals.stopped is not None and not beside:
        say("The worker has stopped. What it had taken is in the queue again.")
    elif once:
        say(f"{len(worker.done)} requests are done, {len(worker.failed)} failed, {len(worker.left)} are left.")
    if signals.stopped is not None or (worker.hangs and complete):
        # a thread may wait for Zoho or for a build; what it holds was given back
        leave(_exit_code(signals.stopped, once))
    if not complete:
        *first, last = [*worker.failed.values(), *worker.left.values()] or [f"the worker ended: {BUG}"]
        for line in first:
            say(f"error: {line}", err=True)
        if worker.hangs:  # the end of the interpreter would wait for its thread
            say(f"error: {last}", err=True)
            leave(1)
        raise PipelineError(last)


def _check(output: str) -> None:
    """Say whether a worker of this machine has a lease. PipelineError: none has."""
    from zoho_pipeline.channels.sync_requests.workers import alive_on_this_host

    is_alive = alive_on_this_host(Session().registry)
    if output == "json":
        print_json({"alive": is_alive})
    elif is_alive:
        say("A worker of this machine is alive.")
    if not is_alive:
        raise PipelineError("no worker of this machine is alive. Start one with: zoho-pipeline work")


def _exit_code(stopped: int | None, once: bool) -> int:
    """A signal is the usual end of a worker, but it leaves `work --once` without what it should have done."""
    return STOPPED + stopped if once and stopped is not None else 0
