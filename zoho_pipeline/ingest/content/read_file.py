"""The records of a content file in any of its formats: CSV, JSON lines, Parquet. The values are not checked here.

No whole number becomes a float, also in a column with gaps: an id of 19 digits would become another id.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from zoho_pipeline.settings import PipelineError
from zoho_pipeline.text_files import NotCsv, NotText, csv_records, decoded, read_text


class ContentError(PipelineError):
    """The catalogue cannot be loaded, and nothing was. The message names the line or row and the column."""


@dataclass(frozen=True)
class ContentFile:
    """The records of a file.

    Attributes:
        names: the columns in the order of the file, in small letters.
        records: a number and the values by column for each record.
        unit: what the number counts from 1: `line` of the file, on which the record begins, or `row`.
    """

    names: list[str]
    records: Sequence[tuple[int, Mapping[str, Any]]]
    unit: str = "line"


def read_file(file: Path, known: Sequence[str]) -> ContentFile:
    """The records of a file, by the ending of its name.

    Args:
        known: the columns that the header can name; they decide between the delimiters of a CSV.

    Raises:
        ContentError: the file cannot be read, or it is of another format.
    """
    kind = file.suffix.lower()
    try:
        if kind == ".csv":
            return _csv(file, known)
        if kind in (".jsonl", ".ndjson", ".json"):
            return _json_lines(file)
        if kind in (".parquet", ".pq"):
            return _parquet(file)
    except FileNotFoundError:
        raise ContentError(f"{file} does not exist.") from None
    except NotText as error:
        raise ContentError(f"{file} {error} Nothing was loaded.") from None
    except (OSError, ValueError, pa.ArrowException) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split()).rstrip(".")
        raise ContentError(f"{file} cannot be read: {reason}. Nothing was loaded.") from None
    raise ContentError(f"{file}: unknown format {kind or 'without ending'}. Use .csv, .jsonl or .parquet.")


def _csv(file: Path, known: Sequence[str]) -> ContentFile:
    """All values as text. A line with more values than the header is refused, so that no value is lost."""
    try:
        lines = list(csv_records(decoded(file.read_bytes()), known))
    except NotCsv as error:
        raise ContentError(f"{file}, line {error.line}: this is not CSV ({error}). Nothing was loaded.") from None
    while lines and not any(cell.strip() for cell in lines[0][1]):
        del lines[0]  # empty lines before the header
    if not lines:
        raise ContentError(f"{file} is empty. Its first line must name the columns: {', '.join(known)}.")
    names = _normal(lines[0][1])
    while names[-1] == "":
        names.pop()  # a spreadsheet may write empty columns at the end
    records = []
    for line, cells in lines[1:]:
        if any(cell.strip() for cell in cells[len(names) :]):
            raise ContentError(
                f"{file}, line {line} has more values than the header has columns. Put a value that contains the "
                "separator in quotes. Nothing was loaded."
            )
        records.append((line, dict(zip(names, cells, strict=False))))
    return ContentFile(names, records)


def _json_lines(file: Path) -> ContentFile:
    """Whole numbers as the text that the file has, fractions with all their digits."""
    spelled: dict[str, None] = {}
    records = []
    for line, text in enumerate(read_text(file).split("\n"), 1):
        if not text.strip():
            continue
        try:
            record = json.loads(text, parse_int=str, parse_float=Decimal, object_pairs_hook=_object)
        except _KeyTwice as error:
            raise ContentError(f"{file}, line {line}: the key {error} appears twice. Nothing was loaded.") from None
        except (ValueError, RecursionError, InvalidOperation):  # the last: an exponent of 19 digits
            record = None
        if not isinstance(record, dict):
            raise ContentError(
                f"{file} must have one JSON object per line, but line {line} is not a JSON object. Nothing was loaded."
            )
        spelled |= dict.fromkeys(record)
        records.append((line, {name.strip().lower(): value for name, value in record.items()}))
    return ContentFile(_normal(list(spelled)), records)


class _KeyTwice(Exception):
    """An object has one key twice, so that one of its values would be lost."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise _KeyTwice(repr(next(name for name in names if names.count(name) > 1)[:60]))
    return found


def _parquet(file: Path) -> ContentFile:
    """Values as Arrow has them. pandas would make floats of whole numbers with gaps."""
    table = pq.read_table(file)
    index = (table.schema.pandas_metadata or {}).get("index_columns", ())
    table = table.drop_columns([name for name in index if isinstance(name, str) and name in table.column_names])
    for number, column in enumerate(table.schema):
        if pa.types.is_timestamp(column.type) and column.type.unit == "ns":  # Python's times have microseconds
            cut = table[number].cast(pa.timestamp("us", column.type.tz), safe=False)
            table = table.set_column(number, column.name, cut)
    names = _normal(table.column_names)
    rows = zip(*(_values(*named) for named in zip(table.column_names, table.columns, strict=True)), strict=True)
    return ContentFile(names, [(n, dict(zip(names, row, strict=True))) for n, row in enumerate(rows, 1)], "row")


def _values(name: str, column: pa.ChunkedArray) -> list[Any]:
    """The values of a column for Python. Some writers store texts as bytes.

    Raises:
        ValueError: a value is no text, or a time that Python does not have.
    """
    try:
        return [value.decode() if isinstance(value, bytes) else value for value in column.to_pylist()]
    except UnicodeDecodeError:
        raise ValueError(f"the column {name} has bytes that are not UTF-8") from None
    except OverflowError:
        raise ValueError(f"the column {name} has a time that is not in the years 1 to 9999") from None


def _normal(names: Sequence[str]) -> list[str]:
    return [name.strip().lower() for name in names]
