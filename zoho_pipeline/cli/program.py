"""The frame of every command: errors as one line, exit codes 0 / 1 / 2, private files, quiet interruption."""

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from types import TracebackType
from typing import Any

import click

from zoho_pipeline.cli.output import say
from zoho_pipeline.settings import PipelineError

CONTEXT_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
INTERRUPTED = 130
DEFECT = "something this program did not expect, a defect of it rather than of your data"


class Failed(click.ClickException):
    """An expected failure on its way to the terminal, exit code 1."""


class WronglyUsed(Failed):
    """Nothing was done: a setting or an argument is wrong, exit code 2."""

    exit_code = 2


class Program(click.Group):
    """A click group that answers expected failures with `error: …` on stderr and no traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except PipelineError as error:
            kind = WronglyUsed if error.exit_code == WronglyUsed.exit_code else Failed
            raise kind(str(error)) from error

    def main(self, args: Sequence[str] | None = None, *rest: Any, standalone_mode: bool = True, **more: Any) -> Any:
        os.umask(0o077)
        sys.excepthook = _tell_defect
        run = partial(super().main, args, *rest, standalone_mode=False, **more)
        if not standalone_mode:
            return run()
        sys.exit(_answered(run))


def _tell_defect(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """A defect's traceback, with whatever looks like a secret struck out: values stand in its messages."""
    from zoho_pipeline.logs import redact

    say(redact("".join(traceback.format_exception(kind, error, trace))), err=True)
    say(f"error: {DEFECT}. Please report the lines above.", err=True)


def _answered(run: Callable[[], Any]) -> int:
    """Exit code of a command; what went wrong stands on stderr in one line."""
    try:
        result = run()
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
        say("interrupted: what was finished is kept, repeating the command does the rest.", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader (`| head`) has seen enough
        return 0
    return result if isinstance(result, int) else 0
