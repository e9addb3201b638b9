"""The content catalogue: CSV, JSON lines or Parquet → `content_items`, all of a file or nothing of it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from zoho_pipeline.ingest.arrow import of_values
from zoho_pipeline.ingest.catalog import CONTENT_ITEMS
from zoho_pipeline.ingest.loader import Loader
from zoho_pipeline.settings import PipelineError, Settings
from zoho_pipeline.warehouse import Warehouse

REQUIRED = ("content_id", "content_type", "published_at")
COLUMNS = tuple(c.name for c in CONTENT_ITEMS.columns if c.name not in ("channel_id", "synced_at"))
MOST_ERRORS = 5


class ContentError(PipelineError):
    """The file cannot be loaded; the message names line and column. Nothing was loaded."""


def load_content(settings: Settings, warehouse: Warehouse, channel_id: str, file: Path) -> int:
    """Load or update the catalogue of a channel from a file; the number of items in it.

    Items are known by content_id: a known one is replaced, one that the file lacks stays. Times without
    an offset are UTC. Line numbers are those of the file, the header being line 1.

    Raises:
        ContentError: unreadable, a required column or value missing, a value that does not fit, an id twice.
    """
    items = read_content(file)
    table = _table(items, channel_id)
    loader = Loader(settings, warehouse, channel_id, purpose="content")
    loader.ensure_tables()
    if items:
        loader.load({CONTENT_ITEMS.name: [table]})
    return len(items)


def read_content(file: Path) -> list[dict[str, Any]]:
    """The items of a file, checked whole."""
    frame = _frame(file)
    frame.columns = [str(name).strip().lower() for name in frame.columns]
    _check_header(list(frame.columns), file)
    first_line = 2 if file.suffix.lower() == ".csv" else 1
    errors: list[str] = []
    items: list[dict[str, Any]] = []
    lines: dict[Any, int] = {}
    for offset, record in enumerate(frame.to_dict("records")):
        line = offset + first_line
        if all(_absent(value) or value == "" for value in record.values()):
            continue  # a blank line
        item = _item({str(name): value for name, value in record.items()}, line, errors)
        id_ = item.get("content_id")
        if id_ in lines:
            errors.append(f"line {line}, column content_id: {id_!r} is in line {lines[id_]} already")
        elif id_:
            lines[id_] = line
        items.append(item)
    if errors:
        more = f" (and {len(errors) - MOST_ERRORS} more)" if len(errors) > MOST_ERRORS else ""
        raise ContentError(f"{file}: {'; '.join(errors[:MOST_ERRORS])}{more}. Nothing was loaded.")
    return items


def _frame(file: Path) -> pd.DataFrame:
    kind = file.suffix.lower()
    try:
        if kind == ".csv":
            frame = pd.read_csv(
                file, dtype=str, keep_default_na=False, encoding="utf-8-sig", skip_blank_lines=False, index_col=False
            )
        elif kind in (".jsonl", ".ndjson", ".json"):
            frame = pd.read_json(file, lines=True, dtype=False, convert_dates=False)
        elif kind in (".parquet", ".pq"):
            frame = pd.read_parquet(file)
        else:
            raise ContentError(f"{file}: unknown kind {kind or 'without ending'}. It takes .csv, .jsonl or .parquet.")
    except FileNotFoundError:
        raise ContentError(f"{file} is not there.") from None
    except pd.errors.EmptyDataError:
        raise ContentError(f"{file} is empty. Its first line names the columns: {', '.join(COLUMNS)}.") from None
    except (OSError, ValueError, UnicodeError, pa.ArrowException, pd.errors.ParserError) as error:
        raise ContentError(f"{file} cannot be read: {' '.join(str(error).split())}. Nothing was loaded.") from None
    return frame


def _check_header(names: Sequence[str], file: Path) -> None:
    missing = [name for name in REQUIRED if name not in names]
    unknown = [name for name in names if name not in COLUMNS]
    twice = sorted({name for name in names if names.count(name) > 1})
    if missing:
        raise ContentError(f"{file}: column {', '.join(missing)} is missing. Required are {', '.join(REQUIRED)}.")
    if twice:
        raise ContentError(f"{file}: column {', '.join(twice)} is there twice.")
    if unknown:
        raise ContentError(f"{file}: unknown column {', '.join(unknown)}. It takes {', '.join(COLUMNS)}.")


def _item(record: Mapping[str, Any], line: int, errors: list[str]) -> dict[str, Any]:
    item: dict[str, Any] = {}
    for name in COLUMNS:
        try:
            value = _instant(record.get(name)) if name == "published_at" else _text(record.get(name), name)
            if value is None and name in REQUIRED:
                raise ValueError("is empty")
            item[name] = value
        except ValueError as error:
            errors.append(f"line {line}, column {name}: {error}")
    return item


def _text(value: Any, name: str) -> str | None:
    if _absent(value):
        return None
    if name == "topics" and not isinstance(value, str) and hasattr(value, "__iter__"):
        return "|".join(part for topic in value if (part := str(topic).strip())) or None
    if isinstance(value, dict | list):
        raise ValueError("is not text")
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # pandas makes a column of ids with gaps a column of floats
    return str(value).strip().replace("\0", "") or None


def _instant(value: Any) -> datetime | None:
    if _absent(value) or (isinstance(value, str) and not value.strip()):
        return None
    try:
        is_pandas = isinstance(value, pd.Timestamp)
        instant = value.to_pydatetime() if is_pandas else datetime.fromisoformat(str(value).strip())
    except ValueError:
        raise ValueError(f"{str(value)[:40]!r} is not a time such as 2026-05-01T09:30:00+05:30") from None
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def _absent(value: Any) -> bool:
    return value is None or (not hasattr(value, "__len__") and bool(pd.isna(value)))


def _table(items: Sequence[Mapping[str, Any]], channel_id: str) -> pa.Table:
    now = datetime.now(UTC)
    return of_values(CONTENT_ITEMS, [{**item, "channel_id": channel_id, "synced_at": now} for item in items])
