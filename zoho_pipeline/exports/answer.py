"""What an export writes: a name and tables, whose columns have the same types in all of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from zoho_pipeline.reading.values import json_ready, json_text


@dataclass(frozen=True)
class Answer:
    """Attributes:
    name: the mart, or `query`; the name of a sheet.
    tables: at least one, typed by `frames.convert.typed(…, in_batches=True)`; they can be read once.
    """

    name: str
    tables: Iterable[pa.Table]


def text_of(value: Any) -> str:
    """A value that a cell cannot hold (a list, a span of time) as text: JSON, or the engine's own words."""
    ready = json_ready(value)
    return ready if isinstance(ready, str) else json_text(ready, ensure_ascii=False)
