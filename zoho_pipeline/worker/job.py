"""A claimed request while this worker has it: its progress, and the signal to stop."""

from threading import Event, Lock

from zoho_pipeline.channels.sync_requests.model import SyncRequest


class Job:
    """One request. It receives the progress of the sync, from the threads of its modules.

    Attributes:
        stop: once it is set, the sync ends at its next checkpoint.
    """

    def __init__(self, request: SyncRequest) -> None:
        self.request = request
        self.stop = Event()
        self._guard = Lock()
        self._rows: dict[str, int] = {}
        self._told: dict[str, int] = {}

    @property
    def rows(self) -> dict[str, int]:
        """Module → rows read so far."""
        with self._guard:
            return dict(self._rows)

    def advance(self, module: str, rows: int) -> None:
        with self._guard:
            self._rows[module] = self._rows.get(module, 0) + rows

    def finish(self, module: str) -> None:
        with self._guard:
            self._rows.setdefault(module, 0)

    def untold(self) -> dict[str, int] | None:
        """The rows, if they changed since the last call."""
        rows = self.rows
        if rows == self._told:
            return None
        self._told = rows
        return rows
