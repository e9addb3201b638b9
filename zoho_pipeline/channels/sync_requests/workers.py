"""The leases of workers: who is alive. A worker renews its lease while it lives."""

import socket
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, func, insert, select, update

from zoho_pipeline.channels.registry.platform_tables import workers
from zoho_pipeline.channels.registry.registry import Registry

LEASE = timedelta(seconds=60)
_KEPT = timedelta(days=1)


def heartbeat(registry: Registry, worker: str, *, lease: timedelta = LEASE) -> None:
    """Say that this worker lives, for the length of the lease. Rows of workers that died long ago are deleted."""
    with registry.database.write() as transaction:
        now = registry.database.now_in(transaction)
        values: dict[str, Any] = {"lease_until": now + lease}
        if transaction.execute(update(workers).where(workers.c.id == worker).values(values)).rowcount == 0:
            transaction.execute(delete(workers).where(workers.c.lease_until < now - _KEPT))
            transaction.execute(insert(workers).values(id=worker, host=socket.gethostname(), started_at=now, **values))


def retire(registry: Registry, worker: str) -> None:
    """The worker ends: its lease ends with it."""
    with registry.database.write() as transaction:
        transaction.execute(delete(workers).where(workers.c.id == worker))


def worker_alive(registry: Registry) -> bool:
    """Whether some worker has a lease. A lease is 60 s long, so a worker that died counts as alive for 60 s at most."""
    with registry.database.read() as transaction:
        now = registry.database.now_in(transaction)
        alive = select(func.count()).select_from(workers).where(workers.c.lease_until > now)
        return bool(transaction.scalar(alive))


def alive_on_this_host(registry: Registry) -> bool:
    """Whether a worker of this machine, or of this container, has a lease."""
    with registry.database.read() as transaction:
        now = registry.database.now_in(transaction)
        here = (workers.c.lease_until > now) & (workers.c.host == socket.gethostname())
        return bool(transaction.scalar(select(func.count()).select_from(workers).where(here)))
