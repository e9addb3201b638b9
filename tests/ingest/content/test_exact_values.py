"""No whole number of a catalogue becomes a float, and an odd value is named by line and column."""

import sqlite3
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.ingest.conftest import SyncBench
from tests.params import choice, combined
from zoho_pipeline.ingest.content.database import load_content_sql
from zoho_pipeline.ingest.content.files import ContentError, load_content, read_content
from zoho_pipeline.settings import Secret

BIG = 7212345678901234567
FIRST = {"content_id": "p1", "content_type": "post", "published_at": "2026-05-01"}


def lines(*rows: str) -> bytes:
    return "".join(f"{row}\n" for row in rows).encode()


def catalogue(folder: Path, kind: str) -> Path:
    """Two items; only the first one names an activity."""
    file = folder / f"c.{kind}"
    ids, types, times = ["p1", "p2"], ["post", "post"], ["2026-05-01", "2026-05-02"]
    if kind == "csv":
        header = "content_id,content_type,published_at,source_activity_id"
        file.write_bytes(lines(header, f"p1,post,2026-05-01,{BIG}", "p2,post,2026-05-02,"))
    elif kind in ("jsonl", "json"):
        first = f'{{"content_id":"p1","content_type":"post","published_at":"2026-05-01","source_activity_id":{BIG}}}'
        file.write_bytes(lines(first, "", '{"content_id":"p2","content_type":"post","published_at":"2026-05-02"}'))
    elif kind == "parquet":
        activity = pa.array([BIG, None], pa.int64())
        columns = dict(zip((*FIRST, "source_activity_id"), (ids, types, times, activity), strict=True))
        pq.write_table(pa.table(columns), file)
    else:
        frame = pd.DataFrame({"content_id": ids, "content_type": types, "published_at": pd.to_datetime(times)})
        frame["source_activity_id"] = pd.array([BIG, None], dtype="Int64")
        file = folder / "indexed.parquet"
        frame.set_index(pd.Index(["x", "y"])).to_parquet(file)
    return file


@pytest.mark.parametrize("kind", choice(["csv", "jsonl", "json", "parquet", "indexed"], ["csv", "parquet"]))
def test_a_whole_number_beside_a_gap_keeps_its_digits(bench: SyncBench, tmp_path: Path, kind: str) -> None:
    assert load_content(bench.settings, bench.warehouse, "acme", catalogue(tmp_path, kind)) == 2
    found = bench.rows("select content_id, source_activity_id, published_at from zoho_raw.content_items order by 1")
    assert [row["source_activity_id"] for row in found] == [str(BIG), None]
    assert [row["published_at"].day for row in found] == [1, 2]


@pytest.mark.parametrize(
    ("declared", "by", "incremental"),
    combined(
        ["bigint", "numeric", "decimal(20,0)", "text"],
        ["table", "query"],
        [None, "updated"],
        quick=[
            ("bigint", "query", "updated"),
            ("numeric", "table", None),
            ("numeric", "query", None),
            ("decimal(20,0)", "table", "updated"),
            ("text", "query", None),
        ],
    ),
)
def test_a_database_gives_every_digit(
    bench: SyncBench, tmp_path: Path, declared: str, by: str, incremental: str | None
) -> None:
    """SQLite has no decimals: SQLAlchemy would read a NUMERIC column through floats."""
    names = "content_id text, content_type text, published_at text, updated numeric"
    with sqlite3.connect(tmp_path / "c.sqlite") as database:
        database.execute(f"create table items ({names}, source_activity_id {declared})")
        for item in (("p1", "post", "2026-05-01", 1, BIG), ("p2", "post", "2026-05-02", 2, None)):
            database.execute("insert into items values (?, ?, ?, ?, ?)", item)
    database.close()
    wanted: dict[str, Any] = {"table": "items"} if by == "table" else {"query": "select * from items"}
    if by == "query" and incremental is None:
        wanted = {"query": "select content_id, content_type, published_at, source_activity_id from items"}
    url = Secret(f"sqlite:///{tmp_path / 'c.sqlite'}")
    for _ in range(2):
        load_content_sql(bench.settings, bench.warehouse, "acme", url, incremental=incremental, **wanted)
    found = bench.rows("select source_activity_id from zoho_raw.content_items order by content_id")
    assert [row["source_activity_id"] for row in found] == [str(BIG), None]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (str(BIG), str(BIG)),
        ("18446744073709551617", "18446744073709551617"),
        ("9" * 5_000, "9" * 5_000),
        ("7.0", "7"),
        ("0.12345678901234567890", "0.12345678901234567890"),
        ("1e999999", "1E+999999"),
        ('"007"', "007"),
        ("null", None),
        ("NaN", None),
        ("true", "True"),
    ],
)
def test_a_value_of_a_json_line(tmp_path: Path, value: str, text: str | None) -> None:
    file = tmp_path / "c.jsonl"
    file.write_bytes(lines(f'{{"content_id":"p1","content_type":"post","published_at":"2026-05-01","title":{value}}}'))
    assert read_content(file)[0]["title"] == text


