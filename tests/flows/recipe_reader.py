"""Reads docs/recipes.md as a person does: block by block, in this process, or as one shell script."""

import contextlib
import io
import os
import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.cli.conftest import runner

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "recipes.md").read_text(encoding="utf-8")
_BLOCK = re.compile(r"^```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A block of the page: its language, the file that it is, its text, and the output that follows it."""

    part: str
    kind: str
    title: str
    text: str
    shown: str | None


def blocks() -> list[Block]:
    """The blocks in the order of the page. A block `text` is the output of the block before it."""
    found: list[Block] = []
    for part in re.split(r"^## ", PAGE, flags=re.MULTILINE):
        heading = part.partition("\n")[0]
        given = _BLOCK.findall(part)
        for place, (kind, title, text) in enumerate(given):
            if kind == "text":
                assert given[max(place - 1, 0)][0] == "sh", f"{heading}: an output follows no command"
                continue
            shown = given[place + 1][2] if given[place + 1 :] and given[place + 1][0] == "text" else None
            found.append(Block(heading, kind, title, text, shown))
    return found


def plain(text: str) -> str:
    """An output without the spaces at the ends of its lines, and without empty lines."""
    return "\n".join(line.rstrip() for line in text.splitlines() if line.strip())


def commands(text: str) -> list[str]:
    """The commands of a block; one goes on while a quotation is open or its line ends with a backslash."""
    found, open_ = [], ""
    for line in text.splitlines():
        open_ = f"{open_}\n{line}" if open_ else line
        try:
            shlex.split(open_)
        except ValueError:
            continue
        if not open_.endswith("\\"):
            found += open_.split(" && ")
            open_ = ""
    assert not open_, f"a quotation is not closed: {open_}"
    return [command for command in found if command.strip()]


@dataclass
class Reader:
    """Runs blocks in one folder. Commands of this product and Python files run in this process: an import is dear.

    Attributes:
        env: the settings of the reader. What a block exports, the next ones have.
        instead: command → what does the same with the clock of the test.
    """

    folder: Path
    env: dict[str, str]
    instead: dict[str, Callable[[dict[str, str]], str]] = field(default_factory=dict)

    def run(self, text: str) -> str:
        """Run the commands of a block and return what they print. AssertionError: one of them failed."""
        return "".join(self._command(command) for command in commands(text))

    def _command(self, command: str) -> str:
        given = dict(self.env)
        while found := re.match(r"([A-Z_]+)=(\S+) ", command):  # for this command alone
            given[found[1]], command = self._expanded(found[2]), command[found.end() :]
        if found := re.fullmatch(r"export ([A-Z_]+)=(\S+)", command):
            self.env[found[1]] = self._expanded(found[2])
            return ""
        if found := re.fullmatch(r"unset ([A-Z_]+)", command):
            self.env.pop(found[1], None)
            return ""
        called, _, place = command.partition(" > ")
        words = [self._expanded(word) for word in shlex.split(called)]
        if called in self.instead:
            printed = self.instead[called](given)
        elif words[0] == "zoho-pipeline" and "|" not in called:
            answer = runner(given)(*words[1:])
            assert answer.code == 0, f"{command}\n{answer.err}"
            printed = answer.out
        elif words[0] == "python":
            printed = self._python(words[1:], given)
        else:
            place = ""
            printed = self._shell(command, given)
        if place:
            Path(place).write_text(printed, encoding="utf-8")
        return "" if place else printed

    def _expanded(self, word: str) -> str:
        if found := re.fullmatch(r"\$\(cat (\S+)\)", word):
            return (self.folder / found[1]).read_text(encoding="utf-8").rstrip("\n")
        return word.replace("$PWD", str(self.folder))

    def _python(self, words: list[str], env: dict[str, str]) -> str:
        before = sys.argv
        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as printed:
            for name, value in env.items():
                patch.setenv(name, value)
            sys.argv = words
            try:
                runpy.run_path(words[0], run_name="__main__")
            finally:
                sys.argv = before
        return printed.getvalue()

    def _shell(self, text: str, env: dict[str, str]) -> str:
        programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", text], cwd=self.folder, env={**os.environ, **env, "PATH": programs},
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{text}\n{done.stderr[-3000:]}"
        return done.stdout


def script(given: list[Block], mark: str) -> str:
    """The whole page as one shell script: files are written, and `mark` follows the output of each shell block."""
    parts = []
    for block in given:
        if block.title:
            parts.append(f"cat > {block.title} <<'END OF THE FILE'\n{block.text}END OF THE FILE\n")
        elif block.kind == "sh":
            parts.append(f"{block.text}echo '{mark}'\n")
    return "".join(parts)
