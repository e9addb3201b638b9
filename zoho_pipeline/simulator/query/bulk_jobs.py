"""Bulk Read jobs at rest."""

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from zoho_pipeline.simulator.query.columns import Column
from zoho_pipeline.simulator.state.store import Row


@dataclass
class BulkJob:
    """A job and, once it ran, its file."""

    id: str
    user_id: str
    created: int
    query: dict[str, Any]
    module: str
    fields: list[str]
    page: int
    after: dict[str, Any] | None  # where a page token continues; None: the first page
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
    asked: int = 0  # times its file was asked for


@dataclass
class BulkDesk:
    """The jobs of an org, and when its files were downloaded."""

    jobs: dict[str, BulkJob] = field(default_factory=dict)
    downloads: deque[float] = field(default_factory=deque)
    fail_next: list[str] = field(default_factory=list)  # messages: the next jobs end in FAILURE
    busy_until: float = 0.0
