"""Bulk Read at the wire: jobs, polls, downloads and damaged files."""

import io
import zipfile
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.zoho.read.pages import SINCE, UNTIL
from tests.zoho.wire import Wire, answer, client_on, error
from zoho_pipeline.zoho import errors
from zoho_pipeline.zoho.connection.pacing import Pacing
from zoho_pipeline.zoho.read import bulk

ADDED = {"data": [{"status": "success", "code": "ADDED_SUCCESSFULLY", "details": {"id": "7", "state": "ADDED"}}]}


def state(name: str, **result: Any) -> Any:
    return answer({"data": [{"id": "7", "state": name, **({"result": result} if result else {})}]})


def test_a_job_asks_for_a_window() -> None:
    wire = Wire(answer(ADDED, 201))
    job = bulk.create_job(client_on(wire), "Leads", ("A",), criteria=bulk.modified_between(SINCE, UNTIL))
    assert (job.id, job.state) == ("7", "ADDED")
    assert wire.seen[0].headers["Content-Type"] == "application/json"
    assert orjson.loads(wire.seen[0].content) == {
        "query": {
            "module": {"api_name": "Leads"},
            "page": 1,
            "fields": ["A"],
            "criteria": {
                "group_operator": "and",
                "group": [
                    {
                        "field": {"api_name": "Modified_Time"},
                        "comparator": "greater_equal",
                        "value": "2026-05-01T04:30:09+00:00",
                    },
                    {
                        "field": {"api_name": "Modified_Time"},
                        "comparator": "less_than",
                        "value": "2026-05-02T00:00:00+00:00",
                    },
                ],
            },
        },
        "file_type": "csv",
    }
    assert bulk.modified_between(None, None) is None
    assert bulk.modified_between(None, UNTIL) == {
        "field": {"api_name": "Modified_Time"}, "comparator": "less_than", "value": "2026-05-02T00:00:00+00:00"
    }  # fmt: skip


def test_the_state_of_another_job_is_a_bad_answer() -> None:
    other = answer({"data": [{"id": "8", "state": "COMPLETED", "result": {"count": 1, "more_records": False}}]})
    with pytest.raises(errors.BadAnswer, match="another job"):
        bulk.status(client_on(Wire(other)), "7")


def test_a_next_job_sends_the_token_alone() -> None:
    wire = Wire(answer(ADDED, 201))
    bulk.create_job(client_on(wire), "Leads", ("A",), page_token="tok")
    assert orjson.loads(wire.seen[0].content) == {"query": {"page_token": "tok"}}


def test_a_lost_job_is_asked_for_once_more_and_no_oftener() -> None:
    wire = Wire(error("INTERNAL_ERROR", 500), answer(ADDED, 201))
    assert bulk.create_job(client_on(wire), "Leads").id == "7"
    wire = Wire(error("INTERNAL_ERROR", 500))
    with pytest.raises(errors.ServerFault):
        bulk.create_job(client_on(wire), "Leads")
    assert len(wire.seen) == 2


def test_polls_grow_rarer_until_the_job_is_done() -> None:
    wire = Wire(
        state("ADDED"), state("QUEUED"), state("IN PROGRESS"),
        state("COMPLETED", page=1, count=5, more_records=True, next_page_token="n"),
    )  # fmt: skip
    client = client_on(wire)
    job = bulk.poll(client, "7")
    assert (job.completed, job.count, job.more, job.next_page_token) == (True, 5, True, "n")
    naps = client.naps  # type: ignore[attr-defined]
    assert naps == [1.0, 2.5, 6.25]


def test_a_new_job_is_not_asked_for_at_once() -> None:
    wire = Wire(state("COMPLETED", page=1, count=5))
    client = client_on(wire)
    assert bulk.poll(client, "7", new=True).completed
    assert client.naps == [1.0]  # type: ignore[attr-defined]
    assert len(wire.seen) == 1


def test_a_failed_or_endless_job_says_so() -> None:
    with pytest.raises(errors.JobFailed, match="no such field"):
        bulk.poll(client_on(Wire(state("FAILURE", error_message="no such field"))), "7")
    now = iter(range(0, 10_000, 40))
    with pytest.raises(errors.JobFailed, match="still QUEUED after 100 s"):
        bulk.poll(client_on(Wire(state("QUEUED")), pacing=Pacing(job_deadline=100)), "7", monotonic=lambda: next(now))


@pytest.mark.parametrize(
    "reply", [answer({"data": []}), answer({}), state("COMPLETED", more_records=True), answer({"data": [{"id": "7"}]})]
)
def test_what_is_no_job(reply: Any) -> None:
    with pytest.raises(errors.BadAnswer):
        bulk.status(client_on(Wire(reply)), "7")


def test_an_answer_without_a_job() -> None:
    for body in ({}, {"data": []}, {"data": [{"details": {}}]}):
        with pytest.raises(errors.BadAnswer):
            bulk.create_job(client_on(Wire(answer(body, 201))), "Leads")


