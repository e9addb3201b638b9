"""The frame of every command: errors as one line, exit codes 0 / 1 / 2, private files, quiet interruption."""

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import click

from zoho_pipeline.settings import PipelineError

CONTEXT_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
INTERRUPTED = 130


class Failed(click.ClickException):
    """An expected failure on its way to the terminal: message and exit code of the PipelineError."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Program(click.Group):
    """A click group that answers expected failures with `error: …` on stderr and no traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except PipelineError as error:
            raise Failed(str(error), error.exit_code) from error

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        os.umask(0o077)
        run = super().main
        if not standalone_mode:
            return run(args, prog_name, complete_var, False, windows_expand_args, **extra)
        code = _answered(lambda: run(args, prog_name, complete_var, False, windows_expand_args, **extra))
        sys.exit(code)


def _answered(run: Callable[[], Any]) -> int:
    """Exit code of a command; what went wrong stands on stderr in one line."""
    try:
        result = run()
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help() if error.ctx else error.format_message(), err=True)
        return error.exit_code
    except click.UsageError as error:
        hint = f" See `{error.ctx.command_path} --help`." if error.ctx else ""
        click.echo(f"error: {error.format_message()}{hint}", err=True)
        return error.exit_code
    except click.ClickException as error:
        click.echo(f"error: {error.format_message()}", err=True)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted: what was finished is kept, repeating the command does the rest.", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader (`| head`) has seen enough
        return 0
    return result if isinstance(result, int) else 0
