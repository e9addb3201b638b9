"""The content catalogue: CSV, JSON lines or Parquet → `content_items`, all of a file or nothing of it."""

import json
import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from zoho_pipeline.channels.registry.locks import channel_lock
from zoho_pipeline.ingest.catalog.tables import CONTENT_ITEMS
from zoho_pipeline.ingest.convert.json_to_arrow import of_values
from zoho_pipeline.ingest.load.loader import Loader
from zoho_pipeline.settings import PipelineError, Settings
from zoho_pipeline.warehouse.warehouse import Warehouse

REQUIRED = ("content_id", "content_type", "published_at")
COLUMNS = tuple(c.name for c in CONTENT_ITEMS.columns if c.name not in ("channel_id", "synced_at"))
MOST_ERRORS = 5
PURPOSE = "content"


class ContentError(PipelineError):
    """The catalogue cannot be loaded; the message names line or row, and column. Nothing was loaded."""


def load_content(settings: Settings, warehouse: Warehouse, channel_id: str, file: Path) -> int:
    """Load or update the catalogue of a channel from a file; the number of items in it.

    Items are known by content_id: a known one is replaced, one that the file lacks stays. Times without
    an offset are UTC. Line numbers are those of the file, the header being line 1.

    Raises:
        ContentError: unreadable, a required column or value missing, a value that does not fit, an id twice.
        ChannelBusy: another load of this catalogue. LockLost: another one may have begun meanwhile.
    """
    items = read_content(file)
    with channel_lock(settings, channel_id, kind=PURPOSE) as lock:
        loader = Loader(settings, warehouse, channel_id, purpose=PURPOSE, lock=lock)
        loader.ensure_tables()
        if items:
            loader.load({CONTENT_ITEMS.name: [items_table(items, channel_id)]})
    return len(items)


def read_content(file: Path) -> list[dict[str, Any]]:
    """The items of a file, checked whole."""
    frame = _frame(file)
    if not all(isinstance(name, str) for name in frame.columns):
        raise ContentError(f"{file} takes one JSON object a line, not lists. Nothing was loaded.")
    frame.columns = [str(name).strip().lower() for name in frame.columns]
    check_header(list(frame.columns), str(file))
    first_line = 2 if file.suffix.lower() == ".csv" else 1
    records = ({str(name): value for name, value in record.items()} for record in frame.to_dict("records"))
    return check_items(enumerate(records, first_line), str(file), "line")


def check_items(records: Iterable[tuple[int, Mapping[str, Any]]], source: str, unit: str) -> list[dict[str, Any]]:
    """The items of numbered records, blank ones left out.

    Args:
        source: where they come from, for the message; unit: what the number counts (`line`, `row`).

    Raises:
        ContentError: names the first bad places by number and column.
    """
    errors: list[str] = []
    items: list[dict[str, Any]] = []
    places: dict[Any, int] = {}
    for number, record in records:
        if all(_absent(value) or value == "" for value in record.values()):
            continue
        place = f"{unit} {number}"
        item = _item(record, place, errors)
        id_ = item.get("content_id")
        if id_ in places:
            errors.append(f"{place}, column content_id: {id_!r} is in {unit} {places[id_]} already")
        elif id_:
            places[id_] = number
        items.append(item)
    if errors:
        more = f" (and {len(errors) - MOST_ERRORS} more)" if len(errors) > MOST_ERRORS else ""
        raise ContentError(f"{source}: {'; '.join(errors[:MOST_ERRORS])}{more}. Nothing was loaded.")
    return items


def _frame(file: Path) -> pd.DataFrame:
    kind = file.suffix.lower()
    try:
        if kind == ".csv":
            frame = _csv(file)
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
    except UnicodeError:
        raise ContentError(f"{file} is not UTF-8. Save it with that encoding. Nothing was loaded.") from None
    except pd.errors.ParserWarning:
        raise ContentError(
            f"{file}: lines hold more values than the header has columns. Put values with commas into quotes. "
            "Nothing was loaded."
        ) from None
    except (OSError, ValueError, pa.ArrowException, pd.errors.ParserError) as error:
        reason = _not_json(file) if "json" in kind else None
        reason = reason or " ".join(str(error).split())
        raise ContentError(f"{file} cannot be read: {reason}. Nothing was loaded.") from None
    return frame


def _csv(file: Path) -> pd.DataFrame:
    """Every value as its text; a longer line than the header raises instead of losing its tail."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        return pd.read_csv(
            file, dtype=str, keep_default_na=False, encoding="utf-8-sig", skip_blank_lines=False, index_col=False
        )


def _not_json(file: Path) -> str | None:
    """Which line is no JSON; pandas names a position in a line it does not name."""
    for number, line in enumerate(file.read_text(encoding="utf-8-sig").splitlines(), 1):
        try:
            json.loads(line or "null")
        except ValueError:
            return f"line {number} is not a JSON object"
    return None


def check_header(names: Sequence[str], source: str, *, allowed: Collection[str] = ()) -> None:
    """ContentError where a required column is missing, one is there twice, or one is unknown and not `allowed`."""
    missing = [name for name in REQUIRED if name not in names]
    unknown = [name for name in names if name not in COLUMNS and name not in allowed]
    twice = sorted({name for name in names if names.count(name) > 1})
    if missing:
        raise ContentError(f"{source}: column {', '.join(missing)} is missing. Required are {', '.join(REQUIRED)}.")
    if twice:
        raise ContentError(f"{source}: column {', '.join(twice)} is there twice.")
    if unknown:
        raise ContentError(f"{source}: unknown column {', '.join(unknown)}. It takes {', '.join(COLUMNS)}.")


def items_table(items: Sequence[Mapping[str, Any]], channel_id: str) -> pa.Table:
    """Checked items as rows of `content_items`, stamped now."""
    now = datetime.now(UTC)
    return of_values(CONTENT_ITEMS, [{**item, "channel_id": channel_id, "synced_at": now} for item in items])


def _item(record: Mapping[str, Any], place: str, errors: list[str]) -> dict[str, Any]:
    item: dict[str, Any] = {}
    for name in COLUMNS:
        try:
            value = _instant(record.get(name)) if name == "published_at" else _text(record.get(name), name)
            if value is None and name in REQUIRED:
                raise ValueError("is empty")
            item[name] = value
        except ValueError as error:
            errors.append(f"{place}, column {name}: {error}")
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
