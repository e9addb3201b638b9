"""What all commands share: one-line errors, the exit codes 0, 1 and 2, private files, and a clean end by Ctrl-C or
SIGTERM."""

import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any, NoReturn

import click

from zoho_pipeline import stopping
from zoho_pipeline.cli.output import say
from zoho_pipeline.cli.progress import end_progress
from zoho_pipeline.settings import PipelineError
from zoho_pipeline.work_folders import remove_own

CONTEXT_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
SECONDS_TO_END = 0.5
"""How long the threads of a command may take to end after a signal. Then the process ends without them."""

STOPPED = 128
"""The exit code of a command that a signal stopped is this plus the number of the signal: 130 after Ctrl-C."""
BUG = "an unexpected error, which is a bug in this program and not in your data"


class CommandFailed(click.ClickException):
    """An expected failure: exit code 1."""


class WrongUse(CommandFailed):
    """A setting or an argument is wrong, and nothing was done: exit code 2."""

    exit_code = 2


class Program(click.Group):
    """A click group that prints an expected failure as `error: …` on stderr, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except PipelineError as error:
            kind = WrongUse if error.exit_code == WrongUse.exit_code else CommandFailed
            raise kind(str(error)) from error

    def main(self, args: Sequence[str] | None = None, *rest: Any, standalone_mode: bool = True, **more: Any) -> Any:
        os.umask(0o077)
        sys.excepthook = _print_bug
        run = partial(super().main, args, *rest, standalone_mode=False, **more)
        if not standalone_mode:
            return run()
        with stopping.stoppable():
            code = _exit_code_of(run)
            if stopping.requested() is not None:
                _wait_for_threads(SECONDS_TO_END)
                leave(code)  # a thread may wait for an answer of Zoho, or an engine works; nothing is lost by that
        sys.exit(code)


def leave(code: int) -> NoReturn:
    """End the process after a signal, without the teardown of the interpreter and of the threads that still run.

    The teardown of the libraries took 1.5 s of the 2.7 s that `serve` needed to end, on a machine with other work, and
    a request of 8 s that ran in a thread held up the end for 8 s.
    """
    remove_own()
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # nobody reads it any more
            stream.flush()
    os._exit(code)


def _wait_for_threads(seconds: float) -> None:
    """Give the other threads so many seconds to end."""
    end = time.monotonic() + seconds
    others = [t for t in threading.enumerate() if t is not threading.current_thread() and t.name != stopping.WATCHER]
    for thread in others:
        if thread.is_alive():  # a thread that a busy machine has not started yet is in the list, and cannot be joined
            thread.join(max(0.0, end - time.monotonic()))


def _print_bug(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print the traceback of an unexpected error. Its messages can contain secrets, so these are redacted."""
    from zoho_pipeline.logs import redact

    if issubclass(kind, KeyboardInterrupt):  # psycopg2 reports one that came while it read a message of the server
        return
    say(redact("".join(traceback.format_exception(kind, error, trace))), err=True)
    say(f"error: {BUG}. Please report it with the lines above.", err=True)


def _exit_code_of(run: Callable[[], Any]) -> int:
    """Run a command and return its exit code. An error is one line on stderr."""
    try:
        result = _run(run)
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        say(error.ctx.get_help() if error.ctx else error.format_message(), err=True)
        return error.exit_code
    except click.UsageError as error:
        hint = f" See `{error.ctx.command_path} --help`." if error.ctx else ""
        say(f"error: {error.format_message()}{hint}", err=True)
        return error.exit_code
    except click.ClickException as error:
        say(f"error: {error.format_message()}", err=True)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        stopping.let_end()
        end_progress()
        number = stopping.requested() or signal.SIGINT
        how = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
        say(f"stopped by {how}: finished work is kept. Run the same command again to do the rest.", err=True)
        return STOPPED + number
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader of the pipe (`| head`) has ended
        return 0
    return result if isinstance(result, int) else 0


def _run(run: Callable[[], Any]) -> Any:
    """Run a command. After a signal, an error of any kind is a consequence of the stop, so it is no failure."""
    try:
        return run()
    except (Exception, KeyboardInterrupt) as error:
        if stopping.requested() is not None:
            raise KeyboardInterrupt from error
        raise
