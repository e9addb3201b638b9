"""The commands `transform`, `insight`, `sql`, `export` and `dashboard`: build the marts, read them, show them."""

import sys
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoho_pipeline.cli.output import format_option, print_csv, print_json, print_table, say
from zoho_pipeline.cli.session import Session

if TYPE_CHECKING:
    from zoho_pipeline.channels.registry.model import Channel
    from zoho_pipeline.exports.export import Written
    from zoho_pipeline.transform.run.transform import TransformReport

FILE_SECONDS = 600.0
"""How long a query may take whose answer goes into a file, until the last row is written."""

force_option = click.option("--force", is_flag=True, help="Replace files that exist.")
excel_option = click.option(
    "--excel", is_flag=True, help="A CSV for Excel: a byte order mark, and a ' before texts that Excel would compute."
)


@click.command(short_help="Build, check and publish the marts.")
@click.option("--as-of", metavar="ISO", help="Count as of this instant instead of the last complete sync.")
@click.option("--select", metavar="MODEL[+]", help="Only this model and what it needs; with +, also its dependants.")
@click.option("--full", is_flag=True, help="Rebuild every channel, also those whose data did not change.")
@format_option
def transform(as_of: str | None, select: str | None, full: bool, output: str) -> None:
    """Build the marts from the raw tables, run their checks, and publish them.

    With --as-of, rows and activities after that instant are left out, but states (stage, status,
    deleted) are those of today. If a model fails, nothing is published and the last published marts
    stay readable. A channel that fails a check keeps its last rows.

    \b
    Examples:
      zoho-pipeline transform
      zoho-pipeline transform --as-of 2026-05-01T00:00:00+05:30
      zoho-pipeline transform --select lead_source_attribution+
    """
    session = Session()
    report = run_transform(session, show=output == "table", as_of=as_of, select=select, full=full)
    print_json(transform_dict(report)) if output == "json" else print_transform(report)
    report.require_complete()


def run_transform(session: Session, *, show: bool = True, **wanted: Any) -> "TransformReport":
    """Write the channels of the registry to the raw tables, build, and tell which channels were published.

    `wanted` are arguments of `transform`. `show`: whether a terminal shows the model that was built last.
    """
    from zoho_pipeline.cli.progress import working
    from zoho_pipeline.transform.run.transform import transform as build

    with working("Building the marts", show) as tell:
        session.publish_registry()
        built = count(1)
        report = build(
            session.warehouse,
            on_model=lambda model: tell(f"Building the marts: {next(built)} models, the last one is {model.name}"),
            **wanted,
        )
    if report.published:
        session.registry.record_published(report.channels, report.build_at)
    return report


def print_transform(report: "TransformReport") -> None:
    """Print the marts with rows and seconds, and the tests that failed."""
    if not report.published:
        say("Nothing changed since the last transform: the published marts are up to date.")
        _say_copied(report)
        return
    built = [(model.name, model.rows, round(model.seconds, 2)) for model in report.models if model.layer == "marts"]
    print_table(("mart", "rows", "seconds"), built)
    passed = sum(check.passed for check in report.checks)
    named = ", ".join(report.channels[:5]) + (" …" if len(report.channels) > 5 else "")
    say(f"{len(report.models)} models built in {report.seconds:.1f} s.")
    say(f"{passed} of {len(report.checks)} tests passed. Published: {named or 'no channel'}.")
    for check in report.checks:
        if not check.passed:
            say(f"{check.severity}: {check.name} on {check.model}: {check.failures} rows", err=True)
    _say_copied(report)


def _say_copied(report: "TransformReport") -> None:
    """Print what was copied to Postgres, if anything was."""
    if report.copied is not None and report.copied.changed:
        channels = report.copied.channels
        what = f"{report.copied.rows:,} rows of {channels} channel{'s' * (channels != 1)}"
        say(f"Copied to {report.copied.to}: {what}.")


def transform_dict(report: "TransformReport") -> dict[str, Any]:
    """The report of a transform as a JSON object."""
    from dataclasses import asdict

    return asdict(report)


