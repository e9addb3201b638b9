"""Bulk Read jobs of an org, and the limits that concern them."""

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from zoho_pipeline.simulator.query.columns import Column
from zoho_pipeline.simulator.state.store import Row


@dataclass
class BulkJob:
    """A job and, when it has run, its rows and its file."""

    id: str
    user_id: str
    created: int
    query: dict[str, Any]
    module: str
    fields: list[str]
    page: int
    after: dict[str, Any] | None  # the place from which a page token continues; None: the first page
    starts: float = 0.0
    polls: int = 0
    state: str = "ADDED"
    error: str | None = None
    count: int = 0
    more: bool = False
    next_token: str | None = None
    finished: int = 0
    rows: list[Row] = field(default_factory=list)
    columns: list[Column] = field(default_factory=list)
    archive: bytes = b""
    asked: int = 0  # requests for its file so far


@dataclass
class BulkDesk:
    """The jobs of an org, and the moments at which its files were downloaded."""

    jobs: dict[str, BulkJob] = field(default_factory=dict)
    downloads: deque[float] = field(default_factory=deque)
    fail_next: list[str] = field(default_factory=list)  # the next jobs end in FAILURE with these messages
    busy_until: float = 0.0
