"""`GET /healthz`: the process answers. `GET /readyz`: it can serve, and somebody does the work that it accepts."""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, Field
from sqlalchemy import func, select

from zoho_pipeline.channels.registry import platform_tables as tables
from zoho_pipeline.settings import PipelineError
from zoho_pipeline.web.services import WebServices, services

log = logging.getLogger(__name__)
router = APIRouter(tags=["operations"])
RENEWAL_LATE = timedelta(hours=1)
"""A subscription that must be renewed, and that nobody has tried to renew for this long."""

LEASE_AGE = timedelta(seconds=60)
"""A worker whose lease ended this long ago is gone. A request may wait this long for a worker."""


class Health(BaseModel):
    """The process answers requests."""

    ok: Literal[True] = True


class Check(BaseModel):
    """One thing that the server needs."""

    ok: bool
    detail: str = Field(description="A sentence about what was found.")


class Readiness(BaseModel):
    """Whether the server can serve. Each check says what was found."""

    ok: bool
    checks: dict[str, Check]


@router.get("/healthz", summary="Whether the process answers")
async def healthz() -> Health:
    return Health()


@router.get("/readyz", summary="Whether the server can serve", responses={503: {"model": Readiness}})
def readyz(response: Response, found: Annotated[WebServices, Depends(services)]) -> Readiness:
    checks = {
        "registry": _checked(lambda: _registry(found), "The registry does not answer."),
        "published": _checked(lambda: _published(found), "The published marts cannot be read."),
        "worker_lease": _checked(lambda: _worker(found), "The registry does not answer."),
        "push_renewal": _checked(lambda: _push(found), "The registry does not answer."),
    }
    ready = all(check.ok for check in checks.values())
    response.status_code = 200 if ready else 503
    return Readiness(ok=ready, checks=checks)


def _checked(check: Callable[[], Check], bad: str) -> Check:
    """The check, or `bad`: everybody may ask, and the text of an error names paths, hosts and users."""
    try:
        return check()
    except PipelineError as error:
        log.error("the server is not ready: %s", error)
        return Check(ok=False, detail=f"{bad} The log of the server has the reason.")


def _registry(found: WebServices) -> Check:
    with found.registry.database.read() as transaction:
        count = transaction.scalar(select(func.count()).select_from(tables.workers))
    return Check(ok=count is not None, detail="The registry answers.")


def _published(found: WebServices) -> Check:
    """A new installation has published nothing, and must still let people connect."""
    with found.published.reading() as connection:
        if connection is None:
            return Check(ok=True, detail="Nothing is published yet.")
        connection.rows("select 1 as one", ())
    return Check(ok=True, detail="The published marts answer.")


def _worker(found: WebServices) -> Check:
    with found.registry.database.read() as transaction:
        now = found.registry.database.now_in(transaction)
        newest = transaction.scalar(select(func.max(tables.workers.c.lease_until)))
        queued = tables.sync_requests.c.state == "queued"
        oldest = transaction.scalar(select(func.min(tables.sync_requests.c.asked_at)).where(queued))
    if newest is not None and newest > now - LEASE_AGE:
        return Check(ok=True, detail="A worker is alive.")
    if found.starts_worker:
        return Check(ok=False, detail="The worker that this server started has no lease. Look at its log.")
    if oldest is not None and oldest < now - LEASE_AGE:
        return Check(ok=False, detail="A sync request waits, and nobody takes it. Start `zoho-pipeline work`.")
    return Check(ok=True, detail="No worker is alive, and no sync request waits.")


def _push(found: WebServices) -> Check:
    """Whether somebody renews subscriptions. One that Zoho refuses is the matter of its channel, not of this server."""
    rows = tables.push_subscriptions
    columns = (rows.c.renew_at, rows.c.skew_seconds, rows.c.next_try_at, rows.c.created_at)
    with found.registry.database.read() as transaction:
        now = found.registry.database.now_in(transaction)
        known = transaction.execute(select(*columns)).all()
    late = 0
    for renew_at, skew, next_try_at, created_at in known:
        due = created_at if renew_at is None else renew_at - timedelta(seconds=skew)
        late += max(due, next_try_at or due) < now - RENEWAL_LATE
    if late:
        return Check(ok=False, detail=f"{late} subscriptions wait for their renewal. Start `zoho-pipeline work`.")
    return Check(ok=True, detail=f"{len(known)} channels have push." if known else "No channel has push.")
