"""Starts a production deployment on this machine: Postgres, code server, daemon and webserver as separate processes.

`python -m scripts.production` (or `make production-rehearsal`) starts all of them, with a simulated Zoho and a few
connected companies. Tests and crash drills start and kill single processes of `Production`.
"""

import argparse
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PIECES = ("code", "daemon", "web")


class Production:
    """The processes that deploy/ describes: `code` (code server), `daemon` and `web` (webserver).

    Args:
        home: the folder of this host. It holds DAGSTER_HOME, the logs, and the HOME of the pipeline.
        dagster_url: the Postgres database of Dagster.
        pipeline_url: the Postgres database of the registry and the warehouse.
        extra: more environment variables (client, data centers).
        poll: seconds between two checks of the running runs (`run_monitoring`).
    """

    def __init__(self, home: Path, dagster_url: str, pipeline_url: str, extra: Mapping[str, str], *, poll: int = 30):
        self.home, self.ports = home, {name: free_port() for name in ("code", "web")}
        self.dagster_home = home / "dagster"
        self.dagster_home.mkdir(parents=True, exist_ok=True)
        config = (
            (ROOT / "deploy" / "dagster.yaml")
            .read_text()
            .replace("poll_interval_seconds: 30", f"poll_interval_seconds: {poll}")
        )
        (self.dagster_home / "dagster.yaml").write_text(config)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ZOHO_", "DAGSTER_"))}
        self.env = kept | {
            "DAGSTER_HOME": str(self.dagster_home),
            # SQLAlchemy 2.1 reads postgresql:// as psycopg 3, which Dagster does not install
            "DAGSTER_POSTGRES_URL": dagster_url.replace("postgresql://", "postgresql+psycopg2://"),
            "ZOHO_PIPELINE_HOME": str(home / "data"),
            "ZOHO_PIPELINE_WAREHOUSE": pipeline_url,
            "ZOHO_PIPELINE_REGISTRY": pipeline_url,
            "ZOHO_PIPELINE_CODE_HOST": "127.0.0.1",
            "ZOHO_PIPELINE_CODE_PORT": str(self.ports["code"]),
            **extra,
        }
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def command(self, piece: str) -> list[str]:
        """The command line of a process, as a systemd unit or a container runs it."""
        python, workspace = [sys.executable, "-W", "ignore", "-m"], ["-w", str(ROOT / "deploy" / "workspace.yaml")]
        place = ["-h", "127.0.0.1", "-p", str(self.ports.get(piece))]
        return {
            "code": [*python, "dagster", "api", "grpc", "-m", "zoho_pipeline.definitions", *place],
            "daemon": [*python, "dagster._daemon", "run", *workspace],
            "web": [*python, "dagster_webserver", *place, *workspace],
        }[piece]

    def start(self, *pieces: str) -> None:
        """Start processes. It waits for the port of each server, because the daemon calls the code server at once."""
        for piece in pieces:
            with (self.home / f"{piece}.log").open("ab") as log:
                streams: dict[str, Any] = {"stdout": log, "stderr": subprocess.STDOUT}
                self.running[piece] = subprocess.Popen(
                    self.command(piece), env=self.env, cwd=ROOT, start_new_session=True, **streams
                )
            if piece in self.ports:
                wait_for_port(self.ports[piece], self.running[piece])

    def kill(self, piece: str) -> None:
        """Kill one process with SIGKILL and leave its children running, as when the kernel runs out of memory."""
        process = self.running.pop(piece)
        process.kill()
        process.wait()

    def stop(self) -> None:
        """Stop every process and its children, which are the processes of runs."""
        for process in self.running.values():
            process.send_signal(signal.SIGINT)
        for process in self.running.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=20)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        self.running.clear()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int, process: "subprocess.Popen[bytes]", seconds: float = 120) -> None:
    """Wait until a process listens on the port.

    Raises:
        RuntimeError: the process ended, or the time is over.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args} ended with exit code {process.returncode}. Its log says why.")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    raise RuntimeError(f"no process listens on port {port} after {seconds:g} s")


def make_database(server_url: str, name: str) -> str:
    """Create an empty database (an existing one is dropped), and return its URL."""
    import psycopg2

    admin = psycopg2.connect(server_url)
    admin.autocommit = True
    with admin.cursor() as cursor:
        cursor.execute(f'drop database if exists "{name}" with (force)')
        cursor.execute(f'create database "{name}"')
    admin.close()
    return server_url.rsplit("/", 1)[0] + f"/{name}"


def connect_companies(production: Production, simulator: Any, companies: int, leads: int) -> list[Any]:
    """Connect generated companies as channels `tenant-1` …, load their content, and return their orgs at Zoho."""
    from zoho_pipeline.channels.consent.connect import register_from_refresh_token
    from zoho_pipeline.channels.registry.registry import Registry
    from zoho_pipeline.ingest.content.files import load_content
    from zoho_pipeline.settings import Secret, load_settings
    from zoho_pipeline.simulator.demo.company import build_company
    from zoho_pipeline.warehouse.warehouse import open_warehouse
    from zoho_pipeline.zoho.accounts.scopes import DEFAULT_SCOPES

    settings = load_settings(production.env)
    registry = Registry(settings)
    client, secret = settings.require_client("sim")
    orgs = []
    for number in range(1, companies + 1):
        company = build_company(simulator, seed=number, leads=leads)
        token = company.org.grant(client, secret.reveal(), DEFAULT_SCOPES)
        register_from_refresh_token(registry, f"tenant-{number}", Secret(token), data_center="sim")
        catalogue = company.write_content(production.home / "content.csv")
        load_content(settings, open_warehouse(settings), f"tenant-{number}", catalogue)
        orgs.append(company.org)
    return orgs


def zoho_environment(simulator_url: str) -> dict[str, str]:
    """Environment variables: a client of the simulated Zoho, and the encryption key that all hosts share."""
    return {
        "ZOHO_CLIENT_ID": "1000.REHEARSAL",
        "ZOHO_CLIENT_SECRET": secrets.token_hex(16),
        "ZOHO_PIPELINE_SECRET_KEY": secrets.token_urlsafe(32),
        "ZOHO_PIPELINE_DATA_CENTERS": json.dumps({"sim": simulator_url}),
        "ZOHO_PIPELINE_SYNC_LAG": "1",
    }


def main() -> None:
    """Start everything, print the addresses, and wait for Ctrl-C."""
    from tests.postgres import running_postgres
    from zoho_pipeline.simulator import Simulator

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--home",
        type=Path,
        default=ROOT / "data" / "rehearsal",
        help="The folder of the deployment. It is deleted and created again at each start.",
    )
    parser.add_argument("--companies", type=int, default=3, help="The number of connected companies.")
    parser.add_argument("--leads", type=int, default=200, help="The approximate number of leads per company.")
    options = parser.parse_args()
    # A shell starts `… &` with SIGINT ignored, and the processes started here would inherit that.
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, signal.default_int_handler)
    shutil.rmtree(options.home, ignore_errors=True)
    with running_postgres() as server, Simulator.start() as simulator:
        urls = [make_database(server, name) for name in ("dagster", "pipeline")]
        production = Production(options.home, urls[0], urls[1], zoho_environment(simulator.url))
        print(f"Postgres: {server}\nSimulated Zoho: {simulator.url}\nLogs: {options.home}", flush=True)
        connect_companies(production, simulator, options.companies, options.leads)
        try:
            production.start(*PIECES)
            print(
                f"Dagster's UI: http://127.0.0.1:{production.ports['web']} (press Ctrl-C to stop everything)",
                flush=True,
            )
            while all(process.poll() is None for process in production.running.values()):
                time.sleep(1)
            ended = [name for name, process in production.running.items() if process.poll() is not None]
            sys.exit(f"error: {', '.join(ended)} ended. See {options.home}/{ended[0]}.log")
        except KeyboardInterrupt:
            print("\nStopping …")
        finally:
            production.stop()


if __name__ == "__main__":
    main()
