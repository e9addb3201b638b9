"""Writes an answer as CSV. The rules of a line are in `csv_lines`."""

from codecs import BOM_UTF8
from pathlib import Path

from zoho_pipeline.exports.answer import Answer, text_of
from zoho_pipeline.transform import csv_lines


def write_csv(path: Path, answer: Answer, *, for_spreadsheet: bool = False) -> int:
    """Write the file, and return the number of its rows.

    Args:
        for_spreadsheet: begin with a byte order mark, by which Excel knows UTF-8, and put `'` before texts that Excel
            would compute. Then the texts are not exact.
    """
    rows = 0
    with path.open("wb") as stream:
        for place, table in enumerate(answer.tables):
            if place == 0:
                stream.write(BOM_UTF8 if for_spreadsheet else b"")
                stream.write(csv_lines.header(table.column_names, for_spreadsheet=for_spreadsheet))
            stream.write(csv_lines.lines(table, for_spreadsheet=for_spreadsheet, other=text_of))
            rows += len(table)
    return rows
