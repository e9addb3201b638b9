"""E-mails of leads, where a channel asks for them (`channels set ID --param sync_emails=true`).

Zoho has no list of all e-mails: it is one call a lead, so they are switched off unless asked for. Called for
are only leads that were read since the last look (new or changed) and those an activity read since hangs on.
The look advances in bounded steps; a budget stop or a crash goes on from the last one.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from zoho_pipeline.channels.registry.model import Channel
from zoho_pipeline.ingest.catalog.tables import EMAILS
from zoho_pipeline.ingest.convert.json_to_arrow import to_arrow
from zoho_pipeline.ingest.extract.step import Gathered, rejections
from zoho_pipeline.ingest.load.commit import load
from zoho_pipeline.ingest.load.context import SyncContext
from zoho_pipeline.ingest.report import ModuleReport
from zoho_pipeline.ingest.routes.window import parse
from zoho_pipeline.warehouse import RAW_SCHEMA, Connection
from zoho_pipeline.zoho.accounts import scopes
from zoho_pipeline.zoho.connection.client import ZohoClient
from zoho_pipeline.zoho.errors import CreditsExhausted, InvalidRequest, NotFound, Retryable, ScopeMissing
from zoho_pipeline.zoho.read import related
from zoho_pipeline.zoho.read.pages import Row

MODULE = "Emails"
PARAMETER = "sync_emails"
_ACTIVITIES = ("calls", "events", "tasks")

Mark = tuple[datetime | None, str]
"""How far the look is: leads read up to an instant, and among those of that instant up to an id."""


def wanted(channel: Channel) -> bool:
    return str(channel.parameters.get(PARAMETER, "")).strip().lower() in ("true", "1", "yes", "on")


def sync_emails(run: SyncContext) -> None:
    """Bring the e-mails of the leads read since the last look; the report says how it went."""
    report = run.reports[MODULE] = ModuleReport(MODULE, route="related", route_reason="one call a lead")
    report.window_end = run.window.hi
    client, started = run.client.metered(), time.monotonic()
    try:
        if not run.channel.allows("emails", "Leads"):
            raise ScopeMissing(MODULE, scopes.requires("emails", "Leads"))
        for mark, ids in _steps(run):
            _load(run, report, _read(client, ids, run.limits.email_calls), mark)
    except ScopeMissing as missing:
        report.outcome = "skipped"
        report.note(str(missing))
        run.registry.add_missing_scopes(run.channel.id, missing.scopes)
    except (CreditsExhausted, Retryable) as error:
        report.outcome = "stopped" if isinstance(error, CreditsExhausted) else "failed"
        report.note(str(error))
    report.credits, report.requests = client.meter.credits, client.meter.requests
    report.seconds = time.monotonic() - started


def _steps(run: SyncContext) -> Iterator[tuple[Mark, list[str]]]:
    while True:
        state = run.states.get(MODULE, {})
        with run.warehouse.connect() as connection:
            found = _touched(
                connection,
                run.channel.id,
                (parse(state.get("cursor")), str(state.get("id", ""))),
                run.limits.leads_per_email_checkpoint,
            )
        if not found:
            return
        yield (found[-1]["at"], found[-1]["id"]), [row["id"] for row in found]


def _touched(connection: Connection, channel_id: str, mark: Mark, most: int) -> list[dict[str, Any]]:
    """Leads in the order in which they, or an activity of theirs, were read."""
    about = " union all ".join(
        f"select coalesce(what_id, who_id) as id, synced_at as at from {RAW_SCHEMA}.{name}"  # noqa: S608
        " where channel_id = ? and (se_module = 'Leads' or what_id is null)"
        for name in _ACTIVITIES
    )
    since, after = mark
    bound = "where t.at > ? or (t.at = ? and t.id > ?)" if since else ""
    return connection.rows(
        f"select t.id, t.at from (select l.id, max(l.at) as at from ("  # noqa: S608
        f"select id, synced_at as at from {RAW_SCHEMA}.leads where channel_id = ? union all {about}) l"
        f" join {RAW_SCHEMA}.leads own on own.channel_id = ? and own.id = l.id group by l.id) t {bound}"
        f" order by t.at, t.id limit {int(most)}",
        (*[channel_id] * (len(_ACTIVITIES) + 2), *((since, since, after) if since else ())),
    )


def _read(client: ZohoClient, ids: list[str], threads: int) -> list[Row]:
    with ThreadPoolExecutor(threads, thread_name_prefix="emails") as pool:
        return [mail for mails in pool.map(lambda id_: _of_lead(client, id_), ids) for mail in mails]


def _of_lead(client: ZohoClient, id_: str) -> list[Row]:
    try:
        return [_shaped(mail, id_) for mail in related.emails(client, "Leads", id_) if mail.get("message_id")]
    except (NotFound, InvalidRequest):
        return []  # deleted, merged or converted since


def _shaped(mail: Row, lead_id: str) -> Row:
    sender = mail.get("from")
    told = {"module": "Leads", "record_id": lead_id, "sent_time": mail.get("sent_time") or mail.get("time")}
    return {**mail, **told, "from_email": sender.get("email") if isinstance(sender, dict) else sender}


def _load(run: SyncContext, report: ModuleReport, mails: list[Row], mark: Mark) -> None:
    now, (at, id_) = run.window.now(), mark
    gathered = Gathered()
    if mails:
        converted = to_arrow(EMAILS, mails, channel_id=run.channel.id, synced_at=now)
        gathered.put({EMAILS.name: [converted.table]})
        if converted.rejected:
            gathered.put({"rejected_records": [rejections(run.channel.id, MODULE, converted.rejected, now)]})
            report.rejected_rows += len(converted.rejected)
    report.rows += len(mails)
    gathered.states[MODULE] = {"table": EMAILS.name, "cursor": at.isoformat() if at else None, "id": id_}
    load(run, gathered)
    run.progress.advance(MODULE, len(mails))
