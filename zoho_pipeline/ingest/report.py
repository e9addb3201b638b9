"""What a sync did: one entry a module, as `sync_runs` keeps it and the command prints it."""

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Protocol

from zoho_pipeline.channels.registry.model import Outcome as Outcome


@dataclass
class ModuleReport:
    """How one module (or part: users, deal_stages …) went.

    `rows` counts records that are new or changed since the last sync; `window_end` is exclusive. `detail`
    tells a person what is missing or has changed shape.
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

    def note(self, text: str) -> None:
        """Add to what a person should know, each thing once."""
        if text and text not in self.detail:
            self.detail = f"{self.detail}; {text}" if self.detail else text

    def took(self, route: str) -> None:
        """Add a route; a run may use several."""
        parts = self.route.split("+") if self.route else []
        if route not in parts:
            self.route = "+".join([*parts, route])


@dataclass(frozen=True)
class SyncReport:
    """One run over a channel. `complete`: every module was read to its end, or cannot be read at all."""

    channel_id: str
    run_id: str
    modules: list[ModuleReport] = field(default_factory=list)
    started_at: datetime | None = None

    @property
    def complete(self) -> bool:
        return all(module.outcome in ("complete", "skipped") for module in self.modules)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"complete": self.complete}


class Progress(Protocol):
    """What a sync tells while it runs; called from the threads of its modules."""

    def advance(self, module: str, rows: int) -> None: ...

    def finish(self, module: str) -> None: ...


class Silent:
    """A progress that nobody watches."""

    def advance(self, module: str, rows: int) -> None:
        del module, rows

    def finish(self, module: str) -> None:
        del module
