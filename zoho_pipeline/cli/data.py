"""The commands `sync`, `reconcile` and `content load`, which fill the raw tables."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoho_pipeline import stopping
from zoho_pipeline.channels.errors import of_channel
from zoho_pipeline.cli.output import format_option, print_json, print_rows, say
from zoho_pipeline.cli.program import BUG
from zoho_pipeline.cli.session import Session, read_secret, select_channels
from zoho_pipeline.settings import PipelineError, Secret, Settings

if TYPE_CHECKING:
    from zoho_pipeline.ingest.report import ReconcileReport, SyncReport
    from zoho_pipeline.ingest.sync.side_by_side import Ended
    from zoho_pipeline.warehouse.warehouse import Warehouse

log = logging.getLogger(__name__)


@click.command(short_help="Load what changed in Zoho into the raw tables.")
@click.argument("channel_ids", metavar="[ID]...", nargs=-1)
@click.option("--modules", metavar="NAMES", help="Sync only these modules: Zoho's API names, separated by commas.")
@click.option("--full", is_flag=True, help="Read every row again, not only the rows that changed.")
@format_option
def sync(channel_ids: tuple[str, ...], modules: str | None, full: bool, output: str) -> None:
    """Load what changed in Zoho into the raw tables.

    Without an ID, it syncs every active channel. The channel whose last sync is oldest comes first, and
    many are read at the same time (ZOHO_PIPELINE_CHANNELS_AT_ONCE). A channel that fails does not stop
    the others. When a scope or a module is missing, a line on stderr names it, and the other modules are
    loaded.

    \b
    Examples:
      zoho-pipeline sync
      zoho-pipeline sync acme --modules Leads,Deals
      zoho-pipeline sync acme --full --format json
    """
    given = _parse_modules(modules)
    session = Session()
    selected = _known_modules(session, given) if given else None
    show = output == "table"
    reports, failures = run_syncs(session, select_channels(session, channel_ids), selected, full, show=show)
    print_reports(reports, output)
    fail_if_any(failures, reports)


def for_each_channel(channel_ids: Sequence[str], action: Callable[[str], None]) -> list[str]:
    """Run `action` for one channel after another and return one message per failure.

    No error stops the other channels, not even an unexpected one. Ctrl-C stops all of them.
    """
    failures = []
    for channel_id in channel_ids:
        stopping.raise_if_requested()
        if (failure := _failure_of(channel_id, partial(action, channel_id))) is not None:
            failures.append(failure)
    return failures


def _failure_of(channel_id: str, action: Callable[[], None]) -> str | None:
    """The message of the error that ends the action, if one does."""
    try:
        action()
    except PipelineError as error:
        stopping.raise_if_requested()
        return of_channel(channel_id, str(error))
    except Exception as error:
        stopping.raise_if_requested()
        log.exception("channel %s: unexpected error", channel_id)
        return f"channel {channel_id}: {BUG} ({type(error).__name__}). The log above has its traceback."
    return None


def run_syncs(
    session: Session,
    channel_ids: Sequence[str],
    modules: tuple[str, ...] | None = None,
    full: bool = False,
    show: bool = True,
) -> "tuple[list[SyncReport], list[str]]":
    """Sync channels side by side, with a progress display, and print on stderr what was not loaded.

    Returns:
        The reports and the messages of the failures, both in the order of the channels.
    """
    from zoho_pipeline.cli.progress import syncs_progress
    from zoho_pipeline.ingest.sync.run import sync_channel
    from zoho_pipeline.ingest.sync.side_by_side import side_by_side
    from zoho_pipeline.ingest.sync.sync_group import SyncGroup

    services = (session.settings, session.registry, session.warehouse)
    group = SyncGroup(session.registry, session.warehouse)
    reports: dict[str, SyncReport] = {}
    failures: dict[str, str] = {}
    with (
        syncs_progress(channel_ids, show=show) as progress,
        session.warehouse.kept_open(),
        session.registry.database.kept_open(),
    ):

        def sync_one(channel_id: str) -> "SyncReport":
            shown = progress.of(channel_id)
            return sync_channel(
                *services, channel_id, modules=modules, full=full, progress=shown, stop=group.stop, group=group
            )

        for ended in side_by_side(channel_ids, sync_one, session.settings.channels_at_once, group.stop):
            stopping.raise_if_requested()
            progress.ended()

            def keep(ended: "Ended[SyncReport]" = ended) -> None:
                reports[ended.channel_id] = ended.value()
                print_problems(reports[ended.channel_id])

            if (failure := _failure_of(ended.channel_id, keep)) is not None:
                failures[ended.channel_id] = failure
    in_order = [reports[channel_id] for channel_id in channel_ids if channel_id in reports]
    return in_order, [failures[channel_id] for channel_id in channel_ids if channel_id in failures]


def run_sync(session: Session, channel_id: str) -> "SyncReport":
    """`run_syncs` for one channel. PipelineError: it failed."""
    reports, failures = run_syncs(session, [channel_id])
    if failures:
        raise PipelineError(failures[0])
    return reports[0]


def print_problems(report: "SyncReport") -> None:
    """Print one line on stderr per module that was not loaded, or whose fields changed."""
    for module in report.modules:
        if module.outcome != "complete" or module.detail:
            say(f"{report.channel_id}: {module.module}: {module.outcome}: {module.detail}", err=True)


def print_reports(reports: "list[SyncReport]", output: str) -> None:
    """Print rows, credits and route per module of each channel, as a table or as JSON."""
    if output == "json":
        print_json([report.as_dict() for report in reports])
        return
    rows = [row for report in reports for row in _report_rows(report)]
    if rows:
        print_rows(rows)


def _report_rows(report: "SyncReport") -> list[dict[str, Any]]:
    """One row per module, and a row with their sums."""
    rows: list[dict[str, Any]] = [
        {
            "channel": report.channel_id,
            "module": module.module,
            "outcome": module.outcome,
            "route": module.route,
            "rows": module.rows,
            "deleted": module.deleted_rows,
            "rejected": module.rejected_rows,
            "credits": module.credits,
            "seconds": round(module.seconds, 1),
        }
        for module in report.modules
    ]
    sums = {name: sum(row[name] for row in rows) for name in ("rows", "deleted", "rejected", "credits")}
    return [*rows, {"channel": report.channel_id, "module": "(all)", **sums}]


def _parse_modules(text: str | None) -> tuple[str, ...] | None:
    """The names in the value of --modules; None when the option is not given."""
    if text is None:
        return None
    if given := tuple(part.strip() for part in text.split(",") if part.strip()):
        return given
    raise click.UsageError(f"--modules {text!r}: no module is named. Separate the names of modules by commas.")


def _known_modules(session: Session, given: tuple[str, ...]) -> tuple[str, ...]:
    """The API names of the given modules, which may be in any case."""
    from zoho_pipeline.ingest.catalog.tables import BY_MODULE

    names = {module.lower(): module for module in BY_MODULE if module}
    if any(name.lower() not in names for name in given):  # a channel may have chosen it
        chosen = {module for channel in session.registry.list() for module in channel.chosen_modules}
        names |= {module.lower(): module for module in sorted(chosen)}
    if unknown := [name for name in given if name.lower() not in names]:
        known = f"The modules are {', '.join(names.values())}. Separate them by commas"
        raise click.UsageError(f"--modules: {', '.join(unknown)} is not a module. {known}.")
    return tuple(names[name.lower()] for name in given)


def fail_if_any(failures: list[str], reports: "list[SyncReport]") -> None:
    """End the command with exit code 1 when a channel failed, or the credit budget stopped its sync."""
    incomplete = [
        f"channel {report.channel_id}: {module.module} {module.outcome}: "
        f"{str(module.detail).removeprefix(f'channel {report.channel_id}: ')}"
        for report in reports
        for module in report.modules
        if module.outcome in ("failed", "stopped")
    ]
    if not (failures or incomplete):
        return
    *first, last = [*failures, *incomplete]
    for line in first:
        say(f"error: {line}", err=True)
    raise PipelineError(last)


@click.command(short_help="Compare Zoho and the warehouse id by id, and repair.")
@click.argument("channel_ids", metavar="[ID]...", nargs=-1)
@format_option
def reconcile(channel_ids: tuple[str, ...], output: str) -> None:
    """Sync, then compare Zoho and the warehouse id by id, repair the differences, and report them.

    Without an ID, it takes every active channel. It finds the changes that Zoho does not report to a sync:
    merges, restores, records that a user may see or no longer see, and deletions that Zoho no longer lists.

    \b
    Examples:
      zoho-pipeline reconcile
      zoho-pipeline reconcile acme --format json
    """
    from zoho_pipeline.cli.progress import sync_progress
    from zoho_pipeline.ingest.sync.run import reconcile_channel

    session = Session()
    services = (session.settings, session.registry, session.warehouse)
    reports: list[ReconcileReport] = []

    def reconcile_one(channel_id: str) -> None:
        with sync_progress(channel_id, show=output == "table") as progress:
            reports.append(reconcile_channel(*services, channel_id, progress=progress))
        print_problems(reports[-1].sync)

    failures = for_each_channel(select_channels(session, channel_ids), reconcile_one)
    if output == "json":
        print_json([report.as_dict() for report in reports])
    else:
        _print_reconciliations(reports)
    fail_if_any(failures, [report.sync for report in reports])


def _print_reconciliations(reports: "list[ReconcileReport]") -> None:
    rows = [
        {"channel": report.channel_id, **asdict(comparison)} for report in reports for comparison in report.comparisons
    ]
    if rows:
        print_rows(rows)
    for report in reports:
        result = f"{report.repaired} records differed and were repaired" if report.repaired else "nothing differed"
        say(f"{report.channel_id}: {result}.")


@click.group(short_help="Load the content catalogue (posts, videos, pages).")
def content() -> None:
    """The content catalogue lists what was published, so that leads can be attributed to it."""


@content.command("load", short_help="Load or update the content catalogue of a channel.")
@click.argument("channel_id", metavar="ID")
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option(
    "--url", metavar="URL", help="The URL of a database, instead of a file: kind://user:password@host/database."
)
@click.option(
    "--url-file",
    metavar="FILE",
    help="A file that contains only the URL, so that no process list shows its password. Use - for standard input.",
)
@click.option("--query", metavar="SQL", help="For a database: a SELECT whose result has the columns named above.")
@click.option("--table", metavar="NAME", help="For a database: a table or view that has the columns named above.")
@click.option(
    "--incremental",
    metavar="COLUMN",
    help="For a database: read only the rows whose value in this column is at least the largest of the last load.",
)
@format_option
def content_load(
    channel_id: str,
    file: Path | None,
    url: str | None,
    url_file: str | None,
    query: str | None,
    table: str | None,
    incremental: str | None,
    output: str,
) -> None:
    """Load or update the content catalogue of a channel from a CSV, JSON lines or Parquet file or a database.

    The columns content_id, content_type and published_at are required. The columns source_activity_id,
    platform, title, topics (separated by |), canonical_url, utm_source, utm_medium, utm_campaign and
    utm_content are optional. If a row is wrong, the error names its line and column, and nothing is loaded.

    \b
    Examples:
      zoho-pipeline content load acme content.csv
      zoho-pipeline content load acme content.parquet
      zoho-pipeline content load acme --url-file url.txt --table content --incremental updated_at
      zoho-pipeline content load acme --url sqlite:///site.db --query \\
        "select id as content_id, kind as content_type, published_at from articles"
    """
    from zoho_pipeline.cli.progress import working
    from zoho_pipeline.ingest.content.files import load_content

    session = Session()
    session.registry.get(channel_id)
    target = (session.settings, session.warehouse, channel_id)
    shown = output == "table"
    if file is not None:
        if url or url_file or query or table or incremental:
            raise click.UsageError("give a file or a database, not both.")
        with working(f"Loading {file}", shown):
            rows, source = load_content(*target, file), str(file)
    else:
        database = _database_url(url, url_file)
        with working("Reading the database", shown):
            rows = _load_from_database(target, database, query, table, incremental)
        source = table or "the query"
    if output == "json":
        print_json({"channel_id": channel_id, "file": str(file) if file else None, "rows": rows})
    else:
        say(f"Loaded {rows} content items of {channel_id} from {source}.")


def _load_from_database(
    target: "tuple[Settings, Warehouse, str]", url: Secret, query: str | None, table: str | None, column: str | None
) -> int:
    from zoho_pipeline.ingest.content.database import load_content_sql
    from zoho_pipeline.ingest.sync.side_by_side import side_by_side

    if (query is None) == (table is None):
        raise click.UsageError("give exactly one of --query and --table for the database.")

    def load(_: str) -> int:
        return load_content_sql(*target, url, query=query, table=table, incremental=column)

    # in a thread: the driver of a database sees no signal while it waits for an answer, and this process must end then
    (ended,) = side_by_side([target[2]], load, at_once=1)
    return ended.value()


def _database_url(url: str | None, url_file: str | None) -> Secret:
    if (url is None) == (url_file is None):
        raise click.UsageError("give a FILE, or a database with exactly one of --url and --url-file.")
    return Secret(url) if url else read_secret(url_file or "")
