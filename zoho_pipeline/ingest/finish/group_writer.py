"""Group commit: the endings of many channels are written in one transaction, and each sync waits for its own.

A transaction of the warehouse costs a DuckDB file the same for one channel as for twenty: it is opened, written and
closed. The first thread that may write becomes the writer of all that wait. So there is no thread of its own that could
outlive a command.
"""

import logging
import time
from dataclasses import dataclass
from threading import Condition

from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.ingest.finish.ending import Ending, write
from zoho_pipeline.warehouse.connection import WarehouseBusy
from zoho_pipeline.warehouse.warehouse import Warehouse

log = logging.getLogger(__name__)

GATHER_SECONDS = 2.0
"""The longest wait of an ending for others: less than half of what a quiet sync waits for Zoho."""

WAIT_SECONDS = 0.25
"""How often a waiting ending looks whether it is time to write."""

MOST = 25
"""Endings in one transaction. More of them save little, and whoever else needs the warehouse would wait longer."""


@dataclass(eq=False)
class _Waiting:
    ending: Ending
    since: float
    is_taken: bool = False
    is_written: bool = False
    error: BaseException | None = None


class GroupWriter:
    """Writes the endings of the syncs of one process. Threads share it.

    Args:
        gather: the seconds that an ending waits for others, if other syncs are under way.
    """

    def __init__(self, registry: Registry, warehouse: Warehouse, gather: float = GATHER_SECONDS) -> None:
        self._registry, self._warehouse, self._gather = registry, warehouse, gather
        self._changed = Condition()
        self._waiting: list[_Waiting] = []
        self._under_way = 0
        self._is_writing = False

    def begin(self) -> None:
        """A sync is under way: others wait for its ending, for a while."""
        with self._changed:
            self._under_way += 1

    def end(self) -> None:
        """A sync has ended, written or not."""
        with self._changed:
            self._under_way -= 1
            self._changed.notify_all()

    def write(self, ending: Ending) -> None:
        """Write an ending, and return once it is stored.

        Raises:
            LockLost: another sync of this channel may have begun. WarehouseError, RegistryError: it was not stored.
        """
        own = _Waiting(ending, time.monotonic())
        with self._changed:
            self._waiting.append(own)
            self._changed.notify_all()
            while not own.is_written:
                if own.is_taken or self._is_writing or not self._is_time():
                    self._changed.wait(WAIT_SECONDS)
                    continue
                group, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
                for one in group:
                    one.is_taken = True
                self._is_writing = True
                self._changed.release()
                try:
                    self._write(group)
                finally:
                    self._changed.acquire()
                    self._is_writing = False
                    for one in group:
                        one.is_written = True
                    self._changed.notify_all()
        if own.error is not None:
            raise own.error

    def _is_time(self) -> bool:
        """Whether nobody else is expected soon, or somebody has waited for long enough."""
        is_whole = len(self._waiting) >= min(MOST, self._under_way)
        return is_whole or time.monotonic() - self._waiting[0].since >= self._gather

    def _write(self, group: list[_Waiting], *, again: bool = False) -> None:
        try:
            write(self._registry, self._warehouse, [one.ending for one in group], again=again)
        except WarehouseBusy as error:  # each of them would wait for ten minutes too, one after another
            for one in group:
                one.error = error
        except Exception as error:
            if len(group) == 1:
                group[0].error = error
                return
            log.info("the endings of %d channels are written one by one, because: %s", len(group), error)
            for one in group:  # one bad ending must cost only itself
                self._write([one], again=True)
        except BaseException as error:  # the command is being stopped
            for one in group:
                one.error = error
