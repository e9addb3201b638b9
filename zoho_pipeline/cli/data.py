"""`sync`, `reconcile`, `content load`: Zoho and the content catalogue → raw."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoho_pipeline.cli.output import format_option, print_json, print_rows, say
from zoho_pipeline.cli.program import DEFECT
from zoho_pipeline.cli.session import Session
from zoho_pipeline.settings import PipelineError, Secret, Settings

if TYPE_CHECKING:
    from zoho_pipeline.ingest.report import ReconcileReport, SyncReport
    from zoho_pipeline.warehouse import Warehouse

log = logging.getLogger(__name__)


def active_channels(session: Session, wanted: tuple[str, ...]) -> list[str]:
    """The channels named (each must exist), else every active one, the longest waiting first.

    PipelineError when there is none.
    """
    from zoho_pipeline.channels.registry.model import longest_waiting_first

    if wanted:
        return [session.registry.get(channel_id).id for channel_id in dict.fromkeys(wanted)]
    waiting = longest_waiting_first(session.registry.list())
    found = [channel.id for channel in waiting if channel.status == "active"]
    if not found:
        raise PipelineError(
            "no active channel. Register one with `zoho-pipeline connect ID` or "
            "`zoho-pipeline channels add ID --data-center DC --refresh-token-file FILE`."
        )
    return found


@click.command()
@click.argument("channel_ids", metavar="[ID]...", nargs=-1)
@click.option("--modules", help="Only these, by Zoho's API names: Leads,Deals.")
@click.option("--full", is_flag=True, help="Read everything again instead of what changed.")
@format_option
def sync(channel_ids: tuple[str, ...], modules: str | None, full: bool, output: str) -> None:
    """Load what changed in Zoho into the raw tables.

    Without ID: every active channel, the longest waiting first. A channel that fails does not stop the
    others; a missing scope or module is said on stderr and the rest is loaded.

    \b
    Examples:
      zoho-pipeline sync
      zoho-pipeline sync acme --modules Leads,Deals
      zoho-pipeline sync acme --full --format json
    """
    wanted = _modules(modules)
    session = Session()
    reports: list[SyncReport] = []

    def work(channel_id: str) -> None:
        reports.append(run_sync(session, channel_id, wanted, full, show=output == "table"))

    failures = each_channel(active_channels(session, channel_ids), work)
    print_reports(reports, output)
    fail_if_any(failures, reports)


def each_channel(channel_ids: Sequence[str], work: Callable[[str], None]) -> list[str]:
    """Work on one channel after another; what failed, in words. Not even a defect stops the other channels."""
    failures = []
    for channel_id in channel_ids:
        try:
            work(channel_id)
        except PipelineError as error:
            failures.append(f"channel {channel_id}: {error}")
        except Exception as error:
            log.exception("channel %s: a defect", channel_id)
            failures.append(f"channel {channel_id}: {DEFECT} ({type(error).__name__}); its traceback stands above.")
    return failures


def run_sync(
    session: Session, channel_id: str, modules: tuple[str, ...] | None = None, full: bool = False, show: bool = True
) -> "SyncReport":
    """Sync one channel with its bars; what was left out is said on stderr."""
    from zoho_pipeline.cli.progress import sync_progress
    from zoho_pipeline.ingest.sync.run import sync_channel

    with sync_progress(channel_id, wanted=show) as progress:
        opened = (session.settings, session.registry, session.warehouse)
        report = sync_channel(*opened, channel_id, modules=modules, full=full, progress=progress)
    tell_problems(report)
    return report


def tell_problems(report: "SyncReport") -> None:
    """What was left out, or has changed shape, a line each on stderr."""
    for part in report.modules:
        if part.outcome != "complete" or part.detail:
            say(f"{report.channel_id}: {part.module}: {part.outcome}: {part.detail}", err=True)


def print_reports(reports: "list[SyncReport]", output: str) -> None:
    """Rows, credits and route of each module of each channel."""
    if output == "json":
        print_json([report_dict(report) for report in reports])
        return
    rows = [row for report in reports for row in _report_rows(report)]
    if rows:
        print_rows(rows)


def _report_rows(report: "SyncReport") -> list[dict[str, Any]]:
    """A line a module, and their sum."""
    rows: list[dict[str, Any]] = [
        {
            "channel": report.channel_id,
            "module": part.module,
            "outcome": part.outcome,
            "route": part.route,
            "rows": part.rows,
            "deleted": part.deleted_rows,
            "rejected": part.rejected_rows,
            "credits": part.credits,
            "seconds": round(part.seconds, 1),
        }
        for part in report.modules
    ]
    sums = {name: sum(row[name] for row in rows) for name in ("rows", "deleted", "rejected", "credits")}
    return [*rows, {"channel": report.channel_id, "module": "(all)", **sums}]


def report_dict(report: "SyncReport") -> dict[str, Any]:
    """A sync report as JSON tells it."""
    return report.as_dict()


def _modules(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    from zoho_pipeline.ingest.catalog.tables import BY_MODULE

    names = {module.lower(): module for module in BY_MODULE if module}
    asked = [part.strip() for part in text.split(",") if part.strip()]
    unknown = [part for part in asked if part.lower() not in names]
    if unknown or not asked:
        takes = f"takes names out of {', '.join(names.values())}, separated by commas"
        raise click.UsageError(f"--modules {text!r}: {takes}.")
    return tuple(names[part.lower()] for part in asked)


def fail_if_any(failures: list[str], reports: "list[SyncReport]") -> None:
    """Exit 1 unless every channel's sync did all it could: a budget stop is no success."""
    bad = [
        f"channel {report.channel_id}: {module.module} {module.outcome}: {module.detail}"
        for report in reports
        for module in report.modules
        if module.outcome in ("failed", "stopped")
    ]
    if not (failures or bad):
        return
    *first, last = [*failures, *bad]
    for line in first:
        say(f"error: {line}", err=True)
    raise PipelineError(last)


