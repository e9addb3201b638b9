"""Many open streams of events and many consents, beside a sync that runs: what a web server with a worker does then.

`python -m benchmarks._stream_crowd CONNECTS LEADS REDIRECT` is the simulator in a process of its own: one org with
LEADS leads, and one org per consent. It prints one JSON line (url, token), and ends when its standard input is closed.
"""

import asyncio
import html
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx

CLIENT, CLIENT_SECRET = "1000.BENCH", "bench-client-secret-0123456789"
OPENERS = 50
"""Streams that begin at the same time."""

CONNECT_RATE = 10.0
"""Consents per second."""


@dataclass
class Crowd:
    """What the streams saw. Times are `time.perf_counter()`."""

    opened: list[float] = field(default_factory=list)
    refused: int = 0
    finished_at: list[float] = field(default_factory=list)

    async def follow(self, port: int, headers: Mapping[str, str], gate: asyncio.Semaphore) -> None:
        """One stream, until it hears that the sync has ended, or is cut."""
        async with gate:
            began = time.perf_counter()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            lines = ["GET /v1/channels/live/events HTTP/1.1", "Host: localhost:8480"]
            writer.write("\r\n".join([*lines, *(f"{k}: {v}" for k, v in headers.items()), "", ""]).encode())
            head = await reader.readuntil(b"\r\n\r\n")
            if b" 200 " in head[:16]:
                await reader.readuntil(b": connected")
                self.opened.append(time.perf_counter() - began)
            else:
                self.refused += 1
                writer.close()
                return
        while line := await reader.readline():
            if line.startswith(b"event: sync.finished"):
                self.finished_at.append(time.perf_counter())
                break
        writer.close()


def follow_all(port: int, keys: list[Mapping[str, str]], count: int, opened: Event, crowd: Crowd) -> None:
    """Open `count` streams with these keys in turn, set `opened`, and wait for their ends. The body of a thread."""

    async def run() -> None:
        gate = asyncio.Semaphore(OPENERS)
        tasks = [asyncio.create_task(crowd.follow(port, keys[n % len(keys)], gate)) for n in range(count)]
        while len(crowd.opened) + crowd.refused < count:
            await asyncio.sleep(0.05)
        opened.set()
        await asyncio.gather(*tasks)

    asyncio.run(run())


def connect_all(port: int, headers: Mapping[str, str], count: int) -> tuple[list[float], int]:
    """`count` whole consents at a steady rate: seconds that our three answers of each took, and how many failed."""
    began = time.perf_counter()

    def one(number: int) -> float | None:
        time.sleep(max(0.0, began + number / CONNECT_RATE - time.perf_counter()))
        try:
            return _connect(port, headers, f"new{number}", number)
        except (httpx.HTTPError, AssertionError, KeyError):
            return None

    with ThreadPoolExecutor(16) as pool:
        taken = list(pool.map(one, range(count)))
    return [seconds for seconds in taken if seconds is not None], taken.count(None)


def _connect(port: int, headers: Mapping[str, str], channel_id: str, place: int) -> float:
    spent = 0.0
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as browser:

        def ours(path: str, **more: dict[str, str]) -> httpx.Response:
            nonlocal spent
            began = time.perf_counter()
            answer = browser.get(path, **more)
            spent += time.perf_counter() - began
            return answer

        prepared = ours(f"/zohoCrm/connect?channel_id={channel_id}&region=sim", headers=dict(headers)).json()
        started = ours(f"/zohoCrm/start?session={prepared['session_id']}")
        cookie = started.headers["set-cookie"].partition(";")[0]
        back = ours(_accepted(started.headers["location"], place), headers={"Cookie": cookie})
        assert back.status_code == 200, back.text[:500]
    return spent


def _accepted(url: str, place: int) -> str:
    """A person accepts at Zoho for the org at this place; the path to which Zoho sends the browser back."""
    page = httpx.get(url, trust_env=False, timeout=60).text
    choices = {choice.partition(":")[0]: choice for choice in re.findall(r'<option value="([^"]+)"', page)}
    chosen = html.unescape([*choices.values()][1 + place])
    form = dict(parse_qsl(urlsplit(url).query)) | {"choice": chosen, "decision": "accept"}
    target = httpx.post(url.partition("?")[0], data=form, trust_env=False, timeout=60).headers["location"]
    return f"{urlsplit(target).path}?{urlsplit(target).query}"


@contextmanager
def running_zoho(connects: int, leads: int, redirect: str) -> Iterator[dict[str, str]]:
    """The simulator of this module: its url and the token of its first org."""
    command = [sys.executable, "-m", "benchmarks._stream_crowd", str(connects), str(leads), redirect]
    root = Path(__file__).parents[1]
    with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.kill()


def _main(connects: int, leads: int, redirect: str) -> None:
    from zoho_pipeline.simulator import Simulator
    from zoho_pipeline.zoho.accounts.scopes import DEFAULT_SCOPES

    with Simulator.start() as simulator:
        simulator.add_client(CLIENT, CLIENT_SECRET, {redirect})
        orgs = [simulator.add_org(name=f"Org {number}") for number in range(connects + 1)]
        orgs[0].insert_many("Leads", [{"Last_Name": f"Lead {n}", "Company": "Co"} for n in range(leads)])
        token = orgs[0].grant(CLIENT, CLIENT_SECRET, DEFAULT_SCOPES)
        print(json.dumps({"url": simulator.url, "token": token}), flush=True)
        Thread(target=_lift_the_limit, args=(simulator.hub,), daemon=True).start()
        sys.stdin.read()


def _lift_the_limit(hub: Any) -> None:
    """Zoho gives an app ten codes in ten minutes, so it is not Zoho that this benchmark can ask a hundred times."""
    while True:
        time.sleep(0.1)
        with hub.lock:
            hub.tokens.clients[CLIENT].codes_issued.clear()


if __name__ == "__main__":
    _main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
