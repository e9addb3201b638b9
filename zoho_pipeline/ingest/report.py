"""The report of a sync or a reconciliation: one entry per module, which `sync_runs` keeps and the commands print."""

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Protocol

from zoho_pipeline.channels.registry.model import Outcome as Outcome
from zoho_pipeline.zoho.connection.answer import Meter
from zoho_pipeline.zoho.errors import CreditsExhausted


def outcome_of(error: Exception) -> Outcome:
    """The outcome of what an error ended: `stopped` if the credits are used up, else `failed`."""
    return "stopped" if isinstance(error, CreditsExhausted) else "failed"


@dataclass
class ModuleReport:
    """The result of one module (or of a reference table: users, deal_stages …).

    `rows` counts records that are new or changed since the last sync. `window_end` is exclusive. `detail` says
    what is missing and which fields have changed. `seconds` is the time from the start of the reading to its end.
    `table` is the raw table of the module; for a reference table it is empty.
    """

    module: str
    route: str = ""
    route_reason: str = ""
    rows: int = 0
    deleted_rows: int = 0
    rejected_rows: int = 0
    credits: int = 0
    tokens: int = 0
    requests: int = 0
    window_start: datetime | None = None
    window_end: datetime | None = None
    seconds: float = 0.0
    outcome: Outcome = "complete"
    detail: str = ""
    table: str = ""

    def note(self, text: str) -> None:
        """Add a text to `detail`. Each text is added once."""
        if text and text not in self.detail:
            self.detail = f"{self.detail}; {text}" if self.detail else text

    def fail(self, error: Exception, what: str = "") -> None:
        """Set the outcome that the error means, and note it after `what` it ended."""
        self.outcome = outcome_of(error)
        self.note(f"{what}: {error}" if what else str(error))

    def count(self, meter: Meter) -> None:
        """Take over the credits and requests that the meter has counted by now."""
        self.credits, self.requests = meter.credits, meter.requests

    def took(self, route: str) -> None:
        """Add a route. A run may use several routes for one module."""
        parts = self.route.split("+") if self.route else []
        if route not in parts:
            self.route = "+".join([*parts, route])


@dataclass(frozen=True)
class SyncReport:
    """One run over a channel. `complete`: every module was read to its end, or this connection cannot read it.

    `written` has the names of the reference tables (users, stages …) that differed from those of the warehouse.
    """

    channel_id: str
    run_id: str
    modules: list[ModuleReport] = field(default_factory=list)
    started_at: datetime | None = None
    written: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        return all(module.outcome in ("complete", "skipped") for module in self.modules)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"complete": self.complete}


@dataclass(frozen=True)
class Comparison:
    """The numbers of records that a comparison of one module id by id found and repaired."""

    module: str
    route: str
    source_rows: int
    warehouse_rows: int
    added: int
    updated: int
    removed: int


@dataclass(frozen=True)
class ReconcileReport:
    """What a reconciliation found and repaired, and the sync before it.

    `repaired` counts the records that differed. `complete`: every readable module was compared.
    """

    channel_id: str
    run_id: str
    comparisons: list[Comparison]
    sync: SyncReport

    @property
    def modules(self) -> list[ModuleReport]:
        return self.sync.modules

    @property
    def complete(self) -> bool:
        return self.sync.complete

    @property
    def repaired(self) -> int:
        return sum(c.added + c.updated + c.removed for c in self.comparisons)

    def as_dict(self) -> dict[str, Any]:
        return {
            "channel_id": self.channel_id,
            "run_id": self.run_id,
            "complete": self.complete,
            "repaired": self.repaired,
            "modules": [asdict(comparison) for comparison in self.comparisons],
        }


class SyncProgress(Protocol):
    """Receives the progress of a sync while it runs. The threads of its modules call it."""

    def advance(self, module: str, rows: int) -> None: ...

    def finish(self, module: str) -> None: ...


class Silent:
    """A progress display that shows nothing."""

    def advance(self, module: str, rows: int) -> None:
        del module, rows

    def finish(self, module: str) -> None:
        del module