@pytest.mark.parametrize("value", [7.0, Decimal("7"), 7])
def test_a_column_of_numbers_in_parquet(tmp_path: Path, value: Any) -> None:
    pq.write_table(
        pa.table({name: [text] for name, text in FIRST.items()} | {"title": [value]}), tmp_path / "c.parquet"
    )
    assert read_content(tmp_path / "c.parquet")[0]["title"] == "7"


def parquet(folder: Path, **columns: pa.Array) -> Path:
    file = folder / "c.parquet"
    pq.write_table(pa.table({name: pa.array([text]) for name, text in FIRST.items()} | columns), file)
    return file


def test_texts_that_parquet_holds_as_bytes_are_texts(tmp_path: Path) -> None:
    (item,) = read_content(parquet(tmp_path, content_id=pa.array(["प1".encode()]), title=pa.array([b"a, b"])))
    assert (item["content_id"], item["title"]) == ("प1", "a, b")


@pytest.mark.parametrize(
    "values",
    [
        pa.array([b"\xff"]),
        pa.array([2**62], pa.timestamp("us")),
        pa.array([2**31 - 1], pa.date32()),
        pa.array([2**52], pa.date64()),
        pa.array([2**62], pa.duration("s")),
    ],
)
@pytest.mark.parametrize("name", ["content_id", "published_at", "title"])
def test_a_parquet_value_that_is_nothing_is_named(tmp_path: Path, name: str, values: pa.Array) -> None:
    with pytest.raises(ContentError, match=f"the column {name} has"):
        read_content(parquet(tmp_path, **{name: values}))


def test_topics_keep_their_digits(tmp_path: Path) -> None:
    file = tmp_path / "c.jsonl"
    file.write_bytes(
        lines(f'{{"content_id":{BIG},"content_type":"p","published_at":"2026-05-01","topics":["a",{BIG},null," "]}}')
    )
    (item,) = read_content(file)
    assert (item["content_id"], item["topics"]) == (str(BIG), f"a|{BIG}")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ('{"content_id":"\\ud83d","content_type":"p","published_at":"2026-05-01"}', "line 2, column content_id"),
        (
            '{"content_id":"c","content_type":"p","published_at":"9999-12-31T23:59:59-11:00"}',
            "line 2, column published_at",
        ),
        ('{"content_id":"c","content_type":"p","published_at":"0000-01-01"}', "line 2, column published_at"),
        ('{"content_id":"c","content_type":"p","published_at":"0001-01-01"}', "years 1 to 9999"),
        ('{"content_id":"c","content_type":"p","published_at":"10000-01-01"}', "line 2, column published_at"),
        ('{"content_id":"c","content_type":{"a":1},"published_at":"2026-05-01"}', "line 2, column content_type"),
        ('{"content_id":"c","title":' + "[" * 5_000 + "}", "line 2 is not a JSON object"),
        ('{"content_id":"c","title":1e99999999999999999999}', "line 2 is not a JSON object"),
        ("7", "line 2 is not a JSON object"),
        ('["c"]', "one JSON object per line"),
        ('{"content_id":"c","Content_ID":"d"}', "appears twice"),
        ('{"content_id":"c","ti\\ntle":"d"}', r"'ti\ntle'"),
        ('{"content_id":"c","\\ud83d":"d"}', r"'\ud83d'"),
        ('{"content_id":"c","":"d"}', "unknown column ''"),
    ],
)
def test_an_odd_line_is_named(tmp_path: Path, row: str, said: str) -> None:
    file = tmp_path / "c.jsonl"
    file.write_bytes(lines('{"content_id":"p1","content_type":"p","published_at":"2026-05-01"}', row))
    with pytest.raises(ContentError) as caught:
        read_content(file)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
