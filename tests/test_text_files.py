"""Text files of any system: encodings, delimiters, and the line of the file on which a record begins."""

import codecs
import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoho_pipeline.text_files import NotCsv, NotText, csv_records, decoded, read_text

MARKED = {
    "utf-8-sig": codecs.BOM_UTF8,
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
    "utf-32-le": codecs.BOM_UTF32_LE,
    "utf-32-be": codecs.BOM_UTF32_BE,
}
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufeff"))
cells = st.text(st.sampled_from('ab ,;\t|"\n\r\u2028\x85é'), max_size=8)


@given(texts)
def test_each_encoding_with_a_mark_gives_the_text_without_the_mark(text: str) -> None:
    assert decoded(text.encode()) == text
    for name, mark in MARKED.items():
        encoding = name.removesuffix("-sig")
        assert decoded(mark + text.encode(encoding)) == text


@pytest.mark.parametrize(
    "data",
    [b"caf\xe9", b"\xff\xfea", b"a\0b", "a".encode("utf-16-le"), bytes(range(256)), b"PK\x03\x04\x14\0\0\0\x08\0"],
)
def test_other_bytes_are_no_text(data: bytes) -> None:
    with pytest.raises(NotText, match="Save it"):
        decoded(data)


def test_the_lines_of_every_system_end_alike(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"\xef\xbb\xbfa\r\nb\rc\n\xe2\x80\xa8d")
    assert read_text(path) == "a\nb\nc\n\u2028d"


@given(st.lists(st.lists(cells, min_size=2, max_size=2), max_size=5), st.sampled_from(",;\t|"), st.booleans())
def test_records_and_their_lines(rows: list[list[str]], delimiter: str, named: bool) -> None:
    """Whatever the delimiter is, the records come back, each with the line of the file on which it begins."""
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=delimiter, lineterminator="\r\n", quoting=csv.QUOTE_ALL)
    text, expected = f"sep={delimiter}\r\n" if named else "", []
    for row in [["raw_value", "lead_source"], *rows]:
        file.seek(0)
        file.truncate()
        writer.writerow(row)
        line = len(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"))
        expected.append((line, row))
        text += file.getvalue()
    assert list(csv_records(text, ["raw_value", "lead_source"])) == expected


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("content_id;title,topics\n", ["content_id", "title,topics"]),
        ("content_id,title;topics\n", ["content_id", "title;topics"]),
        ('"sep=;"\ncontent_id;a\n', ["content_id", "a"]),
        ("sep=;;;\ncontent_id;a\n", ["content_id", "a"]),
        ("SEP=\t\r\ncontent_id\ta\r\n", ["content_id", "a"]),
        ("nothing;that,is\tknown\n", ["nothing;that", "is\tknown"]),
    ],
)
def test_the_delimiter_is_the_one_that_names_known_columns(text: str, header: list[str]) -> None:
    assert next(csv_records(text, ["content_id"]))[1] == header


@pytest.mark.parametrize(("text", "line"), [('a,b\n1,2\n"3,4\n5,6\n', 3), ('a,b\n"1\n2",3\n"4"5,6\n', 4)])
def test_a_record_that_is_no_csv_is_named_by_its_first_line(text: str, line: int) -> None:
    with pytest.raises(NotCsv) as caught:
        list(csv_records(text, ["a", "b"]))
    assert caught.value.line == line


def test_an_empty_text_has_no_record() -> None:
    assert list(csv_records("", ["a"])) == []
    assert list(csv_records("sep=;\n", ["a"])) == []
