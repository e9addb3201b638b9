"""Bulk Read: jobs, their progress, and zipped CSV files (docs/zoho-facts.md, section 6)."""

import base64
from itertools import islice
from typing import Any

import orjson

from zoho_pipeline.simulator.api.bulk_files import archive, csv_text
from zoho_pipeline.simulator.calls.call import Call
from zoho_pipeline.simulator.calls.limits import rate_limited
from zoho_pipeline.simulator.calls.scopes import require_module
from zoho_pipeline.simulator.clock import forget_until
from zoho_pipeline.simulator.query.bulk_jobs import BulkJob
from zoho_pipeline.simulator.query.columns import Column, UnknownColumn, resolve
from zoho_pipeline.simulator.query.criteria import BadCriteria, Comparison, Group, Tree, candidates, from_json
from zoho_pipeline.simulator.state.org import Org
from zoho_pipeline.simulator.state.store import ModuleStore, Row
from zoho_pipeline.simulator.wire import Answer, Refusal, as_json

UNSUPPORTED = frozenset({"Notes", "Attachments", "Emails"})
KEPT_SECONDS = 86_400
FIELD_LIMIT = 200


def price_of_create(_: Call) -> int:
    """50 credits for a job."""
    return 50


def create(call: Call) -> Answer:
    """POST /read: make a job. A query with only `page_token` makes the job of the next page."""
    if not call.request.headers.get("content-type", "").startswith("application/json"):
        raise Refusal(415, "MEDIA_TYPE_NOT_SUPPORTED", "media type is not supported")
    if not call.request.body:
        raise Refusal(400, "REQUEST_BODY_IS_EMPTY", "request body is empty")
    try:
        query = call.request.json()["query"]
        token = query.get("page_token")
    except (Refusal, KeyError, TypeError, AttributeError):
        raise Refusal(400, "REQUEST_BODY_NOT_READABLE", "request body is not readable") from None
    after = None
    if token is not None:
        query, after = _continued(call, token)
    job = _new_job(call, query, after)
    call.bulk.jobs[job.id] = job
    if call.hub.switches.bulk_mode == "at_once":
        _finish(call, job)
    details = {
        "id": job.id,
        "operation": "read",
        "state": "ADDED",
        "created_by": {"id": call.user.id, "name": call.user.full_name},
        "created_time": call.zone(job.created),
    }
    added = {"status": "success", "code": "ADDED_SUCCESSFULLY", "message": "Added successfully.", "details": details}
    return as_json({"data": [added], "info": {}}, 201)


def _new_job(call: Call, query: dict[str, Any], after: dict[str, Any] | None) -> BulkJob:
    module = query.get("module")
    name = module.get("api_name") if isinstance(module, dict) else module
    store = call.org.modules.get(str(name))
    if store is None or not store.api_supported or not call.user.may_open(store.api_name):
        raise Refusal(400, "MODULE_NOT_AVAILABLE", "the module is not available", {"module": name})
    if name in UNSUPPORTED:
        raise Refusal(400, "MODULE_NOT_SUPPORTED", "the module is not supported", {"module": name})
    require_module(call, store)
    if "cvid" in query:
        raise Refusal(400, "CVID_NOT_SUPPORTED", "cvid is not supported")
    fields = query.get("fields") or [n for n, f in store.fields.items() if call.readable(store, n) and f.listed]
    now, desk = call.hub.clock, call.bulk
    job = BulkJob(
        call.org.new_id(), call.user.id, now.epoch(), query, store.api_name, list(fields), query.get("page", 1), after
    )
    # Jobs of an org run one after another.
    job.starts = max(now.seconds(), desk.busy_until)
    if call.hub.switches.bulk_mode == "time":
        desk.busy_until = job.starts + call.hub.switches.bulk_seconds
    if call.hub.switches.bulk_refuses_at_create:
        _checked(call.org, store, call, job)
    return job


