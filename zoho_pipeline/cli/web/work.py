"""The command `work`: the worker that syncs on request."""

import logging
import os
import signal
import sys
from threading import Thread
from typing import TYPE_CHECKING, Any, Self

import click

from zoho_pipeline import stopping
from zoho_pipeline.cli.output import format_option, print_json, say
from zoho_pipeline.cli.program import BUG
from zoho_pipeline.cli.session import Session
from zoho_pipeline.service_settings import load_service_settings
from zoho_pipeline.settings import PipelineError

if TYPE_CHECKING:
    from zoho_pipeline.worker.worker import Worker


class _Signals:
    """Lets SIGTERM and Ctrl-C stop the worker, for the length of the block. `stopped`: one of them came."""

    def __init__(self) -> None:
        self.worker: Worker | None = None
        self.stopped = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGTERM, signal.SIGINT):
            self._before[number] = signal.signal(number, self._stop)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def end_with_input(self) -> None:
        """Stop when standard input ends. The server that started this worker holds its other end, so it ends with the
        server, also with one that was killed. The body of a thread."""
        while os.read(0, 1):  # not sys.stdin: its lock, held at the exit of the interpreter, is a fatal error
            pass
        self._stop()

    def _stop(self, *_: object) -> None:
        self.stopped = True
        if self.worker is not None:
            self.worker.stop()


@click.command(short_help="Sync on request, publish, and send events.")
@click.option("--once", is_flag=True, help="Do what is waiting, then end: with exit code 1 if a request failed.")
@click.option("--beside", is_flag=True, hidden=True, help="End when standard input ends.")
@format_option
def work(once: bool, beside: bool, output: str) -> None:
    """Take the requests for a sync that the web server stores: sync each channel, build its marts, publish them.

    The worker also makes the first sync of a new channel, and sends events to the endpoints (see
    `zoho-pipeline web endpoints`). Several workers may run, also on several hosts that share a registry on
    Postgres. On SIGTERM or Ctrl-C, a sync stops at its next checkpoint, its request goes back into the
    queue, and the command ends with exit code 0 within ten seconds.

    \b
    Examples:
      zoho-pipeline work
      zoho-pipeline work --once --format json
    """
    with stopping.own_handling(), _Signals() as signals:  # before the import, which takes seconds
        if beside:
            Thread(target=signals.end_with_input, name="beside", daemon=True).start()
        from zoho_pipeline.worker.worker import Worker

        service, session = load_service_settings(), Session()
        signals.worker = worker = Worker(session.settings, service)
        if signals.stopped:
            worker.stop()
        complete = worker.run(once=once)
    if output == "json":
        print_json({"done": sorted(worker.done), "failed": worker.failed, "left": worker.left})
    elif once and not signals.stopped:
        say(f"{len(worker.done)} requests are done, {len(worker.failed)} failed, {len(worker.left)} are left.")
    if worker.hangs:  # a thread waits for Zoho or for a build; what it holds was given back, and a kill loses nothing
        logging.shutdown()
        sys.stdout.flush()
        os._exit(0)
    if not complete and not signals.stopped:
        *first, last = [*worker.failed.values(), *worker.left.values()] or [f"the worker ended: {BUG}"]
        for line in first:
            say(f"error: {line}", err=True)
        raise PipelineError(last)
