"""The simulator on a port: uvicorn's protocol in its own thread. It starts and stops in milliseconds."""

import asyncio
import logging
import socket
import threading
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from zoho_pipeline.simulator.http.app import App
from zoho_pipeline.simulator.hub import Hub

_silent = logging.getLogger("zoho_pipeline.simulator.connections")


class _Protocol(HttpToolsProtocol):
    """Hands its transport to the application, which resets connections for ordered faults."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.logger = _silent  # an answer that an ordered fault cuts short is not an error

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["state"]["transport"] = self.transport


class Server:
    """Serves one hub on 127.0.0.1 until `stop`; raises OSError when the port is taken."""

    def __init__(self, hub: Hub, port: int = 0) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind(("127.0.0.1", port))
        except OSError:
            self._socket.close()
            raise
        self.url = hub.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._hub = hub
        _silent.setLevel(logging.CRITICAL)
        self._loop = asyncio.new_event_loop()
        self._state = ServerState()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="zoho-simulator", daemon=True)
        self._thread.start()
        self._ready.wait()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        config = Config(
            App(self._hub), http=_Protocol, ws="none", lifespan="off", log_config=None, access_log=False,
            server_header=False, date_header=False, timeout_keep_alive=75,
        )  # fmt: skip
        config.load()

        def protocol() -> asyncio.Protocol:
            return _Protocol(config, self._state, {}, self._loop)

        listening = self._loop.run_until_complete(self._loop.create_server(protocol, sock=self._socket, backlog=512))
        self._loop.call_soon(self._ready.set)
        self._loop.run_forever()
        listening.close()
        self._loop.run_until_complete(self._wind_down())
        self._loop.close()

    async def _wind_down(self) -> None:
        for connection in list(self._state.connections):
            transport: Any = connection.transport
            transport.abort()
        for task in list(self._state.tasks):
            task.cancel()
        await asyncio.gather(*self._state.tasks, return_exceptions=True)
        await asyncio.sleep(0)

    def stop(self) -> None:
        """Close every connection and end the thread. A second call does nothing."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()

    def wait(self) -> None:
        """Block until another thread stops the server."""
        self._thread.join()
