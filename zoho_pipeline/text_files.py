"""Text files that people make, on any system: their encoding, and CSV with the lines of the file.

Windows writes UTF-16 (Notepad's "Unicode", `>` of PowerShell) and puts a byte order mark before UTF-8. Excel separates
by semicolons where the comma is the decimal sign, and understands a first line `sep=;`.
"""

import codecs
import csv
import io
import re
from collections.abc import Collection, Iterator
from pathlib import Path

DELIMITERS = (",", ";", "\t", "|")

csv.field_size_limit(1 << 30)
"""Python refuses a field of more than 131,072 characters. The file is in memory as a whole, so it is no protection."""
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16: its mark begins with the mark of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?[ ,;\t|]*(?:\r\n|\r|\n|$)', re.IGNORECASE)


class NotText(ValueError):
    """The bytes are no text in an encoding that we know. The message goes on after the name of the file."""


class NotCsv(ValueError):
    """The text is no CSV.

    Attributes:
        line: the 1-based line of the file where the wrong record begins.
    """

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line


def decoded(data: bytes) -> str:
    """The text of a file without its byte order mark: UTF-8, or UTF-16 and UTF-32 with a mark. Line ends stay.

    Raises:
        NotText: it is something else, such as a binary file or an ANSI text with accents.
    """
    mark, encoding = next((found for found in _MARKS if data.startswith(found[0])), (b"", "utf-8"))
    try:
        text = data[len(mark) :].decode(encoding)
    except UnicodeDecodeError:
        raise NotText("is not UTF-8 text. Save it in UTF-8.") from None
    if "\0" in text:
        raise NotText("is not a text file. Save it as text in UTF-8.")
    return text


def read_text(path: Path) -> str:
    r"""The text of a file, with `\n` at the end of each line. NotText: see `decoded`. OSError: it cannot be read."""
    return re.sub("\r\n?", "\n", decoded(path.read_bytes()))


def csv_records(text: str, known: Collection[str] = ()) -> Iterator[tuple[int, list[str]]]:
    """The records of a CSV, each with the 1-based line on which it begins. A record may have several lines.

    Args:
        text: with the line ends of the file.
        known: names that the header can have. They decide between the delimiters.

    Raises:
        NotCsv: a quote has no end, or text follows a closing quote.
    """
    given = _SEPARATOR_LINE.match(text)
    delimiter = given.group(1) if given else _delimiter(text, known)
    begin = given.end() if given else 0
    reader = csv.reader(io.StringIO(text[begin:], newline=""), delimiter=delimiter, strict=True)
    before = 1 if given else 0
    while True:
        line = before + reader.line_num + 1
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise NotCsv(line, str(error)) from None
        yield line, record


def _delimiter(text: str, known: Collection[str]) -> str:
    """The delimiter with which the header names most of the known columns; a comma where none does better."""
    names = {name.lower() for name in known}

    def score(delimiter: str) -> tuple[int, int]:
        try:
            reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
            header = [cell.strip().lower() for cell in next(reader, [])]
        except csv.Error:
            return 0, 0
        return len(names.intersection(header)), 0 if names else len(header)

    return max(DELIMITERS, key=score)
