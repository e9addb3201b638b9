"""The clock that all hosts of a registry share: the database's.

Hosts compare times that other hosts wrote: the end of a token, the time of a request, the age of credits. A host with
a wrong clock would use expired tokens or send too many requests. So these times come from the database server. A
SQLite file is used on one machine only, so there the machine's clock is used.
"""

import time
from datetime import datetime, timedelta
from threading import Lock

from zoho_pipeline.channels.database.database import Database

REREAD_SECONDS = 60.0


class DatabaseClock:
    """Aware UTC now by the database's clock, with one query per minute.

    Between two queries, the time that passed on this machine is added. A client reads the clock before each call, and
    a connection for each reading would cost more than the call.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._guard = Lock()
        self._read: tuple[datetime, float] | None = None

    def __call__(self) -> datetime:
        if not self._database.is_postgres:
            return self._database.now()
        with self._guard:
            passed = time.monotonic() - self._read[1] if self._read else REREAD_SECONDS
            if self._read is None or passed >= REREAD_SECONDS:
                started = time.monotonic()
                self._read, passed = (self._database.now(), started), time.monotonic() - started
            return self._read[0] + timedelta(seconds=passed)
