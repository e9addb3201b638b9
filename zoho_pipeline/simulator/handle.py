"""`Simulator`: a local Zoho CRM in this process, for tests, demos and benchmarks."""

from collections.abc import Callable, Iterable
from os import PathLike
from types import TracebackType
from typing import Any

from zoho_pipeline.simulator.clock import Clock
from zoho_pipeline.simulator.control import endpoints, snapshot_file
from zoho_pipeline.simulator.courier import Courier
from zoho_pipeline.simulator.faults import Faults
from zoho_pipeline.simulator.http.server import Server
from zoho_pipeline.simulator.hub import Hub, LoggedCall
from zoho_pipeline.simulator.org_handle import OrgHandle
from zoho_pipeline.simulator.switches import Switches


class Control:
    """The control plane as Python calls: `sim.control.insert(module="Leads", values={…})`."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in endpoints.OPERATIONS:
            raise AttributeError(name)

        def operation(**arguments: Any) -> Any:
            with self._hub.lock:
                return endpoints.run(self._hub, name, arguments)

        return operation


class Simulator:
    """A running simulator; `with Simulator.start() as sim:` stops it at the end."""

    def __init__(self, hub: Hub, server: Server) -> None:
        self.hub, self._server = hub, server
        self.courier = Courier(hub)
        self.control = Control(hub)

    @classmethod
    def start(cls, port: int = 0, seed: int = 0, *, state: str | PathLike[str] | None = None) -> "Simulator":
        """Start serving on 127.0.0.1; port 0 takes a free one.

        `state` names a snapshot file: when it exists, the simulator begins with its content. Raises OSError when
        the port is taken and SimulatorError when the file is not a snapshot.
        """
        hub = Hub(seed)
        if state is not None:
            load_state(hub, state)
        return cls(hub, Server(hub, port))

    def __enter__(self) -> "Simulator":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Close every connection and free the port. A second call does nothing."""
        self.courier.stop()
        self._server.stop()

    def wait(self) -> None:
        """Block until another thread stops the server."""
        self._server.wait()

    @property
    def url(self) -> str:
        """The origin of the accounts server and of the API."""
        return self._server.url

    @property
    def clock(self) -> Clock:
        return self.hub.clock

    @property
    def switches(self) -> Switches:
        return self.hub.switches

    @property
    def faults(self) -> Faults:
        return self.hub.faults

    @property
    def requests(self) -> list[LoggedCall]:
        """All answered calls, without secrets; `.clear()` empties the list."""
        return self.hub.requests

    @property
    def orgs(self) -> list[OrgHandle]:
        return list(self.hub.orgs.values())

    @property
    def tokens_minted(self) -> int:
        """The number of access tokens minted so far."""
        return self.hub.tokens.minted

    def add_org(self, name: str = "Acme", **options: Any) -> OrgHandle:
        """Add an org with an administrator; see `Hub.add_org` for the options."""
        return self.hub.add_org(name, **options)

    def add_client(self, client_id: str, client_secret: str, redirect_uris: Iterable[str] = ()) -> None:
        """Register an OAuth app. Without redirect URIs it accepts every loopback address."""
        with self.hub.lock:
            self.hub.tokens.add_client(client_id, client_secret, set(redirect_uris))

    def on_call(self, k: int, action: Callable[[], object], path: str = "/crm/", *, after: bool = False) -> None:
        """Run `action` at the k-th call (1: the next one) whose path contains `path`, before it or after it."""
        self.hub.on_call(k, action, path, after=after)

    def expire_access_tokens(self) -> None:
        """Revoke every live access token; refresh tokens stay valid."""
        with self.hub.lock:
            for value in list(self.hub.tokens.live):
                self.hub.tokens.expire(value)

    def reset(self) -> None:
        """Forget everything but the address."""
        with self.hub.lock:
            self.hub.reset()

    def save(self, path: str | PathLike[str]) -> None:
        """Write a snapshot that `start(state=…)` reads. It holds secrets, so its mode is 600."""
        with self.hub.lock:
            snapshot_file.save(self.hub, path)


def load_state(hub: Hub, path: str | PathLike[str]) -> None:
    """Fill an empty hub from a snapshot file; a missing file leaves it empty."""
    snapshot_file.load(hub, path)
