"""The content catalogue from CSV, JSON lines or Parquet: a file is loaded as a whole or not at all."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa

from zoho_pipeline.channels.database.locks import channel_lock
from zoho_pipeline.ingest.catalog.tables import CONTENT_ITEMS
from zoho_pipeline.ingest.content.read_file import ContentError, read_file
from zoho_pipeline.ingest.convert.cell_values import FIRST_TIME, LAST_TIME
from zoho_pipeline.ingest.convert.json_to_arrow import of_values
from zoho_pipeline.ingest.load.loader import Loader
from zoho_pipeline.settings import Settings
from zoho_pipeline.warehouse.warehouse import Warehouse

REQUIRED = ("content_id", "content_type", "published_at")
COLUMNS = tuple(c.name for c in CONTENT_ITEMS.columns if c.name not in ("channel_id", "synced_at"))
MOST_ERRORS = 5
_MOST_DIGITS = 40
_IDS = ("content_id", "source_activity_id")
_LONGEST_SHOWN = 60
PURPOSE = "content"


def load_content(settings: Settings, warehouse: Warehouse, channel_id: str, file: Path) -> int:
    """Load or update the catalogue of a channel from a file; the number of items in the file.

    An item with a known content_id is replaced; items that the file does not have stay. Times without an offset are in
    UTC. Line numbers are the file's: a record with line breaks in quotes has the number of its first line.

    Raises:
        ContentError: the file cannot be read, a required column or value is missing, a value does not fit, or an id
            appears twice.
        ChannelBusy: another process loads this catalogue.
        LockLost: another load may have begun.
    """
    items = read_content(file)
    with channel_lock(settings, channel_id, kind=PURPOSE) as lock:
        loader = Loader(settings, warehouse, channel_id, purpose=PURPOSE, lock=lock)
        loader.ensure_tables()
        if items:
            loader.load({CONTENT_ITEMS.name: [items_table(items, channel_id)]})
    return len(items)


def read_content(file: Path) -> list[dict[str, Any]]:
    """The checked items of a file."""
    found = read_file(file, COLUMNS)
    check_header(found.names, str(file))
    return check_items(found.records, str(file), found.unit)


def check_items(records: Iterable[tuple[int, Mapping[str, Any]]], source: str, unit: str) -> list[dict[str, Any]]:
    """The items of numbered records, without blank ones.

    Args:
        source: the file or database, for the message.
        unit: what the number counts: `line` or `row`.

    Raises:
        ContentError: some records are wrong. The message names the first ones by number and column.
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
            errors.append(f"{place}, column content_id: {unit} {places[id_]} has {id_!r} too")
        elif id_:
            places[id_] = number
        items.append(item)
    if errors:
        more = f" (and {len(errors) - MOST_ERRORS} more)" if len(errors) > MOST_ERRORS else ""
        raise ContentError(f"{source}: {'; '.join(errors[:MOST_ERRORS])}{more}. Nothing was loaded.")
    return items


def check_header(names: Sequence[str], source: str, *, allowed: Collection[str] = ()) -> None:
    """ContentError if a required column is missing, or a column appears twice, or is unknown and not `allowed`."""
    missing = [name for name in REQUIRED if name not in names]
    unknown = [name for name in names if name not in COLUMNS and name not in allowed]
    twice = sorted({name for name in names if names.count(name) > 1})
    if missing:
        raise ContentError(
            f"{source}: column {', '.join(missing)} is missing. The required columns are {', '.join(REQUIRED)}."
        )
    if twice:
        raise ContentError(f"{source}: column {', '.join(twice)} appears twice.")
    if unknown:
        cut = [name[:_LONGEST_SHOWN] for name in unknown]
        named = ", ".join(name if name.isprintable() and name else repr(name) for name in cut)
        raise ContentError(f"{source}: unknown column {named}. The columns are {', '.join(COLUMNS)}.")


def items_table(items: Sequence[Mapping[str, Any]], channel_id: str) -> pa.Table:
    """Checked items as rows of `content_items`, with the present time as `synced_at`."""
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
        return "|".join(part for topic in value if topic is not None and (part := _plain(topic))) or None
    if isinstance(value, dict | list):
        raise ValueError("is not text")
    if name in _IDS and "\0" in str(value):
        raise ValueError("has a NUL, which no id can have")  # without it, it would be another id
    return _plain(value) or None


def _plain(value: Any) -> str:
    """A value as text. An id that a file has as 7.0 is the id 7: other programs make floats of a column with gaps."""
    if (isinstance(value, float) and value.is_integer()) or (isinstance(value, Decimal) and _is_whole(value)):
        value = int(value)
    text = str(value).strip().replace("\0", "")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("is not valid text (half a surrogate pair)") from None
    return text


def _is_whole(number: Decimal) -> bool:
    return number.is_finite() and number.adjusted() < _MOST_DIGITS and number == number.to_integral_value()


def _instant(value: Any) -> datetime | None:
    if _absent(value) or (isinstance(value, str) and not value.strip()):
        return None
    try:
        instant = value if isinstance(value, datetime) else datetime.fromisoformat(str(value).strip())
        instant = instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{str(value)[:40]!r} is not a time. Write it like 2026-05-01T09:30:00+05:30") from None
    if not FIRST_TIME <= instant <= LAST_TIME:
        raise ValueError(f"{str(value)[:40]!r} is not in the years 1 to 9999")
    return instant


def _absent(value: Any) -> bool:
    return value is None or (isinstance(value, float | Decimal) and value != value)
