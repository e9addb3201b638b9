"""Chooses the route that reads a module: the one with the fewest credits that still gives every field.

records   200 rows per call; a sorted call costs 1 or 3 credits (sources differ: 3 is assumed)
coql      2,000 rows per call for 3 credits; lookups come without names, some fields are refused
bulk      200,000 rows per job for 50 credits, some polls and a download; not for notes
"""

from dataclasses import dataclass
from math import ceil
from typing import Literal

from zoho_pipeline.ingest.limits import SyncLimits
from zoho_pipeline.zoho.read.coql import MOST_ROWS

Route = Literal["records", "coql", "bulk"]


@dataclass(frozen=True)
class RouteOptions:
    """The possible routes. `rows` is None if they cannot be counted. `slices`: calls per page of a list."""

    rows: int | None
    slices: int = 1
    coql: bool = False
    bulk: bool = False
    query_rows: int = MOST_ROWS


@dataclass(frozen=True)
class Choice:
    route: Route
    reason: str


def choose(options: RouteOptions, limits: SyncLimits) -> Choice:
    """The cheapest route that gives every field of the rows, and the reason as a text."""
    rows = options.rows
    if rows is None:
        return Choice("records", "rows cannot be counted")
    prices: dict[Route, int] = {"records": limits.list_credits * options.slices * ceil((rows + 1) / limits.list_rows)}
    if options.coql and rows >= limits.queries_from:
        prices["coql"] = (3 if options.query_rows > 1_000 else 1) * ceil((rows + 1) / options.query_rows)
    if options.bulk:
        prices["bulk"] = limits.job_credits * max(ceil(rows / limits.job_rows), 1)
    route = min(prices, key=lambda name: prices[name])
    listed = ", ".join(f"{name} {price}" for name, price in sorted(prices.items(), key=lambda item: item[1]))
    return Choice(route, f"{rows} rows, credits about: {listed}")
