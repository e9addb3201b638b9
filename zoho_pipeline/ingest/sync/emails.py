"""E-mails of leads, if the settings of a channel request them (`channels set ID --param sync_emails=true`).

Zoho has no list of all e-mails. They cost one call per lead, so they are read only if they are switched on, and only
for leads that were read since the last time (new or changed), or with an activity that was. Each checkpoint covers
a bounded number of leads; after a budget stop or a crash, the next sync continues after the last checkpoint.
"""

import time
from collections.abc import Iterator
from functools import partial
from typing import Any

from zoho_pipeline.channels.registry.model import Channel
from zoho_pipeline.ingest.catalog.tables import EMAILS, REJECTED_RECORDS
from zoho_pipeline.ingest.convert.json_to_arrow import to_arrow
from zoho_pipeline.ingest.extract.row_filter import rejections
from zoho_pipeline.ingest.extract.state import EmailState
from zoho_pipeline.ingest.load.batch import LoadBatch
from zoho_pipeline.ingest.load.commit import load
from zoho_pipeline.ingest.load.context import SyncContext
from zoho_pipeline.ingest.report import ModuleReport
from zoho_pipeline.ingest.sync.parallel_calls import call_for_each
from zoho_pipeline.warehouse.connection import RAW_SCHEMA, Connection
from zoho_pipeline.zoho.accounts import scopes
from zoho_pipeline.zoho.connection.client import ZohoClient
from zoho_pipeline.zoho.errors import InvalidRequest, NotFound, Permanent, Retryable, ScopeMissing
from zoho_pipeline.zoho.read import related
from zoho_pipeline.zoho.read.pages import Row

MODULE = "Emails"
PARAMETER = "sync_emails"
_ACTIVITIES = ("calls", "events", "tasks")


def wanted(channel: Channel) -> bool:
    """Whether the settings of the channel request e-mails."""
    return str(channel.parameters.get(PARAMETER, "")).strip().lower() in ("true", "1", "yes", "on")


def sync_emails(sync: SyncContext) -> None:
    """Load the e-mails of the leads that were read since the last time, and add the result to the report."""
    report = sync.reports[MODULE] = ModuleReport(MODULE, route="related", route_reason="one call per lead")
    report.window_end = sync.window.hi
    client, started = sync.client.metered(), time.monotonic()
    try:
        if not sync.channel.allows("emails", "Leads"):
            raise ScopeMissing(MODULE, scopes.requires("emails", "Leads"))
        for state, ids in _leads(sync):
            _load(sync, report, _read(client, ids, sync.limits.email_calls), state)
    except ScopeMissing as missing:
        report.outcome = "skipped"
        report.note(str(missing))
        sync.registry.add_missing_scopes(sync.channel.id, missing.scopes)
    except (Permanent, Retryable) as error:
        report.fail(error)
    report.count(client.meter)
    report.seconds = time.monotonic() - started


def _leads(sync: SyncContext) -> Iterator[tuple[EmailState, list[str]]]:
    """Yield ids of leads, a bounded number at a time, with the state that is true once their e-mails are loaded."""
    while True:
        state, most = sync.state.emails or EmailState(), sync.limits.leads_per_email_checkpoint
        with sync.warehouse.connect() as connection:
            found = _touched(connection, sync.channel.id, state, most)
        if not found:
            return
        yield EmailState(found[-1]["at"], found[-1]["id"]), [row["id"] for row in found]


def _touched(connection: Connection, channel_id: str, state: EmailState, most: int) -> list[dict[str, Any]]:
    """The leads in the order in which they, or one of their activities, were read."""
    about = " union all ".join(
        f"select coalesce(what_id, who_id) as id, synced_at as at from {RAW_SCHEMA}.{name}"  # noqa: S608
        " where channel_id = ? and (se_module = 'Leads' or what_id is null)"
        for name in _ACTIVITIES
    )
    since = state.cursor
    bound = "where t.at > ? or (t.at = ? and t.id > ?)" if since else ""
    return connection.rows(
        f"select t.id, t.at from (select l.id, max(l.at) as at from ("  # noqa: S608
        f"select id, synced_at as at from {RAW_SCHEMA}.leads where channel_id = ? union all {about}) l"
        f" join {RAW_SCHEMA}.leads own on own.channel_id = ? and own.id = l.id group by l.id) t {bound}"
        f" order by t.at, t.id limit {int(most)}",
        (*[channel_id] * (len(_ACTIVITIES) + 2), *((since, since, state.id) if since else ())),
    )


def _read(client: ZohoClient, ids: list[str], calls: int) -> list[Row]:
    """The e-mails of leads, in the order of the leads, several calls at a time."""
    found = call_for_each(partial(_of_lead, client), ids, calls)
    return [mail for mails in found for mail in mails]


def _of_lead(client: ZohoClient, id_: str) -> list[Row]:
    try:
        return [_shaped(mail, id_) for mail in related.emails(client, "Leads", id_) if mail.get("message_id")]
    except (NotFound, InvalidRequest):
        return []  # deleted, merged or converted since then


def _shaped(mail: Row, lead_id: str) -> Row:
    sender = mail.get("from")
    values = {"module": "Leads", "record_id": lead_id, "sent_time": mail.get("sent_time") or mail.get("time")}
    return {**mail, **values, "from_email": sender.get("email") if isinstance(sender, dict) else sender}


def _load(sync: SyncContext, report: ModuleReport, mails: list[Row], state: EmailState) -> None:
    now = sync.window.now()
    batch = LoadBatch(emails=state)
    if mails:
        converted = to_arrow(EMAILS, mails, channel_id=sync.channel.id, synced_at=now)
        batch.put({EMAILS.name: [converted.table]})
        if converted.rejected:
            batch.put({REJECTED_RECORDS.name: [rejections(sync.channel.id, MODULE, converted.rejected, now)]})
            report.rejected_rows += len(converted.rejected)
    report.rows += len(mails)
    load(sync, batch)
    sync.progress.advance(MODULE, len(mails))
