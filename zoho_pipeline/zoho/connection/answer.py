"""An answer of the API: its data, its body on the wire, and what it cost."""

import threading
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from zoho_pipeline.zoho.errors import ConnectionFailed
from zoho_pipeline.zoho.transport import connection_failed

CHUNK_BYTES = 1 << 16


@dataclass
class Meter:
    """What a part of the work used: HTTP requests, answered or failed, and API credits."""

    requests: int = 0
    credits: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def add(self, requests: int, credits: int) -> None:
        with self._lock:
            self.requests += requests
            self.credits += credits


@dataclass(frozen=True)
class Answer:
    """An answer of the API. `data` is its JSON object; None if it has no body (204, 304).

    `server_time` is Zoho's clock (UTC) when it answered, cut to the second. It may be later than the moment when Zoho
    read the rows: the bound of a window must come from a clock read before the call, or be earlier than this time.
    """

    status: int
    data: dict[str, Any] | None
    server_time: datetime


def read_body(response: httpx.Response, host: str, seconds: float) -> bytes:
    """The whole body of a streamed answer.

    Args:
        seconds: the longest time that the body may take.

    Raises:
        Retryable: the body breaks off or takes too long.
    """
    deadline = time.monotonic() + seconds
    chunks: list[bytes] = []
    try:
        for chunk in response.iter_bytes():
            chunks.append(chunk)
            if time.monotonic() > deadline:
                raise ConnectionFailed(f"{host} took longer than {seconds:.0f} s to send its answer.", sent=True)
    except httpx.HTTPError as error:
        raise connection_failed(host, error) from None
    finally:
        response.close()
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def write_body(response: httpx.Response, host: str, target: Path) -> int:
    """Write the body of a streamed answer to a file; the number of bytes.

    Raises:
        Retryable: the body breaks off.
    """
    size = 0
    try:
        with target.open("wb") as file:
            for chunk in response.iter_bytes(CHUNK_BYTES):
                size += file.write(chunk)
    except httpx.HTTPError as error:
        raise connection_failed(host, error) from None
    finally:
        response.close()
    return size
