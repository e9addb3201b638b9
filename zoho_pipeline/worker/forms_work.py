"""The worker's part for forms: it loads submissions into the raw table. The next build reads them."""

import logging
from threading import Event

from zoho_pipeline.channels.errors import LockLost, RegistryError
from zoho_pipeline.channels.forms import salts
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.ingest.forms.load_forms import try_to_load
from zoho_pipeline.warehouse.warehouse import Warehouse

log = logging.getLogger(__name__)

TIDY_SECONDS = 3_600.0
"""Between two looks at channels without new submissions: what is too old must go there too."""


class FormsWork:
    """Works until `stop`.

    Args:
        seconds: between two loads. Each load of a DuckDB warehouse keeps other processes away from the file for a
            moment, so what came meanwhile is loaded together.
    """

    def __init__(self, registry: Registry, warehouse: Warehouse, seconds: float) -> None:
        self._registry, self._warehouse, self._seconds = registry, warehouse, seconds
        self._stop = Event()
        self._rounds = 0

    def stop(self) -> None:
        """Begin nothing more."""
        self._stop.set()

    def is_idle(self) -> bool:
        """Whether a round has ended, so that what waited at the start is loaded."""
        return self._rounds > 0

    def run(self) -> None:
        """The body of the thread. A registry that cannot be reached is tried again."""
        every = max(1, round(TIDY_SECONDS / max(self._seconds, 0.1)))
        while True:
            try:
                self._round(all_channels=self._rounds % every == every - 1)
            except (RegistryError, LockLost) as error:
                log.warning("form submissions wait: %s", error)
            self._rounds += 1
            if self._stop.wait(self._seconds):
                return

    def _round(self, *, all_channels: bool) -> None:
        due = salts.channels_with_salts if all_channels else salts.channels_to_load
        for channel_id in due(self._registry):
            if self._stop.is_set():
                return
            try_to_load(self._registry, self._warehouse, [channel_id])
