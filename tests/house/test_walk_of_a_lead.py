"""The walk of one changed lead: how many of our modules a newcomer must know to follow it.

The test profiles an incremental sync of one changed lead. It counts the modules that handle the record itself (the
arguments, locals or return value of a frame contain it), and all modules that execute.
"""

import json
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import pyarrow as pa
import pytest

import zoho_pipeline
from tests.ingest.conftest import ALL_SCOPES, SyncBench
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.settings import load_settings
from zoho_pipeline.simulator import Simulator
from zoho_pipeline.warehouse.warehouse import open_warehouse

NAME = "Zebracorn"
ROOT = Path(zoho_pipeline.__file__).parent
MOST_ON_THE_WALK = 25
MOST_EXECUTED = 91
"""The present number: 73, two modules that keep odd values and long numbers apart (`zoho/parsing`,
`ingest/convert/cell_values`), two that quote the paths of files (`local_paths` in URLs, `warehouse/dlt_duckdb` in
SQL), two that tell the platform what changed (`lead_changes` of `ingest/load` and of `channels/platform`), two that
ask whether the channel has a form (`ingest/forms/load_forms`, `channels/forms/salts`), six since channels are synced
side by side (among them `ingest/sync/sync_group`, `ingest/group_call`, `ingest/raw/stored_state`, and `quiet` and
`ending` of `ingest/finish`), and four that are no packages: `private_files` (who else can reach HOME), `work_folders`
(where rows are spilled), `stopping` (what Ctrl-C interrupts) and `key_file` (the type of a secret). If a change needs
one more module, raise it and say why. If a change needs fewer, lower it."""


class Walk:
    """A profiler of this thread, and of the threads that start while it runs."""

    def __init__(self) -> None:
        self.executed: set[str] = set()
        self.handled: set[str] = set()
        self._modules: dict[str, str | None] = {}

    def __enter__(self) -> "Walk":
        threading.setprofile(self._profile)
        sys.setprofile(self._profile)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)
        threading.setprofile(None)

    def _profile(self, frame: FrameType, event: str, result: Any) -> None:
        if event not in ("call", "return") or frame.f_code.co_name == "<module>":
            return
        file = frame.f_code.co_filename
        if file not in self._modules:  # nearly all calls are those of libraries: they must cost one look-up
            self._modules[file] = module_of(file)
        if (module := self._modules[file]) is None:
            return
        self.executed.add(module)
        if event == "return" and module not in self.handled:
            sys.setprofile(None)
            try:
                if holds([*frame.f_locals.values(), result]):
                    self.handled.add(module)
            finally:
                sys.setprofile(self._profile)


def module_of(file: str) -> str | None:
    """Return our module that a file is, and None for a library and for the simulator."""
    path = Path(file)
    if not path.is_relative_to(ROOT) or path.is_relative_to(ROOT / "simulator"):
        return None
    return str(path.relative_to(ROOT).with_suffix(""))


def holds(value: Any, depth: int = 0) -> bool:
    """Return whether a value contains the record, up to four levels deep."""
    if isinstance(value, str):
        return NAME in value
    if isinstance(value, bytes):
        return NAME.encode() in value
    if depth > 3:
        return False
    if isinstance(value, Mapping):
        return any(holds(item, depth + 1) for item in list(value.values())[:80])
    if isinstance(value, list | tuple):
        return any(holds(item, depth + 1) for item in value[:20])
    if isinstance(value, pa.Table | pa.RecordBatch | pa.Array | pa.ChunkedArray):
        return NAME in str(value.to_pylist())
    if type(value).__module__.startswith("zoho_pipeline") and hasattr(value, "__dict__"):
        return any(holds(item, depth + 1) for item in list(vars(value).values()))
    return False


@pytest.fixture
def bench(simulator: Simulator, settings_env: Callable[..., dict[str, str]]) -> SyncBench:
    settings = load_settings(settings_env(ZOHO_PIPELINE_DATA_CENTERS=json.dumps({"sim": simulator.url})))
    settings.ensure_home()
    org = simulator.add_org(name="Acme")
    made = SyncBench(simulator, org, settings, Registry(settings), open_warehouse(settings))
    made.connect(ALL_SCOPES)
    return made


@pytest.mark.long
def test_the_walk_of_one_changed_lead_is_short(bench: SyncBench) -> None:
    ids = bench.org.insert_many("Leads", [{"Last_Name": f"L{n}", "Company": "C"} for n in range(30)])
    bench.sync("Leads")
    bench.sim.clock.advance(60)
    bench.org.update("Leads", ids[3], {"Last_Name": NAME})
    with Walk() as walk:
        report = bench.sync("Leads")
    assert [part.rows for part in report.modules] == [1]
    assert bench.live("leads", "Leads")[ids[3]]["last_name"] == NAME
    print(f"handle the record ({len(walk.handled)}):", *sorted(walk.handled), sep="\n  ")
    print(f"execute ({len(walk.executed)}):", *sorted(walk.executed), sep="\n  ")
    assert {"zoho/connection/client", "ingest/convert/json_to_arrow", "ingest/load/loader"} <= walk.handled
    assert len(walk.handled) <= MOST_ON_THE_WALK
    assert len(walk.executed) <= MOST_EXECUTED
