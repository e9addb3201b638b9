"""`python -m benchmarks._sync_process HOME URL TOKEN WAREHOUSE SCOPE`: one sync in a separate process.

SCOPE is `Leads`, without the lag, or `all`: every module, with the default settings.

It prints one JSON line: seconds and CPU seconds of the sync (without imports and without making tables), peak
memory in MB, rows, credits, route. WAREHOUSE is a URL or `-` (DuckDB in HOME).
"""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks._peak_memory import peak_memory


def run(home: Path, url: str, token: str, warehouse: str = "-", scope: str = "Leads") -> dict[str, Any]:
    """Run one sync in a separate process and return the JSON that it printed."""
    arguments = [str(home), url, token, warehouse, scope]
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks._sync_process", *arguments]
    ran = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)
    if ran.returncode:
        raise RuntimeError(ran.stderr[-2_000:])
    printed: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return printed


def _main(home: str, url: str, token: str, warehouse: str, scope: str) -> None:
    from benchmarks._simulator_process import CLIENT, CLIENT_SECRET
    from zoho_pipeline.channels.consent.register import register_from_refresh_token
    from zoho_pipeline.channels.registry.registry import Registry
    from zoho_pipeline.ingest.load.loader import Loader
    from zoho_pipeline.ingest.sync.run import sync_channel
    from zoho_pipeline.settings import Secret, load_settings
    from zoho_pipeline.warehouse.warehouse import open_warehouse

    env = {
        "ZOHO_PIPELINE_HOME": home,
        "ZOHO_CLIENT_ID": CLIENT,
        "ZOHO_CLIENT_SECRET": CLIENT_SECRET,
        "ZOHO_PIPELINE_DATA_CENTERS": json.dumps({"sim": url}),
        **({} if scope == "all" else {"ZOHO_PIPELINE_SYNC_LAG": "0"}),
    }
    settings = load_settings(env if warehouse == "-" else {**env, "ZOHO_PIPELINE_WAREHOUSE": warehouse})
    settings.ensure_home()
    registry, opened = Registry(settings), open_warehouse(settings)
    if not registry.list():
        register_from_refresh_token(registry, "bench", Secret(token), data_center="sim")
    Loader(settings, opened, "bench").ensure_tables()
    began, used = time.perf_counter(), time.process_time()
    names = None if scope == "all" else ["Leads"]
    with opened.kept_open(), registry.database.kept_open():  # as the command does
        parts = sync_channel(settings, registry, opened, "bench", modules=names).modules
    seconds, cpu = time.perf_counter() - began, time.process_time() - used
    if failed := [part for part in parts if part.outcome in ("failed", "stopped")]:
        raise SystemExit("; ".join(f"{part.module} {part.outcome}: {part.detail}" for part in failed))
    figures = {"seconds": seconds, "cpu": cpu, "peak_mb": peak_memory() / 1_048_576}
    rows, credits = sum(part.rows for part in parts), sum(part.credits for part in parts)
    print(json.dumps({**figures, "rows": rows, "credits": credits, "route": parts[0].route}))


if __name__ == "__main__":
    _main(*sys.argv[1:])
