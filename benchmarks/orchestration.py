"""The conductor's own cost: loading the code location, ticks with 5,000 channels, 200 channels in batches.

All are seconds of CPU: a busy machine tells nearly the same as an idle one. BENCH_CHANNELS=20 queues fewer.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks import Figure
from benchmarks._crowd import MANY, name_of, ticks
from benchmarks._queue import FAILING, Night, queued
from zoho_pipeline.orchestration.partitions import MAX_CHANNELS_PER_RUN

QUEUED = 200
LOAD_BAR = 1.5
OWN_BAR = 0.2  # seconds of CPU a channel beside its sync


def _cpu(code: str, home: Path) -> float:
    """Seconds of CPU that a fresh interpreter spends on a line, its own start apart; the least of three."""
    probe = f"import time; t = time.process_time(); {code}; print(time.process_time() - t)"
    env = {**os.environ, "ZOHO_PIPELINE_HOME": str(home), "DAGSTER_DISABLE_TELEMETRY": "yes"}
    runs = [
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", probe], env=env, capture_output=True, text=True, check=True
        )
        for _ in range(3)
    ]
    return min(float(run.stdout) for run in runs)


def load(home: Path) -> dict[str, float]:
    """Loading the code location against `import dagster`; the first load of a release reads the SQL, too."""
    location = "import zoho_pipeline.definitions as d; d.defs.get_repository_def()"
    env = {**os.environ, "ZOHO_PIPELINE_HOME": str(home)}
    subprocess.run([sys.executable, "-W", "ignore", "-c", location], env=env, check=True)
    dagster, whole = _cpu("import dagster", home), _cpu(location, home)
    return {"import_dagster_cpu_s": dagster, "code_location_cpu_s": whole, "ratio": whole / dagster}


def race() -> Iterator[Figure]:
    """The three, each in a HOME of its own."""
    with tempfile.TemporaryDirectory() as folder:
        found = load(Path(folder) / "home")
    sides = f"{found['code_location_cpu_s']:.2f} s", f"{found['import_dagster_cpu_s']:.2f} s"
    yield Figure("load the code location against import dagster", *sides, found["ratio"], LOAD_BAR)
    with tempfile.TemporaryDirectory() as folder:
        for name, spent in ticks(Path(folder) / "home"):
            yield Figure(f"{MANY} channels: {name}", f"{spent:.2f} s", "1 s", spent, 1.0)
    with tempfile.TemporaryDirectory() as folder:
        yield from told(queued(Path(folder), int(os.environ.get("BENCH_CHANNELS", QUEUED))))


def told(night: Night) -> Iterator[Figure]:
    """The figures of a queue."""
    count, others = len(night.asked), [channel for channel in night.asked if channel != name_of(FAILING)]
    done = night.finished
    sides = f"{len(done)} complete in {night.seconds:.0f} s", f"{len(others)}"
    yield Figure(f"{count} channels queued, one never answers", *sides, len(done) / len(others), 1.0, True)
    overtaken = sum(asked != ended for asked, ended in zip(others, done, strict=False))
    yield Figure("… that ended out of the order asked for", f"{overtaken}", "0", overtaken, 0)
    own = (night.run_cpu - night.sync_cpu) / count
    sides = f"{own:.3f} s of CPU a channel", f"0.2 s (its sync: {night.sync_cpu / count:.2f} s)"
    bar = 1.0 if count >= MAX_CHANNELS_PER_RUN else None  # a process's start is for a whole batch to share
    yield Figure("… the runs' own cost beside the syncs", *sides, own / OWN_BAR, bar)
    tries, took = len(night.failing), sum(done.seconds for done in night.failing)
    sides = f"{tries}", f"1 (its {took:.0f} s are waits)"
    yield Figure("… tries of the failing one before the others", *sides, tries, 1 if len(night.runs) > 1 else None)
    daemon = night.daemon_cpu / count
    yield Figure("… the daemon's cost a channel", f"{daemon:.3f} s of CPU", "1 s", daemon)


if __name__ == "__main__":
    for one in race():
        print(one, flush=True)
