"""The worker as a process beside the web server: it is started, watched, started again, and stopped."""

import logging
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
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


@contextmanager
def worker_beside(command: Sequence[str] = COMMAND, env: Mapping[str, str] | None = None) -> Iterator[None]:
    """Keep a worker running inside the `with` block. One that ends is started again, later each time."""
    stopping = Event()
    watcher = Thread(target=_keep_running, args=(command, env, stopping), name="worker-watcher", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        stopping.set()
        watcher.join()


def _keep_running(command: Sequence[str], env: Mapping[str, str] | None, stopping: Event) -> None:
    wait = 1.0
    while not stopping.is_set():
        # A session of its own: Ctrl-C at a terminal would reach it twice. Its input ends with this process: after the
        # server was killed, the next one would start another worker beside the old one.
        child = subprocess.Popen(command, env=env, start_new_session=True, stdin=subprocess.PIPE)
        lived = 0.0
        while child.poll() is None and not stopping.wait(0.2):
            lived += 0.2
        if stopping.is_set():
            _stop(child)
        if child.stdin is not None:
            child.stdin.close()
        if stopping.is_set():
            return
        wait = 1.0 if lived > LIVED_WELL else min(2 * wait, LONGEST_WAIT)
        log.error("The worker ended with exit code %s. It starts again in %g s.", child.returncode, wait)
        stopping.wait(wait)


def _stop(child: "subprocess.Popen[bytes]") -> None:
    child.terminate()
    try:
        child.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        log.error("The worker did not stop within %g s and is killed. Its leases end by themselves.", STOP_SECONDS)
        child.kill()
        child.wait()
