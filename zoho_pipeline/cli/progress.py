"""What a long command shows on a terminal: one bar per module of a sync, else what it does and for how long.

Elsewhere the log shows the progress.
"""

import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING

from zoho_pipeline.logs import printable

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    from zoho_pipeline.ingest.report import SyncProgress


@contextmanager
def sync_progress(channel_id: str, show: bool = True) -> "Iterator[SyncProgress | None]":
    """Show progress bars on stderr during the block. Log lines appear above the bars.

    Yields None when `show` is false or stderr is not a terminal.
    """
    if not (show and sys.stderr.isatty()):
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (
        SpinnerColumn(finished_text="✓"),
        TextColumn("{task.description:<22}"),
        BarColumn(bar_width=24),
        TextColumn("{task.completed:>9,.0f} rows"),
        TimeElapsedColumn(),
    )
    with _shown(Bars(*columns, console=Console(stderr=True))) as bars:
        yield _ProgressBars(bars, channel_id)


@contextmanager
def working(text: str, show: bool = True) -> Iterator[Callable[[str], None]]:
    """Show on stderr what the block does, with a clock, where nobody knows how long it takes. Yields a function that
    changes the text. It shows nothing where `sync_progress` does, and nothing stays of it. The block prints nothing.
    """
    if not (show and sys.stderr.isatty()):
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress as Bars
    from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with _shown(Bars(*columns, console=Console(stderr=True), transient=True)) as bars:
        task = bars.add_task(printable(text, one_line=True), total=None)
        yield lambda changed: bars.update(task, description=printable(changed, one_line=True))


class SyncsProgress:
    """What is shown of syncs that run side by side: for one channel its modules, for several how many have ended."""

    def __init__(self, of_one: "SyncProgress | None" = None, bars: "Bars | None" = None, total: int = 0) -> None:
        self._of_one, self._bars = of_one, bars
        self._task = bars.add_task("channels", total=total) if bars is not None else None

    def of(self, channel_id: str) -> "SyncProgress | None":  # noqa: ARG002
        """The progress that the sync of this channel reports to; None: none of a single one is shown."""
        return self._of_one

    def ended(self) -> None:
        """One more channel has ended."""
        if self._bars is not None and self._task is not None:
            self._bars.advance(self._task)


@contextmanager
def syncs_progress(channel_ids: Sequence[str], show: bool = True) -> "Iterator[SyncsProgress]":
    """Show the progress of several channels on stderr during the block. It shows nothing where `sync_progress` does."""
    if len(channel_ids) == 1:
        with sync_progress(channel_ids[0], show) as progress:
            yield SyncsProgress(progress)
        return
    if not (show and sys.stderr.isatty()):
        yield SyncsProgress()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn(), TimeElapsedColumn())
    with _shown(Bars(*columns, console=Console(stderr=True))) as bars:
        yield SyncsProgress(bars=bars, total=len(channel_ids))


class _ProgressBars:
    """One bar per module, added when its first rows arrive. Threads of several modules call it."""

    def __init__(self, bars: "Bars", channel_id: str) -> None:
        self._bars, self._channel_id = bars, channel_id
        self._tasks: dict[str, TaskID] = {}
        self._lock = Lock()

    def advance(self, module: str, rows: int) -> None:
        self._bars.update(self._task(module), advance=rows)

    def finish(self, module: str) -> None:
        task = self._task(module)
        with self._lock:
            done = next(t.completed for t in self._bars.tasks if t.id == task)
        self._bars.update(task, total=done, completed=done)

    def _task(self, module: str) -> "TaskID":
        with self._lock:
            if module not in self._tasks:
                self._tasks[module] = self._bars.add_task(f"{self._channel_id} {module}", total=None)
            return self._tasks[module]


_open: "list[Bars]" = []
"""What is shown now."""


@contextmanager
def _shown(bars: "Bars") -> "Iterator[Bars]":
    """Show the bars during the block."""
    _open.append(bars)
    try:
        with bars, _logs_above_bars():
            yield bars
    finally:
        bars.stop()
        _open.remove(bars)


def end_progress() -> None:
    """End what is shown, if a block did not do it.

    Python can raise KeyboardInterrupt after a block was entered and before `with` guards it. Then the block would end
    too late: the command would print its message while the bar is still on the terminal, on the same line.
    """
    for bars in list(_open):
        bars.stop()


@contextmanager
def _logs_above_bars() -> Iterator[None]:
    """Let the log handlers write to rich's replacement of stderr, which prints above the bars."""
    handlers = [handler for handler in logging.getLogger().handlers if isinstance(handler, logging.StreamHandler)]
    streams = [handler.setStream(sys.stderr) for handler in handlers]
    try:
        yield
    finally:
        for handler, stream in zip(handlers, streams, strict=True):
            if stream is not None:
                handler.setStream(stream)
