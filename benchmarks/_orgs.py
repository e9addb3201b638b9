"""`python -m benchmarks._orgs COUNT LEADS`: a simulator with many small orgs, in a separate process.

It prints one JSON line (url, tokens). It ends when its standard input is closed.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

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


@contextmanager
def running_orgs(count: int, leads: int) -> Iterator[Orgs]:
    """Run a simulator with `count` orgs, each with `leads` leads."""
    command = [sys.executable, "-m", "benchmarks._orgs", str(count), str(leads)]
    root = Path(__file__).parents[1]
    with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        printed = json.loads(process.stdout.readline())
        try:
            yield Orgs(printed["url"], printed["tokens"], process)
        finally:
            process.kill()


def _main(count: int, leads: int) -> None:
    from zoho_pipeline.simulator import Simulator
    from zoho_pipeline.zoho.accounts.scopes import DEFAULT_SCOPES

    with Simulator.start() as simulator:
        tokens = []
        for number in range(count):
            org = simulator.add_org(name=f"Tenant {number}", time_zone="UTC", currency="USD")
            org.insert_many("Leads", [{"Last_Name": f"Lead {n}", "Company": "Co"} for n in range(leads)])
            tokens.append(org.grant(CLIENT, CLIENT_SECRET, DEFAULT_SCOPES))
        print(json.dumps({"url": simulator.url, "tokens": tokens}), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    _main(int(sys.argv[1]), int(sys.argv[2]))
