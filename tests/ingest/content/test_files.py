"""The content catalogue from files: three formats, updates, and files that are refused as a whole."""

from pathlib import Path

import pandas as pd
import pytest

from tests.ingest.conftest import SyncBench
from zoho_pipeline.ingest.content.files import load_content, read_content
from zoho_pipeline.ingest.content.read_file import ContentError

HEADER = "content_id,content_type,published_at,title,topics\n"
GOOD = HEADER + 'c1,blog_post,2026-05-01T09:30:00+05:30,"A, b",crm|sales\nc2,video,2026-05-02,,\n'


def write(folder: Path, text: str, name: str = "content.csv") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def test_three_formats_give_the_same_items(tmp_path: Path) -> None:
    from_csv = read_content(write(tmp_path, GOOD))
    lines = (
        '{"content_id":"c1","content_type":"blog_post","published_at":"2026-05-01T09:30:00+05:30","title":"A, b",'
        '"topics":["crm","sales"]}\n{"content_id":"c2","content_type":"video","published_at":"2026-05-02"}\n'
    )
    from_lines = read_content(write(tmp_path, lines, "content.jsonl"))
    frame = pd.DataFrame(from_csv)
    frame.to_parquet(tmp_path / "content.parquet")
    assert from_lines == from_csv == read_content(tmp_path / "content.parquet")
    assert from_csv[0]["published_at"].isoformat() == "2026-05-01T04:00:00+00:00"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEADER + "c1,blog_post,never,,\n", "line 2, column published_at: 'never' is not a time"),
        (HEADER + "c1,blog_post,2026-05-01,,\n,video,2026-05-01,,\n", "line 3, column content_id: is empty"),
        (GOOD + "c1,video,2026-05-02,,\n", "line 4, column content_id: line 2 has 'c1' too"),
        ("content_id,published_at\nc1,2026-05-01\n", "column content_type is missing"),
        (HEADER.replace("title", "titel") + "c1,v,2026-05-01,,\n", "unknown column titel"),
        (HEADER.replace("title", "topics") + "c1,v,2026-05-01,,\n", "topics"),
        (HEADER + "c1,v,2026-05-01,,,,more\n", "more values than the header"),
        ("", "is empty"),
        ("\n\n", "is empty"),
        (HEADER + 'c1,blog_post,2026-05-01,"two\nlines",\nc2,v,never,,\n', "line 4, column published_at"),
        (HEADER + 'c1,v,never,"two\nlines",\n', "line 2, column published_at"),
        ("sep=;\n" + HEADER.replace(",", ";") + "\nc1;v;never;;\n", "line 4, column published_at"),
        (HEADER.replace(",", ";") + "c1;v;2026-05-01;;;more\n", "line 2 has more values than the header"),
        (HEADER.replace(",", "\t") + "c1\tv\tnever\t\t\n", "line 2, column published_at"),
        (HEADER + 'c1,v,2026-05-01,,\nc2,v,2026-05-01,"open,\n\n', "line 3: this is not CSV"),
    ],
)
def test_a_bad_file_is_named_by_line_and_column(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ContentError, match=None) as caught:
        read_content(write(tmp_path, text))
    assert said in str(caught.value)


def test_a_known_item_is_replaced_and_a_bad_file_changes_nothing(bench: SyncBench, tmp_path: Path) -> None:
    assert load_content(bench.settings, bench.warehouse, "acme", write(tmp_path, GOOD)) == 2
    newer = write(tmp_path, HEADER + "c2,video,2026-05-03,New,\n")
    assert load_content(bench.settings, bench.warehouse, "acme", newer) == 1
    broken = write(tmp_path, HEADER + "c3,v,2026-05-03,,\nc4,v,x,,\n")
    with pytest.raises(ContentError):
        load_content(bench.settings, bench.warehouse, "acme", broken)
    items = {row["content_id"]: row for row in bench.rows("select * from zoho_raw.content_items")}
    assert {key: row["title"] for key, row in items.items()} == {"c1": "A, b", "c2": "New"}