@click.command(short_help="Compare Zoho and warehouse id by id, and repair.")
@click.argument("channel_ids", metavar="[ID]...", nargs=-1)
@format_option
def reconcile(channel_ids: tuple[str, ...], output: str) -> None:
    """Compare Zoho and the warehouse id by id, repair what differs, and report it.

    Without ID: every active channel. Finds what leaves no trace: merges, restores, records that became
    visible or hidden, deletions older than Zoho remembers. Begins with a sync.

    \b
    Examples:
      zoho-pipeline reconcile
      zoho-pipeline reconcile acme --format json
    """
    from zoho_pipeline.cli.progress import sync_progress
    from zoho_pipeline.ingest.sync.run import reconcile_channel

    session = Session()
    opened = (session.settings, session.registry, session.warehouse)
    reports: list[ReconcileReport] = []

    def work(channel_id: str) -> None:
        with sync_progress(channel_id, wanted=output == "table") as progress:
            reports.append(reconcile_channel(*opened, channel_id, progress=progress))
        tell_problems(reports[-1].sync)

    failures = each_channel(active_channels(session, channel_ids), work)
    if output == "json":
        print_json([report.as_dict() for report in reports])
    else:
        _print_reconciled(reports)
    fail_if_any(failures, [report.sync for report in reports])


def _print_reconciled(reports: "list[ReconcileReport]") -> None:
    rows = [
        {"channel": report.channel_id, **asdict(comparison)} for report in reports for comparison in report.comparisons
    ]
    if rows:
        print_rows(rows)
    for report in reports:
        found = f"{report.repaired} records differed and were repaired" if report.repaired else "nothing differed"
        say(f"{report.channel_id}: {found}.")


@click.group(short_help="The content catalogue: what was published.")
def content() -> None:
    """The content catalogue: what was published, so that leads can be credited to it."""


@content.command("load", short_help="Load or update a channel's content catalogue.")
@click.argument("channel_id", metavar="ID")
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--url", metavar="URL", help="A database instead of a file: kind://user:password@host/database.")
@click.option(
    "--url-file", metavar="FILE", help="A file that holds the URL, so that no process list shows it; - reads stdin."
)
@click.option("--query", metavar="SQL", help="With a database: one SELECT that gives the columns below.")
@click.option("--table", metavar="NAME", help="With a database: a table or view that has the columns below.")
@click.option(
    "--incremental", metavar="COLUMN", help="With a database: read only rows from the last load's largest value on."
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
    """Load or update the content catalogue of a channel: from CSV, JSON lines, Parquet or a SQL database.

    Columns: content_id, content_type and published_at are required; source_activity_id, platform, title,
    topics (separated by |), canonical_url, utm_source, utm_medium, utm_campaign and utm_content optional.
    A bad row is named by line and column and nothing is loaded.

    \b
    Examples:
      zoho-pipeline content load acme content.csv
      zoho-pipeline content load acme content.parquet
      zoho-pipeline content load acme --url-file url.txt --table site.content --incremental updated_at
      zoho-pipeline content load acme --url sqlite:///site.db --query "select id as content_id, … from articles"
    """
    from zoho_pipeline.ingest.content.files import load_content

    session = Session()
    session.registry.get(channel_id)
    opened = (session.settings, session.warehouse, channel_id)
    if file is not None:
        if url or url_file or query or table or incremental:
            raise click.UsageError("give either a file or a database, not both.")
        rows, source = load_content(*opened, file), str(file)
    else:
        rows = _content_of_database(opened, _database_url(url, url_file), query, table, incremental)
        source = table or "the query"
    if output == "json":
        print_json({"channel_id": channel_id, "file": str(file) if file else None, "rows": rows})
    else:
        say(f"{rows} content items of {channel_id} loaded from {source}.")


def _content_of_database(
    opened: "tuple[Settings, Warehouse, str]", url: Secret, query: str | None, table: str | None, column: str | None
) -> int:
    from zoho_pipeline.ingest.content.database import load_content_sql

    if (query is None) == (table is None):
        raise click.UsageError("give either --query or --table of the database.")
    return load_content_sql(*opened, url, query=query, table=table, incremental=column)


def _database_url(url: str | None, url_file: str | None) -> Secret:
    from zoho_pipeline.cli.channels import read_secret

    if (url is None) == (url_file is None):
        raise click.UsageError("give a FILE, or a database by --url or --url-file.")
    return Secret(url) if url else read_secret(url_file or "")
