"""One run of the source: what the resources of one extraction share.

The first resource of a run opens the session, and the last one closes it. dlt asks the resources in turn. A resource
that has read its module yields nothing until all others have read theirs. Then the names of lookups are known, and so
are all deletions, and each resource yields its rows.
"""

import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dlt
from dlt.common.configuration.container import Container
from dlt.common.pipeline import PipelineContext

from zoho_pipeline.channels.access.verify import inspect
from zoho_pipeline.channels.registry.model import ACTIVE, Channel
from zoho_pipeline.dlt_source.credentials import open_client
from zoho_pipeline.dlt_source.mirror import Mirror
from zoho_pipeline.dlt_source.options import Options
from zoho_pipeline.dlt_source.stored_rows import StoredRows
from zoho_pipeline.ingest.catalog.tables import (
    DEAL_STAGE_HISTORY,
    DELETED_RECORDS,
    LEAD_STATUS_HISTORY,
    MODULE_TABLES,
    REJECTED_RECORDS,
    USERS,
)
from zoho_pipeline.ingest.routes.reference_tables import ReferenceTables
from zoho_pipeline.ingest.routes.window import Window, parse
from zoho_pipeline.settings import UsageError
from zoho_pipeline.work_folders import WorkFolder
from zoho_pipeline.zoho.connection.client import ZohoClient

log = logging.getLogger(__name__)

WORK = "zoho_crm_work"
"""The folder in the working folder of the pipeline in which a run keeps its mirror and its downloads."""

MODULE = "module"
"""The key in the state of a resource under which the state of its module is."""

ORG, CHANNEL = "org", "channel"
"""The keys in the state of a resource under which the id of the org is that was read (None: Zoho did not name it), and
the channel of the rows."""

_TABLES = (*MODULE_TABLES, DEAL_STAGE_HISTORY, LEAD_STATUS_HISTORY, DELETED_RECORDS, REJECTED_RECORDS, USERS)


class OtherOrg(UsageError):
    """A pipeline that has read one org is given the credentials of another one."""


class OtherChannel(UsageError):
    """A pipeline that has written the rows of one channel is given the name of another one."""


class Session:
    """The client, the window and the mirror of one run.

    Attributes:
        references: the reference tables that were read in this run, by name.
        rows: the rows of modules that were read in this run.

    Raises:
        OtherOrg, OtherChannel: a resource of the source has the state of another org or channel.
    """

    def __init__(self, options: Options, stack: ExitStack) -> None:
        self.options = options
        pipeline = _active_pipeline()
        self.stored = StoredRows(pipeline, dlt.current.source_schema(), options.channel)
        self.work = _work_folder(pipeline, stack)
        folder = Path(pipeline.pipelines_dir) if pipeline is not None else None
        opened = open_client(options.center, options.credentials, options.limits.pacing, folder)
        self.client, scopes = stack.enter_context(opened)
        self.channel = _channel(options, self.client, scopes)
        _check_states(dlt.current.source_state(), self.channel)
        last_read = _last_read(dlt.current.source_state())
        self.window = Window(self.client.server_time, options.lag_seconds, last_read=last_read)
        self.mirror = Mirror(self.work, [table.name for table in _TABLES])
        stack.callback(self.mirror.close)
        self.references: dict[str, ReferenceTables] = {}
        self.rows = 0
        self._reading: set[str] = set()
        self._members: set[str] = set()

    @property
    def is_full(self) -> bool:
        """Whether this run has read as many rows as it may."""
        return self.options.max_rows is not None and self.rows >= self.options.max_rows

    def has(self, resource: str) -> bool:
        """Whether a resource takes part in this run."""
        return resource in self._members

    def begin(self, resource: str) -> None:
        self._members.add(resource)
        self._reading.add(resource)

    def has_read(self, resource: str) -> None:
        """A resource has read what it has to read."""
        self._reading.discard(resource)

    @property
    def all_have_read(self) -> bool:
        return not self._reading


class Sessions:
    """Makes the sessions of one source. A source can be run many times, and each run has a session of its own."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self._session: Session | None = None
        self._stack = ExitStack()
        self._open = 0

    @contextmanager
    def joined(self, resource: str) -> Iterator[Session]:
        """The session of the run that goes on, or a new one. Its last resource closes it."""
        if self._session is None:
            with ExitStack() as stack:
                self._session = Session(self.options, stack)
                self._stack = stack.pop_all()
        session = self._session
        self._open += 1
        session.begin(resource)
        try:
            yield session
        finally:
            session.has_read(resource)
            self._open -= 1
            if self._open == 0:
                self._session = None
                self._stack.close()


def _active_pipeline() -> Any:
    """The pipeline that runs. None: somebody iterates the source without one, and nothing is stored."""
    context = Container()[PipelineContext]
    if not context.is_active():
        return None
    pipeline = context.pipeline()
    return pipeline if pipeline.destination is not None else None


def _work_folder(pipeline: Any, stack: ExitStack) -> Path:
    """A new folder for one user only. The folders of runs that were killed are removed."""
    if pipeline is None:
        return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="zoho-crm-")))
    folder = WorkFolder(Path(pipeline.working_dir) / WORK)
    stack.callback(folder.close)
    return folder.path


def _channel(options: Options, client: ZohoClient, scopes: tuple[str, ...] | None) -> Channel:
    """The connection in the form in which the readers know it. It costs two calls, which also show Zoho's clock."""
    found = inspect(client, options.center, scopes)
    now = datetime.now(UTC)
    return Channel(
        id=options.channel,
        tenant=None,
        data_center=found.data_center,
        accounts_server=found.accounts_server,
        api_domain=found.api_domain,
        org_id=found.org_id,
        org_name=found.org_name,
        edition=found.edition,
        users_licensed=found.users_licensed,
        user_id=found.user_id,
        user_name=found.user_name,
        is_admin=found.is_admin,
        timezone=found.timezone,
        currency=found.currency,
        scopes=scopes,
        missing_scopes=found.missing_scopes,
        status=ACTIVE,
        status_detail=None,
        connected_at=now,
        created_at=now,
    )


def _check_states(source_state: dict[str, Any], channel: Channel) -> None:
    """Refuse another org or channel, for whichever resource. The cursors would skip older rows of it, and the dataset
    would mix the rows of two orgs."""
    for state in (source_state.get("resources") or {}).values():
        org, written = state.get(ORG), state.get(CHANNEL)
        if org is not None and channel.org_id is not None and org != channel.org_id:
            raise OtherOrg(
                f"This pipeline has read the Zoho org {org}, and the credentials belong to the org {channel.org_id}. "
                "Nothing is loaded. If the credentials are right, give the new org a pipeline with a name and a "
                'dataset of its own. To replace the rows of the old org, run once with refresh="drop_sources".'
            )
        if written is not None and written != channel.id:
            raise OtherChannel(
                f"This pipeline has written the rows of the channel {written!r}, and `channel` is {channel.id!r}. "
                "Nothing is loaded. Give the other channel a pipeline with a name of its own. To write all rows anew "
                'under the other name, run once with refresh="drop_sources".'
            )


def _last_read(source_state: dict[str, Any]) -> datetime | None:
    """When the newest rows of an earlier run were read, by Zoho's clock."""
    resources: Sequence[Any] = list((source_state.get("resources") or {}).values())
    read = (parse((resource.get(MODULE) or {}).get("read_at")) for resource in resources)
    return max(filter(None, read), default=None)
