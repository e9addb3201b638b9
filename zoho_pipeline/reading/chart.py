"""A small bar chart as a PNG, written with only the standard library."""

import base64
import struct
import zlib
from collections.abc import Sequence

HEIGHT, BAR_WIDTH, GAP_WIDTH = 96, 24, 6
"""Pixels."""
BAR_COLOUR, PALE_COLOUR, BACKGROUND, BASE_LINE = b"\x2f\x6f\xb3", b"\xa9\xc6\xe6", b"\xff\xff\xff", b"\x8a\x8a\x8a"


def bars(counts: Sequence[int], *, pale_last: bool = False) -> str:
    """A chart of counts as a `data:image/png` URI: bars on a base line, from 0 to the largest count.

    Args:
        pale_last: draw the last bar paler, because its count still grows.
    """
    top = max(counts, default=0)
    heights = [max(1, round((HEIGHT - 1) * count / top)) if count else 0 for count in counts]
    colours = [PALE_COLOUR if pale_last and place == len(counts) - 1 else BAR_COLOUR for place in range(len(counts))]
    rows = [_row(line, heights, colours) for line in range(HEIGHT - 1, 0, -1)]
    width = len(rows[0]) // 3
    png = _png(width, [*rows, BASE_LINE * width])
    return "data:image/png;base64," + base64.b64encode(png).decode()


def _row(line: int, heights: Sequence[int], colours: Sequence[bytes]) -> bytes:
    """One line of pixels, `line` pixels above the base line."""
    parts = [
        (colour if height >= line else BACKGROUND) * BAR_WIDTH for height, colour in zip(heights, colours, strict=True)
    ]
    return BACKGROUND * GAP_WIDTH + b"".join(part + BACKGROUND * GAP_WIDTH for part in parts)


def _png(width: int, rows: Sequence[bytes]) -> bytes:
    """A PNG of 8-bit RGB rows without a filter, as https://www.w3.org/TR/png-3/ defines it."""
    header = struct.pack(">IIBBBBB", width, len(rows), 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\x00" + row for row in rows), 9)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