@pytest.mark.parametrize(
    ("data", "name", "said"),
    [
        ((HEADER + "c1,v,2026-05-01,,caf\u00e9\n").encode("latin-1"), "content.csv", "is not UTF-8"),
        (b'{"content_id":"c1","content_type":"v","published_at":"2026-05-01"}\n{oops\n', "c.jsonl", "line 2 is not"),
        (b'[{"content_id":"c1"}]', "content.json", "one JSON object per line"),
        (b"no parquet", "content.parquet", "cannot be read"),
        (b"\xff\xfe" + (HEADER + "c1,v,never,,\n").encode("utf-16-le"), "content.csv", "line 2, column published_at"),
        (b"PK\x03\x04\x14\0\0\0", "content.csv", "is not a text file"),
        (
            b'\n\n{"content_id":"c1","content_type":"v",\r\n',
            "content.jsonl",
            "line 3 is not a JSON object",
        ),
        (
            '\n{"content_id":"c\u2028","content_type":"v","published_at":"2026-05-01"}\n\n{"content_id":"c2"}\n'.encode(),
            "content.jsonl",
            "line 4, column content_type",
        ),
    ],
)
def test_a_file_of_another_form_says_which_it_takes(tmp_path: Path, data: bytes, name: str, said: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ContentError, match=name) as caught:
        read_content(tmp_path / name)
    assert said in str(caught.value)


@pytest.mark.parametrize("name", ["content.xlsx", "missing.csv"])
def test_an_unknown_or_absent_file_is_reported(tmp_path: Path, name: str) -> None:
    if name.endswith("xlsx"):
        write(tmp_path, "x", name)
    with pytest.raises(ContentError, match=name):
        read_content(tmp_path / name)


def test_a_row_of_parquet_is_named_as_a_row(tmp_path: Path) -> None:
    rows = [{"content_id": n, "content_type": "v", "published_at": at} for n, at in ((1, "2026-05-01"), (2, "x"))]
    pd.DataFrame(rows).to_parquet(tmp_path / "content.parquet")
    with pytest.raises(ContentError, match="row 2, column published_at"):
        read_content(tmp_path / "content.parquet")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_each_delimiter_gives_the_same_items(tmp_path: Path, delimiter: str) -> None:
    quoted = GOOD.replace("crm|sales", '"crm|sales"')
    text = quoted.replace(",", delimiter).replace(f"A{delimiter} b", "A, b")
    assert read_content(write(tmp_path, text)) == read_content(write(tmp_path, GOOD))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"content_id":"a\\u0000","content_type":"v","published_at":"2026-05-01"}', "column content_id: has a NUL"),
        (
            '{"content_id":"a","content_type":"v","published_at":"2026-05-01","source_activity_id":"1\\u0000"}',
            "column source_activity_id: has a NUL",
        ),
        ('{"content_id":"a","content_id":"b","content_type":"v"}', "line 1: the key 'content_id' appears twice"),
    ],
)
def test_no_id_becomes_another_one(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ContentError, match="Nothing was loaded") as caught:
        read_content(write(tmp_path, text, "content.jsonl"))
    assert said in str(caught.value)


def test_long_values_and_empty_lines_before_the_header_are_read(tmp_path: Path) -> None:
    (item,) = read_content(write(tmp_path, f"\n\n{HEADER}c1,v,2026-05-01,{'x' * 300_000},\n"))
    assert item["title"] == "x" * 300_000
    with pytest.raises(ContentError, match="line 4, column published_at"):
        read_content(write(tmp_path, f"\n\n{HEADER}c1,v,never,,\n"))
    with pytest.raises(ContentError) as caught:
        read_content(write(tmp_path, HEADER.strip() + "," + "y" * 200_000 + "\n"))
    assert len(str(caught.value)) < 1_000
