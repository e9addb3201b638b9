"""A load generator on raw sockets: it costs a tenth of an HTTP library, so that the server is what is measured.

Requests go over connections that stay open. `steady` sends them at fixed times, whether the earlier ones were answered
or not, and measures from the planned time. So a server that stops for a second shows it in every request of that
second.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass
class Load:
    """What a load measured: seconds per request, and the statuses."""

    seconds: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)
    took: float = 0.0

    @property
    def per_second(self) -> float:
        return len(self.seconds) / self.took

    @property
    def errors(self) -> int:
        return sum(count for status, count in self.statuses.items() if status != 200)

    def percentile(self, share: float) -> float:
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Connection:
    """One connection that stays open."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self, path: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Status and body of a GET; status 0 where the connection broke."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        lines = [
            f"GET {path} HTTP/1.1",
            "Host: localhost:8480",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        try:
            writer.write("\r\n".join([*lines, "", ""]).encode())
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(_header(head, b"content-length") or 0)
            return int(head[9:12]), await reader.readexactly(length)
        except (OSError, asyncio.IncompleteReadError):
            self.close()
            return 0, b""

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


def _header(head: bytes, name: bytes) -> bytes | None:
    for line in head.split(b"\r\n")[1:]:
        found, _, value = line.partition(b":")
        if found.lower() == name:
            return value.strip()
    return None


def closed(port: int, paths: Sequence[str], headers: Mapping[str, str], requests: int, connections: int = 16) -> Load:
    """As many requests per second as the server answers, over some connections."""

    async def run() -> Load:
        load, places = Load(), iter(range(requests))

        async def work() -> None:
            connection = Connection(port)
            for number in places:
                await _one(load, connection, paths[number % len(paths)], headers, time.perf_counter())
            connection.close()

        began = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(connections)))
        load.took = time.perf_counter() - began
        return load

    return asyncio.run(run())


def steady(port: int, paths: Iterator[str], headers: Mapping[str, str], rate: float, seconds: float) -> Load:
    """`rate` requests per second at fixed times, for some seconds."""

    async def run() -> Load:
        load, idle, tasks = Load(), [Connection(port) for _ in range(64)], set()

        async def work(path: str, planned: float) -> None:
            connection = idle.pop() if idle else Connection(port)
            await _one(load, connection, path, headers, planned)
            idle.append(connection)

        began = time.perf_counter()
        for number in range(int(rate * seconds)):
            planned = began + number / rate
            await asyncio.sleep(max(0.0, planned - time.perf_counter()))
            task = asyncio.create_task(work(next(paths), planned))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.gather(*tasks)
        load.took = time.perf_counter() - began
        for connection in idle:
            connection.close()
        return load

    return asyncio.run(run())


async def _one(load: Load, connection: Connection, path: str, headers: Mapping[str, str], since: float) -> None:
    status, _ = await connection.get(path, headers)
    load.seconds.append(time.perf_counter() - since)
    load.statuses[status] = load.statuses.get(status, 0) + 1
