"""Measures what Dagster adds: loading the code location, ticks with 5,000 channels, 200 channels in batches.

All figures are CPU seconds: they are nearly the same on a busy and on an idle machine. BENCH_CHANNELS=20 queues
fewer channels.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks import Figure
from benchmarks._many_channels import MANY, name_of, ticks
from benchmarks._queued_channels import FAILING, QueueResult, run_queue
from zoho_pipeline.orchestration.partitions import MAX_CHANNELS_PER_RUN

QUEUED = 200
LOAD_BAR = 1.5
OWN_BAR = 0.2  # CPU seconds per channel, beside its sync


def _cpu(code: str, home: Path) -> float:
    """The CPU seconds that a fresh interpreter spends on a line of code, without its start."""
    probe = f"import time; t = time.process_time(); {code}; print(time.process_time() - t)"
    env = {**os.environ, "ZOHO_PIPELINE_HOME": str(home), "DAGSTER_DISABLE_TELEMETRY": "yes"}
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", probe], env=env, capture_output=True, text=True, check=True
    )
    return float(run.stdout)


def load(home: Path) -> dict[str, float]:
    """Compare loading the code location with `import dagster`: the least of five runs of each, one after the other.

    A machine that is slow for some seconds slows both. The first load of a release also reads the SQL, and does not
    count.
    """
    location = "import zoho_pipeline.definitions as d; d.defs.get_repository_def()"
    codes = {"import_dagster_cpu_s": "import dagster", "code_location_cpu_s": location}
    _cpu(location, home)
    runs = [{name: _cpu(code, home) for name, code in codes.items()} for _ in range(5)]
    found = {name: min(run[name] for run in runs) for name in codes}
    return {**found, "ratio": found["code_location_cpu_s"] / found["import_dagster_cpu_s"]}


def measure() -> Iterator[Figure]:
    """Measure the three parts, each in its own HOME."""
    with tempfile.TemporaryDirectory() as folder:
        found = load(Path(folder) / "home")
    sides = f"{found['code_location_cpu_s']:.2f} s", f"{found['import_dagster_cpu_s']:.2f} s"
    yield Figure("load the code location / import dagster", *sides, found["ratio"], LOAD_BAR)
    with tempfile.TemporaryDirectory() as folder:
        for name, spent in ticks(Path(folder) / "home"):
            yield Figure(f"{MANY} channels: {name}", f"{spent:.2f} s", "1 s", spent, 1.0)
    with tempfile.TemporaryDirectory() as folder:
        yield from queue_figures(run_queue(Path(folder), int(os.environ.get("BENCH_CHANNELS", QUEUED))))


def queue_figures(result: QueueResult) -> Iterator[Figure]:
    """The figures of the queued channels."""
    count, others = len(result.requested), [channel for channel in result.requested if channel != name_of(FAILING)]
    finished = result.finished
    sides = f"{len(finished)} complete in {result.seconds:.0f} s", f"{len(others)}"
    yield Figure(f"{count} channels queued, one never answers", *sides, len(finished) / len(others), 1.0, True)
    overtaken = sum(requested != ended for requested, ended in zip(others, finished, strict=False))
    yield Figure("… that ended in another order than requested (they are side by side)", f"{overtaken}", "0", overtaken)
    own = (result.run_cpu - result.sync_cpu) / count
    sides = f"{own:.3f} s of CPU per channel", f"0.2 s (its sync: {result.sync_cpu / count:.2f} s)"
    bar = 1.0 if count >= MAX_CHANNELS_PER_RUN else None  # a whole batch shares the start of its process
    yield Figure("… the runs' own cost beside the syncs", *sides, own / OWN_BAR, bar)
    tries, took = len(result.failed), sum(attempt.seconds for attempt in result.failed)
    sides = f"{tries}", f"1 (its {took:.0f} s are waits)"
    yield Figure(
        "… tries of the failing one while others were queued", *sides, tries, 1 if len(result.runs) > 1 else None
    )
    daemon = result.daemon_cpu / count
    yield Figure("… the daemon's cost per channel", f"{daemon:.3f} s of CPU", "1 s", daemon)


if __name__ == "__main__":
    for one in measure():
        print(one, flush=True)