def test_a_file_that_is_not_there_yet_is_asked_for_again(tmp_path: Path) -> None:
    missing = error("RESOURCE_NOT_FOUND", 404)
    wire = Wire(missing, missing, answer(zipped(**{"7.csv": b"Id\n1\n"}), Content_Type="application/zip"))
    client = client_on(wire)
    assert bulk.download(client, "7", tmp_path / "x.zip").exists()
    assert client.naps == [1.0, 2.0]  # type: ignore[attr-defined]
    with pytest.raises(errors.NotFound):
        bulk.download(client_on(Wire(missing)), "7", tmp_path / "y.zip")


def test_a_throttled_download_waits_until_its_minute_is_over(tmp_path: Path) -> None:
    """Eleven results in a minute: the client's own tries are spent, and it goes on waiting."""
    busy = error("TOO_MANY_REQUESTS", 429)
    file = answer(zipped(**{"7.csv": b"Id\n1\n"}), Content_Type="application/zip")
    client = client_on(Wire(busy, busy, busy, busy, file), pacing=Pacing(attempts=2))
    assert bulk.download(client, "7", tmp_path / "x.zip").exists()
    assert [nap for nap in client.naps if nap >= 10] == [10.0, 10.0]  # type: ignore[attr-defined]
    now = iter(range(0, 10_000, 100))
    hasty = client_on(Wire(busy), pacing=Pacing(attempts=1))
    with pytest.raises(errors.ConcurrencyLimit):
        bulk.download(hasty, "7", tmp_path / "y.zip", monotonic=lambda: next(now))


def test_any_word_for_failure_ends_a_job() -> None:
    with pytest.raises(errors.JobFailed):
        bulk.poll(client_on(Wire(state("FAILED"))), "7")


def zipped(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def test_a_download_stays_at_home(tmp_path: Path) -> None:
    """The path is ours: a `download_url` that points elsewhere is never followed with a token."""
    wire = Wire(answer(zipped(**{"7.csv": b"Id\n1\n"}), Content_Type="application/zip"))
    path = bulk.download(client_on(wire), "7", tmp_path / "7.zip")
    assert str(wire.seen[0].url) == "https://www.zohoapis.com/crm/bulk/v7/read/7/result"
    with bulk.open_csv(path) as stream:
        assert stream.read() == b"Id\n1\n"


def test_a_result_that_is_damaged(tmp_path: Path) -> None:
    """It is fetched once more and then refused, before a row of it is read."""
    good = zipped(**{"7.csv": b"Id\n" + bytes(range(48, 58)) * 5_000})
    middle = len(good) // 2
    damaged = {
        "not a zip": good[:-60],
        "damaged": good[:middle] + b"\0\0\0" + good[middle + 3 :],
        "2 CSV files": zipped(**{"a.csv": b"", "b.csv": b""}),
        "0 CSV files": zipped(**{"a.txt": b""}),
    }
    for said, body in damaged.items():
        wire = Wire(answer(body, Content_Type="application/zip"))
        with pytest.raises(errors.DamagedFile, match=said):
            bulk.download(client_on(wire), "7", tmp_path / "x.zip")
        assert len(wire.seen) == 2
    assert list(tmp_path.iterdir()) == []


def test_a_result_that_unpacks_to_too_much(tmp_path: Path) -> None:
    bomb = zipped(**{"7.csv": b"Id\n" + b"1\n" * 500_000})
    assert len(bomb) < 10_000
    pacing = Pacing(file_bytes=100_000)
    with pytest.raises(errors.AnswerTooLarge, match="unpacked"):
        bulk.download(client_on(Wire(answer(bomb)), pacing=pacing), "7", tmp_path / "x.zip")
    assert list(tmp_path.iterdir()) == []


def test_a_list_of_files_that_fills_the_memory_is_not_read(tmp_path: Path) -> None:
    wire = Wire(answer(zipped(**{"7.csv": b"Id\n", **{f"{n:0250}": b"" for n in range(4_000)}})))
    with pytest.raises(errors.DamagedFile, match="far more files"):
        bulk.download(client_on(wire), "7", tmp_path / "x.zip")


def test_a_file_that_cannot_be_stored(tmp_path: Path) -> None:
    wire = Wire(answer(zipped(**{"7.csv": b"Id\n"})))
    with pytest.raises(errors.JobFailed, match="cannot be stored"):
        bulk.download(client_on(wire), "7", tmp_path / "missing" / "x.zip")


@pytest.mark.parametrize("job", ["7/../../x", "", "a b"])
def test_a_job_id_never_leaves_its_place(job: str) -> None:
    wire = Wire(state("QUEUED"))
    with pytest.raises(errors.NotFound):
        bulk.status(client_on(wire), job)
    assert wire.seen == []