@click.command(short_help="The newest insight of a channel.")
@click.argument("channel_id", metavar="ID")
@format_option
def insight(channel_id: str, output: str) -> None:
    """Show the newest insight of a channel: leads, sources, conversion, speed to lead, topics, freshness.

    \b
    Examples:
      zoho-pipeline insight acme
      zoho-pipeline insight acme --format json
    """
    session = Session(reads_only=True)
    show_insight(session, channel_id, output, session.channel_if_known(channel_id))


def show_insight(session: Session, channel_id: str, output: str = "table", channel: "Channel | None" = None) -> None:
    """Print the page of a channel's insight, or the insight as JSON.

    Args:
        channel: what the registry knows of it. The marts may be older: a transform and not a sync is the cure then.
    """
    from zoho_pipeline.reading.insight import read
    from zoho_pipeline.reading.insight_page import render
    from zoho_pipeline.transform.errors import NotPublished

    synced_until = channel.last_complete_sync_at if channel else None
    try:
        found = read(session.warehouse, channel_id)
    except NotPublished as error:
        if channel is None:
            raise
        cure = "Run `zoho-pipeline transform`." if synced_until else _before_transform(channel)
        raise NotPublished(f"there is no insight of {channel_id} yet. {cure}") from error
    if output == "json":
        print_json(found)
    else:
        say(render(found, synced_until=synced_until))


def _before_transform(channel: "Channel") -> str:
    """What leads to the first complete sync of a channel, and then to its first insight."""
    from zoho_pipeline.channels.registry.model import PAUSED, RECONNECT_NEEDED

    name = channel.id
    if channel.status == RECONNECT_NEEDED:
        return f"Connect it again with `zoho-pipeline connect {name}`, then run `zoho-pipeline transform`."
    resume = f"`zoho-pipeline channels resume {name}`, then " if channel.status == PAUSED else ""
    return f"Run {resume}`zoho-pipeline sync {name}`, then `zoho-pipeline transform`."


@click.command(short_help="Run a query on the published marts.")
@click.argument("query", metavar='"SELECT …"')
@click.option("--raw", is_flag=True, help="Read zoho_raw in the warehouse itself, not the published marts.")
@click.option(
    "--format",
    "output",
    type=click.Choice(["table", "json", "csv"]),
    show_default="table",
    help="json prints one array of row objects on stdout and nothing else.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(0, 86_400, min_open=True),
    metavar="SECONDS",
    help="How long the query may take: 60 by default, 600 with -o, with --raw 30 at most.",
)
@click.option(
    "--max-rows",
    type=click.IntRange(1),
    metavar="N",
    help="How many rows the answer may have: 1,000,000 by default, and any number with -o.",
)
@click.option("-o", "--output", "file", type=click.Path(path_type=Path), help="Write a .csv, .parquet or .xlsx file.")
@force_option
@excel_option
def sql(
    query: str,
    raw: bool,
    output: str | None,
    timeout: float | None,
    max_rows: int | None,
    file: Path | None,
    force: bool,
    excel: bool,
) -> None:
    """Run one read-only query on the published marts. It never blocks a running pipeline.

    With --raw the query runs on zoho_raw in the warehouse itself: it waits for a load in progress and may
    take 30 seconds at most. A query that takes too long, too much memory or too many rows is stopped.
    With -o the answer goes into a file, of any size, with the types of its columns.

    \b
    Examples:
      zoho-pipeline sql "select lead_source, count(*) from lead_source_attribution group by 1 order by 2 desc"
      zoho-pipeline sql "select name, n_leads_90d, median_business_hours, n_waiting from owner order by 3 desc"
      zoho-pipeline sql "select * from conversion_rate" --format csv > rates.csv
      zoho-pipeline sql "select * from lead where not is_converted" -o open.parquet
      zoho-pipeline sql --raw "select module, rows, credits from zoho_raw.sync_runs order by started_at"
    """
    from zoho_pipeline.cli.progress import working
    from zoho_pipeline.reading.query import RAW_SECONDS, ROWS, SECONDS, Limits
    from zoho_pipeline.reading.query import query as ask
    from zoho_pipeline.reading.values import distinct

    if raw and timeout and timeout > RAW_SECONDS:
        raise click.UsageError(f"--timeout {timeout:g}: a query with --raw may take {RAW_SECONDS:g} seconds at most.")
    if file is None and (force or excel):
        raise click.UsageError(f"{'--force' if force else '--excel'} is for a file. Name one with -o.")
    if file is not None and output is not None:
        raise click.UsageError("with -o, the ending of the file is its format. Leave --format out.")
    session = Session(reads_only=True)
    seconds = timeout or (RAW_SECONDS if raw else FILE_SECONDS if file else SECONDS)
    limits = Limits(seconds=seconds, rows=max_rows or (sys.maxsize if file else ROWS))
    if file is not None:
        from zoho_pipeline.exports.export import export_query

        with working("Running the query") as tell:
            written = export_query(
                session.warehouse,
                query,
                file,
                raw=raw,
                limits=limits,
                force=force,
                for_spreadsheet=excel,
                on_rows=lambda _, rows: tell(f"Writing {file}: {rows:,} rows"),
            )
        _say_written([written])
        return
    with working("Running the query", output in (None, "table")):
        found = ask(session.warehouse, query, raw=raw, limits=limits)
    names, rows = distinct(found.columns), found.rows
    if output == "json":
        print_json([dict(zip(names, row, strict=True)) for row in rows])
    elif output == "csv":
        print_csv(names, rows)
    else:
        print_table(names, rows)


