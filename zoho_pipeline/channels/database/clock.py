"""The clock that all hosts of a registry share: the database's.

Hosts compare what they wrote: when a token ends, when one was asked for, which credits are a day old. A host whose own
clock is off by hours would use dead tokens, or ask for one too many. So these times are the database server's; a
SQLite file is used on one machine only, and its clock is that machine's.
"""

import time
from datetime import datetime, timedelta
from threading import Lock

from zoho_pipeline.channels.database.database import Database

READ_AGAIN_SECONDS = 60.0


class DatabaseClock:
    """Aware UTC now by the database's clock, without asking it each time.

    The server is asked once a minute; in between the time that passed here is added. A client looks at the clock
    before each call, and a connection for each look would cost more than the call.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._guard = Lock()
        self._read: tuple[datetime, float] | None = None

    def __call__(self) -> datetime:
        if not self._database.is_postgres:
            return self._database.now()
        with self._guard:
            passed = time.monotonic() - self._read[1] if self._read else READ_AGAIN_SECONDS
            if self._read is None or passed >= READ_AGAIN_SECONDS:
                asked = time.monotonic()
                self._read, passed = (self._database.now(), asked), time.monotonic() - asked
            return self._read[0] + timedelta(seconds=passed)
