"""A long command shows on a terminal what it does. A pipe, a file and a program that reads JSON get nothing of it."""

import os
import pty
import select
import signal
import subprocess
import sys
import time

import pytest

from tests.cli.test_ctrl_c import Bench
from tests.cli.test_ctrl_c import bench as bench
from tests.cli.test_stopping import MAIN
from tests.params import choice

PATIENCE = 90.0
SHOW_CURSOR = "\x1b[?25h"


class OnTerminal:
    """A command whose stderr is a terminal. `seen` is what the terminal got.

    Its stdout is a file. A pipe holds 64 KiB, the report of a transform in JSON is longer, and nobody reads it before
    the terminal ends.
    """

    def __init__(self, bench: Bench, *arguments: str, program: str = MAIN) -> None:
        self._master, slave = pty.openpty()
        environment = bench.environment | {"TERM": "xterm", "COLUMNS": "120", "ZOHO_PIPELINE_LOG_LEVEL": "WARNING"}
        command = [sys.executable, "-c", program, *arguments]
        self._out = bench.folder / "stdout"
        with self._out.open("w") as out:
            self.process = subprocess.Popen(
                command, env=environment, cwd=bench.folder, stdin=subprocess.DEVNULL, stdout=out, stderr=slave
            )
        bench.started.append(self.process)
        os.close(slave)
        self.seen = ""

    def read_until(self, words: str) -> None:
        end = time.monotonic() + PATIENCE
        while words not in self.seen:
            assert time.monotonic() < end, self.seen
            assert self._read(), f"the command ended without {words!r}: {self.seen}"

    def finish(self) -> str:
        """Read to the end. Returns what the command wrote to stdout."""
        end = time.monotonic() + PATIENCE
        while self._read():
            assert time.monotonic() < end, f"the command did not end: {self.seen}"
        os.close(self._master)
        self.process.wait(timeout=PATIENCE)
        return self._out.read_text()

    def _read(self) -> bool:
        if not select.select([self._master], [], [], 0.2)[0]:
            return True
        try:
            got = os.read(self._master, 65_536)
        except OSError:  # Linux says so when nobody has the other end any more
            return False
        self.seen += got.decode(errors="replace")
        return bool(got)


def test_a_call_to_zoho_is_shown_and_ctrl_c_gives_the_cursor_back(bench: Bench) -> None:
    bench.hold("/crm/v7/")
    shown = OnTerminal(bench, "channels", "verify", "acme")
    shown.read_until("Asking Zoho")
    shown.process.send_signal(signal.SIGINT)
    assert shown.finish() == ""
    assert shown.process.returncode == 130
    assert SHOW_CURSOR in shown.seen
    assert "stopped by Ctrl-C" in shown.seen.rpartition(SHOW_CURSOR)[2], shown.seen


STOPPED_BEFORE_THE_BLOCK = f"""
import signal, sys
def stop_at_its_end(frame, event, argument):
    block = frame.f_locals.get("self")
    if event == "return" and frame.f_code.co_name == "__enter__" and getattr(block, "gen", None):
        if block.gen.__name__ == "working":
            sys.setprofile(None)
            signal.raise_signal(signal.SIGINT)
sys.setprofile(stop_at_its_end)
{MAIN}
"""
"""A program that Ctrl-C stops when what it shows has begun, and before the statement `with` would end it."""


def test_the_bar_goes_before_the_message_also_where_ctrl_c_comes_before_its_block(bench: Bench) -> None:
    bench.hold("/crm/v7/")
    shown = OnTerminal(bench, "channels", "verify", "acme", program=STOPPED_BEFORE_THE_BLOCK)
    assert shown.finish() == ""
    assert shown.process.returncode == 130
    assert "stopped by Ctrl-C" in shown.seen.rpartition(SHOW_CURSOR)[2], shown.seen


CASES = {
    "sync": (("sync",), "acme Leads"),
    "reconcile": (("reconcile",), "Leads, compared"),
    "transform": (("transform", "--full"), "Building the marts: "),
    "remove": (("channels", "remove", "acme", "--purge"), "Deleting the rows"),
}
EXPORTS = (
    (("export", "lead"), "Writing lead: "),
    (("sql", "select * from lead", "-o", "lead.xlsx"), "Writing lead.xlsx: "),
)


def synced(bench: Bench) -> None:
    """Sync once, in a process of its own: a sync in the process of the tests could not be ended if it hangs."""
    process = bench.start("sync")
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err


@pytest.mark.long
@pytest.mark.parametrize("name", list(CASES))
def test_a_long_command_is_shown(bench: Bench, name: str) -> None:
    command, words = CASES[name]
    if name in ("transform", "remove"):
        synced(bench)
    shown = OnTerminal(bench, *command)
    out = shown.finish()
    assert shown.process.returncode == 0, shown.seen
    assert words in shown.seen
    assert words not in out


@pytest.mark.parametrize("name", choice(list(CASES), []))
def test_json_has_no_progress_beside_it(bench: Bench, name: str) -> None:
    command, _ = CASES[name]
    synced(bench)
    shown = OnTerminal(bench, *command, "--format", "json")
    assert shown.finish().lstrip().startswith(("{", "["))
    assert shown.process.returncode == 0
    assert shown.seen == ""


@pytest.mark.long
def test_an_export_is_shown(bench: Bench) -> None:
    synced(bench)
    process = bench.start("transform")
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    for command, words in EXPORTS:
        shown = OnTerminal(bench, *command)
        out = shown.finish()
        assert shown.process.returncode == 0, shown.seen
        assert words in shown.seen
        assert words not in out
