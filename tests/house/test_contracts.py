"""The packages import in one direction. The lock file is exact and contains no address."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_import_contracts_hold() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]


def test_the_contracts_see_every_package() -> None:
    """An exhaustive layers contract fails for a package that it does not name. This compares its list with the
    folder."""
    text = (ROOT / "pyproject.toml").read_text()
    layers = re.search(r"^layers = \[(.*?)^\]", text, re.DOTALL | re.MULTILINE)
    assert layers
    named = set(re.findall(r"[a-z_]+", layers.group(1)))
    entries = [p for p in (ROOT / "zoho_pipeline").iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()]
    assert {entry.stem for entry in entries} - {"__init__"} <= named


def test_the_lock_pins_hashes_and_no_address() -> None:
    text = (ROOT / "requirements.lock").read_text()
    assert not re.search(r"://|--index|--extra-index|--find-links|--trusted-host", text)
    requirements = [block for block in re.split(r"\n(?=[A-Za-z0-9])", text.strip()) if not block.startswith("#")]
    assert len(requirements) > 50
    for block in requirements:
        assert re.match(r"[A-Za-z0-9._-]+(\[[a-z0-9,_-]+\])?==[^\s;]+", block), block[:80]
        assert "--hash=sha256:" in block, block[:80]


def test_the_lock_holds_every_dependency_of_the_project() -> None:
    locked = {m.lower().replace("_", "-") for m in re.findall(r"^([A-Za-z0-9._-]+)(?:\[|==)", _lock(), re.MULTILINE)}
    section = (ROOT / "pyproject.toml").read_text().split("[project.scripts]")[0]
    wanted = {m.lower() for m in re.findall(r'^\s+"([A-Za-z0-9._-]+)', section, re.MULTILINE)}
    assert len(wanted) > 20
    assert wanted <= locked


def _lock() -> str:
    return (ROOT / "requirements.lock").read_text()
