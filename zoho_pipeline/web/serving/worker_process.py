"""The worker as a process beside the web server: it is started, watched, started again, and stopped."""

import logging
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread

log = logging.getLogger(__name__)

PROGRAM = (sys.executable, "-c", "from zoho_pipeline.cli import main; main()")
"""The command line in a process of its own, also where `zoho-pipeline` is not on the PATH."""

COMMAND = (*PROGRAM, "work", "--beside")
STOP_SECONDS = 15.0
"""A worker finishes or gives back its work within 10 s of SIGTERM."""

LONGEST_WAIT = 60.0
LIVED_WELL = 60.0
"""A worker that lived this long is started again at once."""


@dataclass
class Beside:
    """A worker beside a server. `number` is the signal that ends it: after SIGINT it gives back its work sooner."""

    number: int = signal.SIGTERM
    stopping: Event = field(default_factory=Event)

    def stop(self, number: int) -> None:
        """Let the worker end by this signal, and start none again. Does not wait for it."""
        self.number = number
        self.stopping.set()


@contextmanager
def worker_beside(command: Sequence[str] = COMMAND, env: Mapping[str, str] | None = None) -> Iterator[Beside]:
    """Keep a worker running inside the `with` block. One that ends is started again, later each time."""
    beside = Beside()
    watcher = Thread(target=_keep_running, args=(command, env, beside), name="worker-watcher", daemon=True)
    watcher.start()
    try:
        yield beside
    finally:
        beside.stopping.set()
        watcher.join()


def _keep_running(command: Sequence[str], env: Mapping[str, str] | None, beside: Beside) -> None:
    wait, stopping = 1.0, beside.stopping
    while not stopping.is_set():
        # A session of its own: Ctrl-C at a terminal would reach it twice. Its input ends with this process: after the
        # server was killed, the next one would start another worker beside the old one.
        child = subprocess.Popen(command, env=env, start_new_session=True, stdin=subprocess.PIPE)
        lived = 0.0
        while child.poll() is None and not stopping.wait(0.2):
            lived += 0.2
        if stopping.is_set():
            _stop(child, beside.number)
        if child.stdin is not None:
            child.stdin.close()
        if stopping.is_set():
            return
        wait = 1.0 if lived > LIVED_WELL else min(2 * wait, LONGEST_WAIT)
        log.error("The worker ended with exit code %s. It starts again in %g s.", child.returncode, wait)
        stopping.wait(wait)


def _stop(child: "subprocess.Popen[bytes]", number: int) -> None:
    # Python prints a traceback if SIGINT comes before the worker has started. It prints nothing after SIGTERM. A worker
    # that runs takes the two signals as one request to end soon.
    child.send_signal(signal.SIGTERM)
    if number == signal.SIGINT:
        child.send_signal(number)
    try:
        child.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        log.error("The worker did not stop within %g s and is killed. Its leases end by themselves.", STOP_SECONDS)
        child.kill()
        child.wait()
