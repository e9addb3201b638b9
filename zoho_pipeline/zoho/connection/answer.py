"""An answer of the API: its data, its body on the wire, and what it cost."""

import threading
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

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


def read_body(response: httpx.Response, host: str) -> bytes:
    """The whole body of a streamed answer. The stream of the answer has its bounds (see `transport`).

    Raises:
        Retryable: the body breaks off or takes too long.
        AnswerTooLarge: it has more bytes than its bounds allow.
    """
    try:
        return response.read()
    except httpx.HTTPError as error:
        failure = connection_failed(host, error)
    finally:
        response.close()
    raise failure


def write_body(response: httpx.Response, host: str, target: Path) -> int:
    """Write the body of a streamed answer to a file; the number of bytes.

    Raises:
        Retryable: the body breaks off or takes too long.
        AnswerTooLarge: it has more bytes than its bounds allow.
        OSError: the file cannot be written.
    """
    size = 0
    try:
        with target.open("wb") as file:
            for chunk in response.iter_bytes(CHUNK_BYTES):
                size += file.write(chunk)
    except httpx.HTTPError as error:
        failure = connection_failed(host, error)
    else:
        return size
    finally:
        response.close()
    raise failure
