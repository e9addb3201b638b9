"""`python -m benchmarks._sync_process HOME URL TOKEN WAREHOUSE`: one sync of Leads in a separate process.

It prints one JSON line: seconds and CPU seconds of the sync (without imports and without making tables), peak
memory in MB, rows, credits, route. WAREHOUSE is a URL or `-` (DuckDB in HOME).
"""

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any


def run(home: Path, url: str, token: str, warehouse: str = "-") -> dict[str, Any]:
    """Run one sync in a separate process and return the JSON that it printed."""
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks._sync_process", str(home), url, token, warehouse]
    ran = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)
    if ran.returncode:
        raise RuntimeError(ran.stderr[-2_000:])
    printed: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return printed


def _peak_mb() -> float:
    """Peak memory of this process. `ru_maxrss` would include the process that started it, if that one was larger."""
    peak = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    assert peak is not None
    return int(peak[1]) / 1_024


def _main(home: str, url: str, token: str, warehouse: str) -> None:
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
        "ZOHO_PIPELINE_SYNC_LAG": "0",
        "ZOHO_PIPELINE_DATA_CENTERS": json.dumps({"sim": url}),
    }
    settings = load_settings(env if warehouse == "-" else {**env, "ZOHO_PIPELINE_WAREHOUSE": warehouse})
    settings.ensure_home()
    registry, opened = Registry(settings), open_warehouse(settings)
    if not registry.list():
        register_from_refresh_token(registry, "bench", Secret(token), data_center="sim")
    Loader(settings, opened, "bench").ensure_tables()
    began, used = time.perf_counter(), time.process_time()
    (part,) = sync_channel(settings, registry, opened, "bench", modules=["Leads"]).modules
    seconds, cpu = time.perf_counter() - began, time.process_time() - used
    if part.outcome != "complete":
        raise SystemExit(f"{part.outcome}: {part.detail}")
    figures = {"seconds": seconds, "cpu": cpu, "peak_mb": _peak_mb()}
    print(json.dumps({**figures, "rows": part.rows, "credits": part.credits, "route": part.route}))


if __name__ == "__main__":
    _main(*sys.argv[1:])
