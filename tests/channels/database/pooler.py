"""A small pooler in front of Postgres for tests. It understands the messages of the protocol, but no SQL.

In transaction mode, all clients use one session of the server, one transaction after another. In session mode, each
client has its own session.
"""

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Lock, Thread

NO_ENCRYPTION = (80877103, 80877104)  # the codes of SSLRequest and GSSENCRequest
ROLLBACK = b"Q" + struct.pack("!i", 13) + b"ROLLBACK\0"


def _read(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise ConnectionError
        data += part
    return data


def _message(connection: socket.socket) -> bytes:
    """Read a message: one byte for its type, a length that includes itself, and the content."""
    head = _read(connection, 5)
    return head + _read(connection, struct.unpack("!i", head[1:])[0] - 4)


def _until_ready(server: socket.socket) -> bytes:
    """Read all messages up to the one that says that the server is ready. Its last byte is the transaction state."""
    messages = _message(server)
    last = messages
    while last[:1] != b"Z":
        last = _message(server)
        messages += last
    return messages


def _startup(client: socket.socket) -> bytes:
    """Read the startup message of a client, after refusing its request for encryption."""
    while True:
        head = _read(client, 8)
        size, code = struct.unpack("!ii", head)
        if code not in NO_ENCRYPTION:
            return head + _read(client, size - 8)
        client.sendall(b"N")


@dataclass
class Session:
    """A session of the server, and the messages that the server sent at its start."""

    server: socket.socket
    greeting: bytes
    turn: Lock = field(default_factory=Lock)

    def answer(self, message: bytes) -> tuple[bytes, bool]:
        """Return the answer of the server, and whether a transaction is open afterwards."""
        self.server.sendall(message)
        answer = _until_ready(self.server)
        return answer, answer[-1:] != b"I"


class Pooler:
    """Listens on loopback. With `transaction_mode`, all clients share one session."""

    def __init__(self, server: tuple[str, int], *, transaction_mode: bool) -> None:
        self._server, self._shares = server, transaction_mode
        self._shared: Session | None = None
        self._guard = Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                Thread(target=self._client, args=(client,), daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _session(self, startup: bytes) -> Session:
        with self._guard:
            if self._shared is not None:
                return self._shared
            server = socket.create_connection(self._server)
            server.sendall(startup)
            session = Session(server, _until_ready(server))
            self._shared = session if self._shares else None
            return session

    def _client(self, client: socket.socket) -> None:
        holds = False
        with client, suppress(OSError):
            session = self._session(_startup(client))
            client.sendall(session.greeting)
            try:
                while (message := _message(client))[:1] != b"X":  # terminate
                    if not holds:
                        session.turn.acquire()
                    holds = True
                    answer, holds = session.answer(message)
                    if not holds:
                        session.turn.release()
                    client.sendall(answer)
            finally:
                if holds:
                    session.answer(ROLLBACK)
                    session.turn.release()
                if not self._shares:
                    session.server.close()


@contextmanager
def running_pooler(host: str, port: int, *, transaction_mode: bool) -> Iterator[int]:
    """Run a pooler in front of a server and yield its port."""
    pooler = Pooler((host, port), transaction_mode=transaction_mode)
    thread = Thread(target=pooler.serve, daemon=True)
    thread.start()
    try:
        yield pooler.port
    finally:
        pooler.close()
        thread.join()
