"""The accessibility checker axe-core, and how a browser is set for a page; no dependency of the product."""

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import pytest

AXE = "4.14.1"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
"""The tags of axe's rules: WCAG 2.2 at levels A and AA, and its best practices."""


def axe_source() -> str:
    """The source of axe-core, which npm fetches once into the environment.

    Where npm is missing or reaches no registry, the test is skipped, and in CI it fails.
    """
    folder = Path(sys.prefix) / "axe-core" / AXE
    path = folder / "axe.min.js"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        npm = shutil.which("npm")
        with tempfile.TemporaryDirectory(dir=folder) as draft:
            command = [
                npm or "npm",
                "pack",
                "--silent",
                "--ignore-scripts",
                "--pack-destination",
                draft,
                f"axe-core@{AXE}",
            ]
            done = subprocess.run(command, capture_output=True, text=True, cwd=draft) if npm else None
            if done is None or done.returncode:
                said = (
                    f"NOT TESTED: axe-core {AXE} cannot be fetched by npm: {done.stderr[-300:] if done else 'no npm'}"
                )
                pytest.fail(said) if npm and os.environ.get("CI") else pytest.skip(said)
            with tarfile.open(next(Path(draft).glob("*.tgz"))) as archive:
                found = archive.extractfile("package/axe.min.js")
                assert found is not None
                (Path(draft) / "axe.min.js").write_bytes(found.read())
            (Path(draft) / "axe.min.js").replace(path)
    return path.read_text()


def emulate(driver: Any, *, width: int = 1100, dark: bool = False, media: str = "", scripts: bool = True) -> None:
    """Set the width, the theme, the medium and whether scripts run, for the next pages."""
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    theme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": theme})
    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not scripts})


def violations(driver: Any, source: str) -> list[str]:
    """What axe finds on the page, in short."""
    driver.execute_script(source)
    run = (
        "const done = arguments[1];"
        "axe.run(document, {runOnly: {type: 'tag', values: arguments[0]}}).then((found) => done(found.violations))"
    )
    found = driver.execute_async_script(run, RULES)
    return [f"{v['id']}: {node['html'][:200]} {node['failureSummary']}" for v in found for node in v["nodes"]]
