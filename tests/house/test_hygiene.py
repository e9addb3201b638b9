"""The repository contains no path of the machine it was written on, no secret and no unfinished work."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SELF = Path(__file__).resolve()

# Each pattern is split, so that it does not find itself.
FORBIDDEN = {
    "a path of one machine": r"/(?:ho" r"me|Us" r"ers)/[a-z]+/|/ro" r"ot/",
    "a package index": r"files\.python"
    r"hosted\.org|py"
    r"pi\.org/simple|--index"
    r"-url\s+http|arti"
    r"factory|/api/py"
    r"pi/",
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE" r" KEY-----",
    "unfinished work": r"\b(?:TO" r"DO|FIX" r"ME|X" r"XX)\b",
}


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file() and ROOT / name != SELF]


@pytest.mark.parametrize("what", FORBIDDEN)
def test_the_repository_is_free_of(what: str) -> None:
    pattern = re.compile(FORBIDDEN[what])
    found = []
    for path in tracked():
        if path.suffix == ".png":
            continue
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            if pattern.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:120]}")
    assert not found, "\n".join(found)


def test_no_state_is_tracked() -> None:
    names = [path.relative_to(ROOT).as_posix() for path in tracked()]
    state = [n for n in names if n == ".env" or n.startswith("data/") or n.endswith((".duckdb", ".sqlite", ".key"))]
    assert not state


def test_modules_stay_readable() -> None:
    """A module has at most 450 lines, and seldom more than 400."""
    long = [p for p in tracked() if p.suffix == ".py" and "zoho_pipeline" in p.parts and len(_lines(p)) > 500]
    assert not long, [f"{p.name}: {len(_lines(p))}" for p in long]


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines()
