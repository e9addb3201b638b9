"""The process of a query of a person. Its memory is bounded, it can write no file, and it may be killed.

It reads its task as one JSON object from standard input, and answers in JSON lines: `{"ready": true}`, then
`{"columns": […]}`, `{"rows": [[…]]}` for each batch, `{"end": true}`; or `{"refused": "why"}`. An answer for a file
has tables in place of columns and rows: `{"table": bytes, "rows": number}`, and behind that line an Arrow stream.

DuckDB's own limits are not enough. It does not count the memory of `repeat('x', 2000000000)`, and it cannot be
interrupted while it computes one value. Measured: 14 s after a limit of 2 s, and 3.9 GB under a limit of 512 MB.
"""

import json
import os
import resource
import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from zoho_pipeline.reading.limits import START_SECONDS, Limits
from zoho_pipeline.reading.values import json_text
from zoho_pipeline.settings import PipelineError

if TYPE_CHECKING:
    import pyarrow as pa

BESIDES_MB = 512
"""The memory of Python, the drivers and a batch, in addition to the memory of the engine."""

GRACE_SECONDS = 2.0
"""The parent process ends this process after its time. Without the parent, an alarm ends it this much later."""


def main() -> NoReturn:
    """Read the request, answer it, and end the process at once."""
    request = json.load(sys.stdin.buffer)
    sys.stdout = os.fdopen(os.dup(1), "w")  # the answer alone: what an engine prints goes to standard error
    os.dup2(2, 1)
    limits = Limits(**request.pop("limits"))
    signal.setitimer(signal.ITIMER_REAL, START_SECONDS + GRACE_SECONDS)
    try:
        _confine(limits)
        _answer(request, limits)
    except PipelineError as error:
        _send({"refused": str(error)})
    except MemoryError:
        _send({"refused": limits.out_of_memory})
    sys.stdout.flush()
    os._exit(0)  # destructors of an engine in a broken state may hang


def _answer(request: dict[str, Any], limits: Limits) -> None:
    if request.pop("engine") == "duckdb":
        from zoho_pipeline.reading.ask_duckdb import ask
    else:
        from zoho_pipeline.reading.ask_postgres import ask
    answered = ask(request, limits)
    next(answered)  # open
    signal.setitimer(signal.ITIMER_REAL, limits.seconds + GRACE_SECONDS)
    _send({"ready": True})
    held = 0
    if request.get("as_tables"):
        send: Callable[[Any], None] = _send_table
    else:
        _send({"columns": next(answered)})
        send = _send_rows
    for part in answered:
        held += len(part)
        send(part)
        if held > limits.rows:
            break  # the reader of this pipe reports it
    _send({"end": True})


def _confine(limits: Limits) -> None:
    sys.dont_write_bytecode = True
    wanted = {
        "RLIMIT_DATA": (limits.memory_mb + BESIDES_MB) * 2**20,
        "RLIMIT_FSIZE": 0,  # for any file, in any folder
        "RLIMIT_CORE": 0,  # a core dump would contain the rows
    }
    for name, value in wanted.items():
        _, hard = resource.getrlimit(getattr(resource, name))
        resource.setrlimit(getattr(resource, name), (value, hard if hard != resource.RLIM_INFINITY else value))


def _send_rows(rows: list[Any]) -> None:
    _send({"rows": rows})


def _send_table(table: "pa.Table") -> None:
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    data = sink.getvalue()
    _send({"table": data.size, "rows": len(table)})
    sys.stdout.buffer.write(data)
    sys.stdout.flush()


def _send(part: dict[str, Any]) -> None:
    sys.stdout.write(json_text(part) + "\n")
    sys.stdout.flush()
