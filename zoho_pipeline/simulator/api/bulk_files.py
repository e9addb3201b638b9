"""The file of a Bulk Read job: one CSV in a ZIP, and the ways in which it can be damaged (switch `bulk_damage`)."""

import csv
import gzip
import io
import json
import struct
import zipfile
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from zoho_pipeline.simulator.clock import ZoneFormat
from zoho_pipeline.simulator.query.columns import Column
from zoho_pipeline.simulator.state.store import Row
from zoho_pipeline.simulator.wire import SimulatorError

Garbled = dict[str, dict[str, bytes]]
_HTML = b'<!DOCTYPE html>\n<html><body><h1>We are sorry, "this" file</h1></body></html>\n'


def archive(job_id: str, text: str, damage: str = "") -> bytes:
    """The ZIP of a job. `damage` is one of DAMAGES; '' means a good file."""
    if damage and damage not in DAMAGES:
        raise SimulatorError(f"unknown damage {damage}; the damages are: {', '.join(DAMAGES)}")
    name, body = f"{job_id}.csv", text.encode("utf-8", "surrogatepass")
    if damage == "not_zipped":
        return body
    body = _OF_CSV[damage](body) if damage in _OF_CSV else body
    packed = _zip(*(_OF_FILES[damage](name, body) if damage in _OF_FILES else [(name, body)]))
    return _OF_ZIP[damage](packed) if damage in _OF_ZIP else packed


def csv_text(columns: Sequence[Column], rows: Sequence[Row], zone: ZoneFormat, garbled: Garbled | None = None) -> str:
    """The CSV of a job: `Id` is the first column, lookups are ids, booleans are words, null is empty text.

    `garbled` are the values that show something else than the stored value, as raw JSON.
    """
    shown = [column for column in columns if column.path not in ("id", "Id")]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["Id", *(column.path for column in shown)])
    cells = [_cell(column, zone) for column in shown]
    for row in rows:
        values = [cell(row) for cell in cells]
        for path, raw in (garbled or {}).get(row["id"], {}).items():
            values = [_plain(raw) if c.path == path else v for c, v in zip(shown, values, strict=True)]
        writer.writerow([row["id"], *values])
    return out.getvalue()


def _plain(raw: bytes) -> str:
    """A raw piece of JSON as the CSV has it: a text without its quotes."""
    text = raw.decode("utf-8", "surrogateescape")
    return str(json.loads(text, strict=False)) if text.startswith('"') else text


def _cell(column: Column, zone: ZoneFormat) -> Callable[[Row], Any]:
    get, kind = column.get, column.field.type
    if column.is_lookup:
        return lambda row: "" if (value := get(row)) is None else value[0]
    if kind == "datetime":
        return lambda row: "" if (value := get(row)) is None else zone(value)
    if kind == "boolean":
        return lambda row: "true" if get(row) else "false"
    if kind == "tag":
        return lambda row: ",".join(tag["name"] for tag in get(row) or ())
    if kind == "multiselectpicklist":
        return lambda row: ";".join(get(row) or ())
    if kind == "participants":
        return lambda row: "" if (value := get(row)) is None else orjson.dumps(value).decode()
    return get


def _zip(*files: tuple[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        for name, body in files:
            file.writestr(name, body)
    return packed.getvalue()


def _patched(packed: bytes, local: int, central: int, value: int, width: str) -> bytes:
    """Another value in the header of the first file, and in the list of files. The offsets are those of the format."""
    changed = bytearray(packed)
    struct.pack_into(width, changed, local, value)
    struct.pack_into(width, changed, packed.index(b"PK\1\2") + central, value)
    return bytes(changed)


def _lines(body: bytes, change: Callable[[list[bytes]], list[bytes]]) -> bytes:
    return b"\n".join(change(body.splitlines())) + b"\n"


def _spoilt(packed: bytes) -> bytes:
    """Other bytes in the middle of the packed data."""
    end = packed.index(b"PK\1\2")
    middle = (30 + end) // 2
    return packed[:middle] + b"\0\xff\0" + packed[middle + 3 :]


def _html_inside(body: bytes) -> bytes:
    lines = body.splitlines()
    return b"\n".join([*lines[:2], *_HTML.splitlines(), *lines[2:]]) + b"\n"


def _first_row(body: bytes, old: bytes, new: bytes) -> bytes:
    header, row, *others = body.splitlines()
    return b"\n".join([header, row.replace(old, new, 1), *others]) + b"\n"


def _without_ids(body: bytes) -> bytes:
    header, *rows = body.splitlines()
    return b"\n".join([header, *(b"," + row.partition(b",")[2] for row in rows)]) + b"\n"


_OF_CSV: dict[str, Callable[[bytes], bytes]] = {
    "cut_csv": lambda body: body[: len(body) * 2 // 3],
    "html": lambda body: body[:0] + _HTML,
    "html_inside": _html_inside,
    "stray_quote": lambda body: _first_row(body, b",", b',"'),
    "more_cells": lambda body: body + b"4876876000000999999" + b"," * 999 + b"\n",
    "fewer_cells": lambda body: body + b"4876876000000999999\n",
    "no_header": lambda body: body.partition(b"\n")[2],
    "double_header": lambda body: body.replace(b"Id,", b"Id,Id,", 1),
    "other_column": lambda body: body.replace(b"\n", b"_of_another_module\n", 1),
    "no_ids": _without_ids,
    "minus_id": lambda body: body.replace(b"\n4", b"\n-4", 1),
    "letter_id": lambda body: body.replace(b"\n4", b"\nx4", 1),
    "nul_id": lambda body: body.replace(b"\n4", b"\n4\0", 1),
    "odd_id": lambda body: body.replace(b"\n4", b"\n<4", 1),
    "utf16": lambda body: body.decode("utf-8", "replace").encode("utf-16"),
    "empty_csv": lambda body: body[:0],
    "long_line": lambda body: body + b"x" * (40 << 20),
    "bomb": lambda body: body + b"\n" * (64 << 20),
}
_OF_ZIP: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda packed: packed[: len(packed) * 2 // 3],
    "cut_end": lambda packed: packed[:-10],
    "empty": lambda packed: packed[:0],
    "gzipped": gzip.compress,
    "zip_in_zip": lambda packed: _zip(("result.zip", packed)),
    "encrypted": lambda packed: _patched(packed, 6, 8, 1, "<H"),
    "odd_compression": lambda packed: _patched(packed, 8, 10, 99, "<H"),
    "wrong_compression": lambda packed: _patched(packed, 8, 10, zipfile.ZIP_LZMA, "<H"),
    "wrong_checksum": lambda packed: _patched(packed, 14, 16, 7, "<I"),
    "wrong_size": lambda packed: _patched(packed, 22, 24, 20, "<I"),
    "spoilt_data": _spoilt,
}
_OF_FILES: dict[str, Callable[[str, bytes], list[tuple[str, bytes]]]] = {
    "no_file": lambda *_: [],
    "other_name": lambda _, body: [("read.me", body)],
    "other_job": lambda _, body: [("4876876000000000001.csv", body)],
    "other_job_in_folder": lambda _, body: [("result\\4876876000000000001.CSV", body)],
    "two_files": lambda name, body: [(name, body), ("more.csv", body)],
    "many_files": lambda name, body: [(name, body), *((f"{n:0250}.txt", b"") for n in range(5_000))],
}
DAMAGES = ("not_zipped", *_OF_CSV, *_OF_ZIP, *_OF_FILES)
"""The values of the switch `bulk_damage`. The names say what is wrong with the ZIP, with the CSV, or with its place."""
