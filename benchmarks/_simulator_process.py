"""`python -m benchmarks._simulator_process ROWS LATENCY OTHERS`: a simulator with ROWS leads, in a separate process.

Contacts, deals, calls, tasks and notes have OTHERS rows each. Each answer takes LATENCY seconds longer. The process
prints one JSON line (url, tokens) and reads commands from standard input: `touch N` edits N leads. It ends when
its standard input is closed.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

CLIENT, CLIENT_SECRET = "1000.BENCH", "bench-client-secret-0123456789"
LISTS_SCOPES = "ZohoCRM.modules.ALL,ZohoCRM.users.READ,ZohoCRM.org.READ,ZohoCRM.settings.ALL"
SCOPES = f"{LISTS_SCOPES},ZohoCRM.coql.READ,ZohoCRM.bulk.READ"

OTHERS: dict[str, dict[str, object]] = {
    "Contacts": {"Last_Name": "Rao", "Email": "rao@example.com"},
    "Deals": {"Deal_Name": "Deal", "Stage": "Qualification", "Amount": 100.5},
    "Calls": {"Subject": "Call", "Call_Type": "Outbound"},
    "Tasks": {"Subject": "Task", "Status": "Not Started"},
    "Notes": {"Note_Title": "Note", "Note_Content": "Called back"},
}


@dataclass(frozen=True)
class RunningSimulator:
    """A running simulator process. `lists_token` is a refresh token without the scopes for queries and Bulk Read."""

    url: str
    token: str
    lists_token: str
    process: "subprocess.Popen[str]"

    def touch(self, rows: int) -> None:
        """Edit `rows` leads, an hour after everything else."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"touch {rows}\n")
        self.process.stdin.flush()
        self.process.stdout.readline()


@contextmanager
def running_simulator(rows: int, latency: float = 0.0, others: int = 0) -> Iterator[RunningSimulator]:
    command = [sys.executable, "-m", "benchmarks._simulator_process", str(rows), str(latency), str(others)]
    root = Path(__file__).parents[1]
    with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        printed = json.loads(process.stdout.readline())
        try:
            yield RunningSimulator(printed["url"], printed["token"], printed["lists_token"], process)
        finally:
            process.terminate()


def _main(rows: int, latency: float, others: int, commands: IO[str]) -> None:
    from zoho_pipeline.simulator import Simulator

    with Simulator.start() as sim:
        org = sim.add_org(name="Bench")
        org.add_custom_field("Leads", "UTM_Source1", "UTM Source")
        org.credit_limit_override = 10**9
        start = int(time.time()) - 40_000_000
        step = 38_000_000 / rows
        ids: list[str] = []
        for first in range(0, rows, 50_000):
            part = [_lead(n, start + int(n * step)) for n in range(first, min(first + 50_000, rows))]
            ids += org.insert_many("Leads", part)
        for module, values in OTHERS.items():
            stamps = [start + int(n * 38_000_000 / others) for n in range(others)]
            made = [{**values, "Created_Time": at, "Modified_Time": at} for at in stamps]
            if module == "Notes":
                parents = [{"id": ids[n % rows], "module": {"api_name": "Leads"}} for n in range(others)]
                made = [{**row, "Parent_Id": parent} for row, parent in zip(made, parents, strict=True)]
            org.insert_many(module, made)
        tokens = {
            "token": org.grant(CLIENT, CLIENT_SECRET, SCOPES, None),
            "lists_token": org.grant(CLIENT, CLIENT_SECRET, LISTS_SCOPES, None),
        }
        sim.switches.latency = latency
        print(json.dumps({"url": sim.url, **tokens}), flush=True)
        for line in commands:
            sim.clock.advance(3_600)
            for number, id_ in enumerate(ids[: int(line.split()[1])]):
                org.update("Leads", id_, {"Company": f"Edited {number}"})
            sim.clock.advance(600)
            print("done", flush=True)


def _lead(number: int, at: int) -> dict[str, object]:
    return {
        "Last_Name": f"Lead {number}",
        "First_Name": "Asha",
        "Company": f"Company {number % 999}",
        "Email": f"lead{number}@example.com",
        "Phone": f"+91 98{number:08d}",
        "Lead_Source": "Web Download",
        "Lead_Status": "Contacted",
        "City": "Pune",
        "Annual_Revenue": number * 1.5,
        "No_of_Employees": number % 500,
        "UTM_Source1": "google",
        "Created_Time": at,
        "Modified_Time": at,
    }


if __name__ == "__main__":
    _main(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), sys.stdin)