def _checked(org: Org, store: ModuleStore, call: Call, job: BulkJob) -> tuple[list[Column], Tree | None]:
    """The columns and criteria of a job; raises Refusal with the first one that does not exist."""
    columns = []
    for path in job.fields:
        try:
            columns.append(resolve(org, store, call.user, path))
        except UnknownColumn as error:
            raise Refusal(400, "FIELD_NOT_AVAILABLE", str(error), {"fields": [path]}) from None
    tree = None
    if "criteria" in job.query:
        try:
            tree = from_json(job.query["criteria"])
            candidates(org, call.hub.switches, store, call.user, tree, "id")
        except UnknownColumn as error:
            raise Refusal(400, "FIELD_IN_CRITERIA_NOT_AVAILABLE", str(error)) from None
        except BadCriteria as error:
            raise Refusal(400, "INVALID_CRITERIA", str(error)) from None
    return columns, tree


def _continued(call: Call, token: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The query and the place of a page token; raises Refusal when the token is not valid."""
    try:
        job_id, offset, after, snapshot, user_id, issued = orjson.loads(base64.urlsafe_b64decode(str(token)))
        older = call.bulk.jobs[job_id]
    except (ValueError, KeyError):
        raise Refusal(400, "INVALID_DATA", "the page_token is invalid", {"param_name": "page_token"}) from None
    if user_id != call.user.id:
        raise Refusal(400, "INVALID_DATA", "the page_token is another user's", {"param_name": "page_token"})
    if issued and issued + KEPT_SECONDS <= call.hub.clock.epoch():
        raise Refusal(400, "EXPIRED_VALUE", "the page_token has expired", {"param_name": "page_token"})
    place = {"offset": offset, "after": after, "snapshot": snapshot}
    return older.query | {"page": older.page + 1}, place


def status(call: Call) -> Answer:
    """GET /read/{id}: the state of a job. A COMPLETED job has a `result`."""
    job = _job(call)
    _advance(call, job)
    shown: dict[str, Any] = {
        "id": job.id,
        "operation": "read",
        "state": job.state,
        "query": {"module": {"api_name": job.module}, "fields": job.fields, "page": job.page},
        "created_by": {"id": job.user_id, "name": call.org.users[job.user_id].full_name},
        "created_time": call.zone(job.created),
        "file_type": "csv",
    }
    if job.state == "COMPLETED":
        shown["result"] = {
            "page": job.page,
            "per_page": call.hub.switches.bulk_rows,
            "count": job.count,
            "download_url": f"/crm/bulk/v7/read/{job.id}/result",
            "more_records": job.more,
            "next_page_token": job.next_token,
        }
    elif job.state == "FAILURE":
        shown["result"] = {"error_message": {"code": "FAILURE", "message": job.error}}
    return as_json({"data": [shown]})


def _not_found() -> Refusal:
    return Refusal(404, "RESOURCE_NOT_FOUND", "the requested resource doesn't exist")


def _job(call: Call) -> BulkJob:
    job = call.bulk.jobs.get(call.parts["id"])
    expired = job is not None and job.finished and job.finished + KEPT_SECONDS <= call.hub.clock.epoch()
    if job is None or expired or job.user_id != call.user.id:
        raise _not_found()
    return job


def _advance(call: Call, job: BulkJob) -> None:
    """Advance a job by one poll, or by the time that has passed (switch `bulk_mode`)."""
    if job.state in ("COMPLETED", "FAILURE"):
        return
    switches = call.hub.switches
    job.polls += 1
    if switches.bulk_mode == "polls":
        share = job.polls / max(switches.bulk_polls, 1)
    elif switches.bulk_mode == "time":
        share = (call.hub.clock.seconds() - job.starts) / max(switches.bulk_seconds, 0.001)
    else:
        share = 1.0
    if share >= 1:
        _finish(call, job)
    else:
        job.state = "ADDED" if share <= 0 else "QUEUED" if share < 0.5 else "IN PROGRESS"


def _finish(call: Call, job: BulkJob) -> None:
    """End a job with the rows of this moment. The file is written at the first download."""
    job.finished = call.hub.clock.epoch()
    if call.bulk.fail_next:
        job.state, job.error = "FAILURE", call.bulk.fail_next.pop(0)
        return
    store = call.org.modules.get(job.module)
    try:
        if store is None:
            raise Refusal(400, "MODULE_NOT_AVAILABLE", "the module is not available")
        columns, tree = _checked(call.org, store, call, job)
    except Refusal as refusal:
        job.state, job.error = "FAILURE", f"{refusal.code}: {refusal.message}"
        return
    whole = _page(call, store, job, tree)
    job.rows = _misprinted(call, store, job, tree, whole)
    job.columns = columns
    job.count = len(job.rows if call.hub.switches.bulk_count_lies else whole)
    job.state = "COMPLETED"


def _misprinted(call: Call, store: ModuleStore, job: BulkJob, tree: Tree | None, rows: list[Row]) -> list[Row]:
    """The rows that the file holds (see the switch `bulk_file`): well-formed, and not those it should hold."""
    kind, size = call.hub.switches.bulk_file, call.hub.switches.bulk_rows
    if kind == "header":
        return []
    if kind == "half":
        return rows[: len(rows) // 2]
    if kind == "twice":
        return [*rows, *rows]
    if kind == "repeated" and job.page > 1:
        return _live_rows(call, store, tree, (job.page - 2) * size, None, size)
    return rows


def _page(call: Call, store: ModuleStore, job: BulkJob, tree: Tree | None) -> list[Row]:
    """The rows of a job by ascending id, from the place of its page token (switch `page_tokens`)."""
    size, mode = call.hub.switches.bulk_rows, call.hub.switches.page_tokens
    place = job.after or {"offset": (job.page - 1) * size, "after": None, "snapshot": None}
    start, snapshot = place["offset"], place["snapshot"]
    if mode == "snapshot" and snapshot is None:
        snapshot = job.id
        everything = candidates(call.org, call.hub.switches, store, call.user, tree, "id").found()
        call.hub.page_snapshots[snapshot] = [row["id"] for row in everything]
    if snapshot is None:
        rows = _live_rows(call, store, tree, start, place["after"], size + 1)
        job.more = len(rows) > size
    else:
        frozen = call.hub.page_snapshots[snapshot][start : start + size + 1]
        rows = [store.rows[i] for i in frozen if i in store.rows]
        job.more = len(frozen) > size
    if job.more:
        last = rows[size - 1]["id"] if mode == "keyset" else None
        fields = [job.id, start + size, last, snapshot, call.user.id, call.hub.clock.epoch()]
        job.next_token = base64.urlsafe_b64encode(orjson.dumps(fields)).decode()
    if mode == "circle":
        job.more, job.next_token = True, _circle_token(call)
    return rows[:size]


def _circle_token(call: Call) -> str:
    """A token that leads back to the first page; it is the same for every job."""
    first = min(call.bulk.jobs)
    return base64.urlsafe_b64encode(orjson.dumps([first, 0, None, None, call.user.id, 0])).decode()


def _live_rows(
    call: Call, store: ModuleStore, tree: Tree | None, start: int, after: str | None, most: int
) -> list[Row]:
    """Rows of this moment: those after the id `after`, or those after the first `start`."""
    if after is not None:
        beyond = Comparison("id", "greater_than", (after,))
        tree, start = (beyond if tree is None else Group("and", (tree, beyond))), 0
    return list(
        islice(candidates(call.org, call.hub.switches, store, call.user, tree, "id").found(), start, start + most)
    )


def result(call: Call) -> Answer:
    """GET /read/{id}/result: a zip with one CSV file. An org may download ten files per minute."""
    job = _job(call)
    _limit_downloads(call)
    if job.state != "COMPLETED":
        raise _not_found()
    job.asked += 1
    if job.asked <= call.hub.switches.bulk_result_after:
        raise _not_found()
    headers = {"content-disposition": f"attachment; filename={job.id}.zip"}
    zone, damage, store = call.zone, call.hub.switches.bulk_damage, call.org.modules.get(job.module)
    garbled = store.garbled if store is not None else {}

    def packed() -> bytes:
        if not job.archive:
            job.archive = archive(job.id, csv_text(job.columns, job.rows, zone, garbled), damage)
        return job.archive

    return Answer(200, b"", "application/zip", headers, body_later=packed)


def _limit_downloads(call: Call) -> None:
    downloads, now = call.bulk.downloads, call.hub.clock.seconds()
    forget_until(downloads, now - 60)
    if len(downloads) >= call.hub.switches.bulk_downloads_per_minute:
        raise rate_limited(call.hub)
    downloads.append(now)
