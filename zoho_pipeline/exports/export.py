"""Exports marts, or the answer of a query, into files.

Rows are read and written in tables of some thousand rows (`Connection.batches`), so that a mart of any size fits into
the memory. All marts of one export are of one publication.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa

from zoho_pipeline import stopping
from zoho_pipeline.exports.answer import Answer
from zoho_pipeline.exports.csv_file import write_csv
from zoho_pipeline.exports.errors import WrongPlace
from zoho_pipeline.exports.excel_file import write_workbook
from zoho_pipeline.exports.parquet_file import write_parquet
from zoho_pipeline.exports.places import drafts, require_name
from zoho_pipeline.frames.convert import typed
from zoho_pipeline.frames.mart_query import mart_query
from zoho_pipeline.reading.published import NOT_PUBLISHED
from zoho_pipeline.reading.query import Limits, query_tables
from zoho_pipeline.transform.errors import NotPublished
from zoho_pipeline.warehouse.warehouse import Warehouse

Format = Literal["csv", "parquet", "xlsx"]
FORMATS: tuple[Format, ...] = ("csv", "parquet", "xlsx")
OnRows = Callable[[str, int], object]
"""Is called after each table of rows with the name of the answer and its rows so far."""


@dataclass(frozen=True)
class Written:
    """Attributes:
    path: the file.
    rows: name → rows of the answers in it.
    """

    path: Path
    rows: dict[str, int]


@dataclass(frozen=True)
class _Target:
    path: Path
    answers: tuple[Answer, ...]


def export_query(
    warehouse: Warehouse,
    sql: str,
    place: Path,
    *,
    raw: bool = False,
    limits: Limits | None = None,
    force: bool = False,
    for_spreadsheet: bool = False,
    on_rows: OnRows | None = None,
) -> Written:
    """Write the answer of one read-only query into a file, whose ending is its format.

    Args:
        raw, limits: as in `reading.query.query_tables`. The time of the query counts until the last row is written.
        force: replace the file if it exists.
        for_spreadsheet: write a CSV for Excel (see `csv_file`).
        on_rows: see `OnRows`.

    Raises:
        WrongPlace, ExportError: the file cannot be written.
        QueryError, NotPublished: as in `query_tables`.
    """
    require_name(place)
    kind = _format_of(place)
    if kind is None:
        raise WrongPlace(_endings(place))
    with closing(query_tables(warehouse, sql, raw=raw, limits=limits)) as asked:  # an error ends the query at once
        answer = Answer("query", _typed("query", asked, on_rows))
        return _write([_Target(place, (answer,))], kind, force, for_spreadsheet)[0]


def export_marts(
    warehouse: Warehouse,
    marts: Sequence[str],
    place: Path,
    *,
    kind: Format | None = None,
    channels: Sequence[str] | None = None,
    force: bool = False,
    for_spreadsheet: bool = False,
    on_rows: OnRows | None = None,
) -> list[Written]:
    """Write published marts into a file, a workbook, or a folder with a file per mart.

    Args:
        place: a file whose ending is its format, or a folder, which is made if its parent exists. Several marts go into
            a folder, or into one workbook.
        kind: the format of the files of a folder; None: CSV.
        channels: only the rows of these channels; None: all.
        force, for_spreadsheet, on_rows: as in `export_query`.

    Raises:
        WrongPlace, ExportError: a file cannot be written.
        QueryError: there is no such mart or channel.
        NotPublished: no transform has run yet.
    """
    require_name(place)
    names = list(dict.fromkeys(marts))
    kind, paths = _paths(names, place, kind)
    pool = warehouse.published_pool()
    try:
        with pool.reading() as connection:
            if connection is None:
                raise NotPublished(NOT_PUBLISHED)
            with stopping.interruptible(connection.interrupt):
                queries = [mart_query(connection, name, channels) for name in names]
                answers = [
                    Answer(name, _typed(name, connection.batches(*query), on_rows))
                    for name, query in zip(names, queries, strict=True)
                ]
                if len(paths) == 1:
                    targets = [_Target(paths[0], tuple(answers))]
                else:
                    targets = [_Target(path, (answer,)) for path, answer in zip(paths, answers, strict=True)]
                with _made(None if paths == [place] else place):
                    return _write(targets, kind, force, for_spreadsheet)
    finally:
        pool.close()


def _typed(name: str, tables: Iterator[pa.Table], on_rows: OnRows | None) -> Iterator[pa.Table]:
    rows = 0
    for table in tables:
        yield typed(table, in_batches=True)
        rows += len(table)
        if on_rows is not None:
            on_rows(name, rows)


def _write(targets: Sequence[_Target], kind: Format, force: bool, for_spreadsheet: bool) -> list[Written]:
    if for_spreadsheet and kind != "csv":
        raise WrongPlace("--excel is for CSV: a workbook (.xlsx) needs no marks, and Parquet has none. Leave it out.")
    written = []
    with drafts([target.path for target in targets], force=force) as paths:
        for target, path in zip(targets, paths, strict=True):
            if kind == "xlsx":
                rows = write_workbook(path, target.answers)
            elif kind == "parquet":
                rows = {answer.name: write_parquet(path, answer) for answer in target.answers}
            else:
                rows = {a.name: write_csv(path, a, for_spreadsheet=for_spreadsheet) for a in target.answers}
            written.append(Written(target.path, rows))
    return written


def _format_of(place: Path) -> Format | None:
    ending = place.suffix.lower().removeprefix(".")
    return next((kind for kind in FORMATS if kind == ending), None)


def _is_bare_ending(place: Path) -> bool:
    """Whether the name is only an ending, such as `.csv`. Python sees no ending there."""
    return place.name.lower().removeprefix(".") in FORMATS and place.name.startswith(".")


def _endings(place: Path) -> str:
    if _is_bare_ending(place):
        return f"{place} is only an ending. Put a name before it, such as leads{place.name.lower()}."
    return f"{place} has no ending that names a format. Name a file that ends with .csv, .parquet or .xlsx."


def _paths(names: Sequence[str], place: Path, kind: Format | None) -> tuple[Format, list[Path]]:
    """The format, and the file of each mart; one file for all of them is a workbook."""
    of_ending = None if place.is_dir() else _format_of(place)
    if of_ending is None:
        if not place.is_dir() and _is_bare_ending(place):
            raise WrongPlace(_endings(place))
        if place.suffix and not place.is_dir():
            raise WrongPlace(f"{_endings(place)} A new folder has no ending.")
        kind = kind or "csv"
        return kind, [place / f"{name}.{kind}" for name in names]
    if kind not in (None, of_ending):
        raise WrongPlace(f"--format {kind} does not fit {place}. Leave --format out, or name another file.")
    if len(names) > 1 and of_ending != "xlsx":
        raise WrongPlace(
            f"{len(names)} marts do not fit into {place}. Name a folder, which gets a file per mart, or a workbook "
            "(.xlsx)."
        )
    return of_ending, [place]


@contextmanager
def _made(folder: Path | None) -> Iterator[None]:
    """Make the folder that the user named, and remove it again if nothing came into it."""
    if folder is None or folder.exists() or not folder.parent.is_dir():
        yield
        return
    try:
        folder.mkdir()
    except OSError as error:
        raise WrongPlace(f"the folder {folder} cannot be made: {error.strerror}.") from error
    try:
        yield
    finally:
        if not any(folder.iterdir()):
            folder.rmdir()