@click.command(short_help="Write marts into CSV, Parquet or Excel files.")
@click.argument("marts", metavar="MART…", nargs=-1, required=True)
@click.option(
    "--format", "kind", type=click.Choice(["csv", "parquet", "xlsx"]), help="The format of the files of a folder: csv."
)
@click.option(
    "-o",
    "--output",
    "place",
    type=click.Path(path_type=Path),
    default=Path(),
    help="A file that ends with .csv, .parquet or .xlsx, or a folder. Without it, the current folder.",
)
@click.option("--channel", "channels", metavar="ID", multiple=True, help="Only this channel. Repeat it for several.")
@force_option
@excel_option
def export(
    marts: tuple[str, ...], kind: str | None, place: Path, channels: tuple[str, ...], force: bool, excel: bool
) -> None:
    """Write published marts into files. Several marts go into a folder, or into one workbook with a sheet each.

    All files are of one publication. They take their places when all of them are complete, so that a file is
    never half-written. docs/export.md says how each format writes decimals, times and missing values.

    \b
    Examples:
      zoho-pipeline export lead_volume
      zoho-pipeline export lead -o leads.parquet --channel acme
      zoho-pipeline export owner content_performance_default conversion_rate -o report.xlsx
      zoho-pipeline export lead deal activity -o /srv/exports --format parquet --force
    """
    from zoho_pipeline.cli.progress import working
    from zoho_pipeline.exports.export import FORMATS, export_marts

    session = Session(reads_only=True)
    with working("Reading the marts") as tell:
        written = export_marts(
            session.warehouse,
            marts,
            place,
            kind=next((known for known in FORMATS if known == kind), None),
            channels=channels or None,
            force=force,
            for_spreadsheet=excel,
            on_rows=lambda name, rows: tell(f"Writing {name}: {rows:,} rows"),
        )
    _say_written(written)


@click.command(short_help="Serve a starter dashboard on the marts.")
@click.option("--port", type=click.IntRange(1, 65535), default=8501, show_default=True, help="The port to listen on.")
@click.option("--app", type=click.Path(path_type=Path), help="An app of your own for Streamlit: a Python file.")
def dashboard(port: int, app: Path | None) -> None:
    """Serve a dashboard on the published marts on 127.0.0.1, until Ctrl-C: channel, sources, content, speed to lead.

    It needs Streamlit: pip install 'zoho-pipeline[dashboard]'. It asks nobody for a password and shows all
    channels. docs/dashboard.md says how to add a view, and how others may reach it.

    \b
    Examples:
      zoho-pipeline dashboard
      zoho-pipeline dashboard --port 8600 --app my_dashboard.py
    """
    from zoho_pipeline.dashboard.serve import APP, serve

    Session(reads_only=True)  # a wrong setting ends the command here
    serve(port, app or APP)


def _say_written(written: "Sequence[Written]") -> None:
    """Print one line per file: its path and its rows."""
    for file in written:
        if len(file.rows) == 1:
            (rows,) = file.rows.values()
            say(f"{file.path}: {rows:,} rows")
        else:
            say(f"{file.path}: {', '.join(f'{name} {rows:,} rows' for name, rows in file.rows.items())}")
