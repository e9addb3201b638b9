"""Ctrl-C and SIGTERM: how a command stops at once, also within a long statement of an engine.

Python's own handling is not enough. DuckDB turns Ctrl-C into a RuntimeError or does not see it while another thread
works, psycopg2 does not see it before the statement ends, and dlt keeps it back and may forget it. So `stoppable`
notes the signal by a file descriptor that Python writes to at once, interrupts the open sessions of the engines, and
remembers the request: whatever error follows is the consequence of the stop.

Only the command line uses `stoppable`. In other processes `requested` is always None, and `interruptible` changes
nothing. Services of the command line end in their own order: they use `own_handling`.

A second Ctrl-C ends the process at once, also a service. That loses nothing: it is what a kill does.
"""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.machinery import ExtensionFileLoader
from types import FrameType
from typing import NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM)

_lock = threading.Lock()
_interrupts: dict[object, Callable[[], object]] = {}
_requested: list[int] = []
_own_handlings: list[object] = []
_postponed: list[threading.Timer] = []
_POSTPONE_SECONDS = 0.05
_last_acts: dict[object, Callable[[], object]] = {}
_sent_again: list[int] = []
_first_at: list[float] = []
_raised_at: list[float] = []

SECOND_AFTER_SECONDS = 0.3
"""A signal that comes sooner after the first one is the same Ctrl-C: `make` and `uv run` pass on what the terminal sent
to all of them."""

AT_ONCE = "stopped at once by a second Ctrl-C: what was under way is as after a kill. The next run does it again.\n"
WATCHER = "stopping"
"""The name of the thread that reads the signals. It ends with the block of `stoppable`."""

_SHOW_CURSOR = "\x1b[?25h"


def requested() -> int | None:
    """The number of the first signal that asked this command to stop; None if there was none."""
    return _requested[0] if _requested else None


def raise_if_requested() -> None:
    """Stop here, if a stop was requested: for places where a library may have swallowed the signal.

    Raises:
        KeyboardInterrupt: a signal came.
    """
    if _requested:
        raise KeyboardInterrupt


@contextmanager
def interruptible(interrupt: Callable[[], object]) -> Iterator[None]:
    """A block in which a stop calls `interrupt`, from another thread. It must be safe at any time of the block."""
    key = object()
    with _lock:
        _interrupts[key] = interrupt
    try:
        yield
    finally:
        with _lock:
            del _interrupts[key]


@contextmanager
def before_the_end(act: Callable[[], object]) -> Iterator[None]:
    """A block in which a second Ctrl-C calls `act`, from another thread, before it ends the process."""
    key = object()
    _last_acts[key] = act
    try:
        yield
    finally:
        del _last_acts[key]


def announce(text: str) -> None:
    """Write a line to stderr. A signal handler may call it: a buffered stream may be in the middle of another line."""
    with suppress(OSError):  # the terminal may be gone
        os.write(2, text.encode())


def wait_for_the_end_of_input() -> None:
    """Return when standard input ends. The process that started this one holds its other end, so this one can end with
    it, also if it was killed.
    """
    while os.read(0, 1):  # not sys.stdin: its lock, held at the exit of the interpreter, is a fatal error
        pass


@contextmanager
def own_handling() -> Iterator[None]:
    """A block that handles SIGINT and SIGTERM by itself, as a server does that finishes its requests.

    In it a signal interrupts no session and counts as no request to stop. The block sets its own handlers.
    """
    key = object()
    _own_handlings.append(key)
    try:
        yield
    finally:
        _own_handlings.remove(key)


@contextmanager
def stoppable() -> Iterator[None]:
    """A block that SIGINT and SIGTERM end by KeyboardInterrupt. A signal that the parent process ignores stays ignored.

    In another thread than the main one it does nothing, because only the main thread gets signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _forget()
    heard, told = socket.socketpair()
    told.setblocking(False)
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, _stop)
    descriptor = signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)
    watcher = threading.Thread(target=_watch, args=(heard,), name=WATCHER, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        for timer in _postponed:
            timer.cancel()
        _postponed.clear()
        signal.set_wakeup_fd(descriptor)
        for number, handler in before.items():
            signal.signal(number, handler)
        told.close()  # ends the watcher
        watcher.join()
        heard.close()
        _forget()


def let_end() -> None:
    """From now on a signal interrupts nothing: the command is ending. A second Ctrl-C still ends it at once."""
    if threading.current_thread() is threading.main_thread():
        for number in SIGNALS:
            if signal.getsignal(number) is _stop:
                signal.signal(number, _hear)


def _hear(number: int, frame: FrameType | None) -> None:
    """A signal handler that does nothing: the watcher has seen the signal."""


def _forget() -> None:
    for known in (_requested, _first_at, _raised_at, _sent_again):
        known.clear()


def _stop(number: int, frame: FrameType | None) -> None:
    now = time.monotonic()
    if _raised_at and (number == signal.SIGINT or now - _raised_at[0] < SECOND_AFTER_SECONDS):
        # It is the same Ctrl-C on a second way, or the watcher ends the process. An exception more would break off
        # what cleans up, and on a busy machine it would come before the watcher and print the line of a first Ctrl-C.
        return
    if not _requested:
        _requested.append(number)
    if _loads_an_extension(frame):
        timer = threading.Timer(_POSTPONE_SECONDS, _send_again, (number,))
        timer.daemon = True
        _postponed.append(timer)
        timer.start()
        return
    _raised_at.append(now)
    raise KeyboardInterrupt


def _send_again(number: int) -> None:
    _sent_again.append(number)  # so that it does not count as a second Ctrl-C
    os.kill(os.getpid(), number)


def _loads_an_extension(frame: FrameType | None) -> bool:
    """Whether a compiled module is being imported. Some end the process at once if their import is broken off."""
    while frame is not None:
        if frame.f_code.co_name in ("create_module", "exec_module"):
            loader = frame.f_locals.get("self")
            if isinstance(loader, ExtensionFileLoader):
                return True
        frame = frame.f_back
    return False


def _watch(heard: socket.socket) -> None:
    """Read the numbers of the signals, also of those that a library keeps back."""
    while numbers := heard.recv(64):
        for number in numbers:
            if number in SIGNALS:
                _end_at_once_if_second(number)
            if number in SIGNALS and not _own_handlings:
                if not _requested:
                    _requested.append(number)
                _interrupt_all()


def _end_at_once_if_second(number: int) -> None:
    if number in _sent_again:
        _sent_again.remove(number)
        return
    now = time.monotonic()
    _first_at.append(now)
    first = min(_first_at[:1] + _raised_at[:1])  # a busy machine can delay the watcher more than the main thread
    if number != signal.SIGINT or now - first < SECOND_AFTER_SECONDS:
        return
    end_at_once(number)


def end_at_once(number: int) -> NoReturn:
    """End the process as a second Ctrl-C does. A service that sees this Ctrl-C by itself calls it, in any thread."""
    for act in list(_last_acts.values()):
        with suppress(Exception):
            act()
    # a progress bar hides the cursor, and nothing else would show it again
    announce((_SHOW_CURSOR if os.isatty(2) else "") + AT_ONCE)
    os._exit(128 + number)


def _interrupt_all() -> None:
    with _lock:
        for interrupt in _interrupts.values():
            with suppress(Exception):  # the session may be closing; the others must still be reached
                interrupt()
