"""Takes the pictures of the web server's pages for docs/images: the demo's data, in headless Chromium."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from scripts.screenshots import IMAGES, Walk, browser, browser_missing
from zoho_pipeline.web.serving.worker_process import PROGRAM

PORT = "8480"
PICTURES = {
    "channel-page": ("/ui/channels/demo", 1100, 1500),
    "channels": ("/ui", 1100, 420),
    "api-docs": ("/docs", 1100, 900),
}
DASHBOARD_PORT = "8501"


def main() -> None:
    """Run the demo in a folder of its own, serve it, and take the pictures."""
    if reason := browser_missing():
        raise SystemExit(f"error: {reason}")
    with tempfile.TemporaryDirectory() as home:
        env = {**os.environ, "ZOHO_PIPELINE_HOME": str(Path(home) / "demo")}
        subprocess.run([*PROGRAM, "demo"], env=env, check=True, stdout=subprocess.DEVNULL)
        served = subprocess.Popen(
            [*PROGRAM, "demo", "--web", "--web-port", PORT], env=env, stdout=subprocess.PIPE, text=True
        )
        try:
            _take(_login_link(served))
            _take_dashboard(env)
        finally:
            served.send_signal(signal.SIGINT)
            served.wait(60)


def _login_link(served: "subprocess.Popen[str]") -> str:
    assert served.stdout is not None
    for line in served.stdout:
        if found := re.search(r"http\S+/ui/login\S+", line):
            return found[0]
    raise SystemExit("error: the web server did not start")


def _take(login: str) -> None:
    origin = login.partition("/ui/")[0]
    with browser() as driver:
        driver.get(login)
        for name, (path, width, height) in PICTURES.items():
            driver.set_window_size(width, height)
            driver.get(origin + path)
            draft = IMAGES / f"{name}.draft.png"
            driver.save_screenshot(str(draft))
            shutil.move(draft, IMAGES / f"{name}.png")


def _take_dashboard(env: dict[str, str]) -> None:
    """The starter dashboard on the same data. Its charts come after its numbers."""
    served = subprocess.Popen([*PROGRAM, "dashboard", "--port", DASHBOARD_PORT], env=env)
    try:
        with browser(1200, 1340) as driver:
            visitor = Walk(driver, f"http://127.0.0.1:{DASHBOARD_PORT}", IMAGES)
            visitor.until(lambda: _opens(driver, visitor.url) and visitor.count("canvas") > 2, "the charts")
            visitor.picture("dashboard")
    finally:
        served.send_signal(signal.SIGINT)
        served.wait(60)


def _opens(driver: Any, url: str) -> bool:
    """Whether the page is open. A server that has just been started refuses the first tries."""
    from selenium.common.exceptions import WebDriverException

    try:
        if not str(driver.current_url).startswith(url):
            driver.get(url)
        return True
    except WebDriverException:
        return False


if __name__ == "__main__":
    main()
