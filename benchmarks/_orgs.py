"""`python -m benchmarks._orgs COUNT LEADS DAYS`: a simulator with many small orgs, in a separate process.

The leads are DAYS days old. The process prints one JSON line (url, tokens) and reads commands from standard input:
`latency S` lets each answer take S seconds longer, `touch N` edits a lead of the first N orgs, `down N` lets each call
of org N fail. It ends when its standard input is closed.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from zoho_pipeline.simulator import Org

CLIENT, CLIENT_SECRET = "1000.BENCH", "bench-client-secret-0123456789"


@dataclass(frozen=True)
class Orgs:
    """A running simulator process, and one refresh token per org."""

    url: str
    tokens: list[str]
    process: "subprocess.Popen[str]"

    def end(self) -> None:
        """Kill the process: from now on nobody answers at the URL."""
        self.process.kill()
        self.process.wait()

    def say(self, command: str) -> str:
        """Send a command, and return the line that answers it."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{command}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()


@contextmanager
def running_orgs(count: int, leads: int, days_ago: int = 0) -> Iterator[Orgs]:
    """Run a simulator with `count` orgs, each with `leads` leads that are so many days old."""
    command = [sys.executable, "-m", "benchmarks._orgs", str(count), str(leads), str(days_ago)]
    root = Path(__file__).parents[1]
    with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        printed = json.loads(process.stdout.readline())
        try:
            yield Orgs(printed["url"], printed["tokens"], process)
        finally:
            process.kill()


def _main(count: int, leads: int, days_ago: int, commands: IO[str]) -> None:
    from zoho_pipeline.simulator import Simulator
    from zoho_pipeline.zoho.accounts.scopes import DEFAULT_SCOPES

    with Simulator.start() as simulator:
        orgs: list[Org] = []
        tokens: list[str] = []
        at = int(time.time()) - 86_400 * days_ago
        for number in range(count):
            org = simulator.add_org(name=f"Tenant {number}", time_zone="UTC", currency="USD")
            rows = [
                {"Last_Name": f"Lead {n}", "Company": "Co", "Created_Time": at, "Modified_Time": at}
                for n in range(leads)
            ]
            org.insert_many("Leads", rows)
            orgs.append(org)
            tokens.append(org.grant(CLIENT, CLIENT_SECRET, DEFAULT_SCOPES))
        print(json.dumps({"url": simulator.url, "tokens": tokens}), flush=True)
        for line in commands:
            name, _, number_text = line.strip().partition(" ")
            if name == "touch":
                for org in orgs[: int(number_text)]:
                    org.update("Leads", next(iter(org.modules["Leads"].rows)), {"Company": f"At {time.time()}"})
            elif name == "down":
                org = orgs[int(number_text)]
                for user in org.users.values():
                    user.api_access = False
            elif name == "latency":
                simulator.switches.latency = float(number_text)
            print("done", flush=True)


if __name__ == "__main__":
    _main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.stdin)
