"""The dictionaries: for each, the columns of its table and the rows that it makes of distinct values.

A model with `config.meta.dictionary: <name>` in its yml selects one column `value`, without nulls and each value once.
Its table has that column and the columns of the dictionary, as text; the yml gives their types.
"""

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version

from zoho_pipeline.transform.dictionaries.hosts import family, site
from zoho_pipeline.transform.dictionaries.text import normal_text, plain_value, shown_text, url_decoded, words
from zoho_pipeline.transform.dictionaries.times import read_time
from zoho_pipeline.transform.dictionaries.urls import COMPARED, PARAMETERS, read_url
from zoho_pipeline.transform.dictionaries.zones import UTC_NAME, known_zones, zone_changes, zone_spans

Row = tuple[str | None, ...]
VALUE = "value"
_NO_PARAMETERS: Row = (None,) * (len(PARAMETERS) + len(COMPARED))


@dataclass(frozen=True)
class Dictionary:
    """`columns` come after `value`; `rows` makes any number of rows (value, columns…) of distinct values."""

    columns: tuple[str, ...]
    rows: Callable[[Iterable[str]], Iterator[Row]]


def rules_version() -> str:
    """The versions of the rules that other packages bring: suffixes of hosts, international hosts, characters."""
    return f"{version('publicsuffixlist')} {version('idna')} {unicodedata.unidata_version}"


def _normal_texts(values: Iterable[str]) -> Iterator[Row]:
    for value in values:
        yield value, shown_text(value) or None, normal_text(value) or None


def _parameter_texts(values: Iterable[str]) -> Iterator[Row]:
    for value in values:
        raw = shown_text(plain_value(value) or "")
        decoded = shown_text(url_decoded(raw))
        yield value, raw or None, decoded or None, normal_text(decoded) or None


def _url_texts(values: Iterable[str]) -> Iterator[Row]:
    for value in values:
        url = read_url(plain_value(value) or "")
        place = (url.host, url.page, url.path, site(url.host), family(url.host), url.click_id)
        parameters = _NO_PARAMETERS
        if url.parameters:
            shown = [url.parameters.get(name) for name in PARAMETERS]
            parameters = (*shown, *[text and normal_text(text) for text in shown[: len(COMPARED)]])
        yield value, *[part or None for part in place], *parameters


def _subject_words(values: Iterable[str]) -> Iterator[Row]:
    for value in values:
        yield value, words(value) or None


def _time_texts(values: Iterable[str]) -> Iterator[Row]:
    for value in values:
        time = read_time(value)
        utc, local = (at.isoformat(" ") if at else None for at in (time.utc, time.local))
        yield value, utc, local, "true" if time.is_impossible else "false"


def _zones(values: Iterable[str]) -> Iterator[Row]:
    for value in values:
        yield value, *((value, "true") if value in known_zones() else (UTC_NAME, "false"))


def _zone_changes(values: Iterable[str]) -> Iterator[Row]:
    for value in values:
        for change in zone_changes(value):
            yield value, change.at.isoformat(" "), str(change.seconds_before), str(change.seconds_after)


def _zone_spans(values: Iterable[str]) -> Iterator[Row]:
    for value in values:
        for span in zone_spans(value):
            yield value, str(span.year), span.start.isoformat(" "), span.end.isoformat(" "), str(span.seconds)


def _topics(values: Iterable[str]) -> Iterator[Row]:
    for value in values:
        shown = [text for piece in value.split("|") if (text := shown_text(piece)) and normal_text(text)]
        named = {normal_text(text): text for text in reversed(shown)}
        for normal, text in named.items():
            yield value, text, normal


DICTIONARIES: Mapping[str, Dictionary] = {
    "normal_text": Dictionary(("shown", "normal"), _normal_texts),
    "parameter_text": Dictionary(("raw", "shown", "normal"), _parameter_texts),
    "url": Dictionary(
        ("host", "page", "path", "site", "family", "click_id_kind", *PARAMETERS, *(f"{n}_normal" for n in COMPARED)),
        _url_texts,
    ),
    "subject_words": Dictionary(("words",), _subject_words),
    "time": Dictionary(("utc", "local", "is_impossible"), _time_texts),
    "zone": Dictionary(("timezone", "is_known"), _zones),
    "zone_changes": Dictionary(("changed_at", "seconds_before", "seconds_after"), _zone_changes),
    "zone_spans": Dictionary(("utc_year", "starts_at", "ends_at", "utc_offset_seconds"), _zone_spans),
    "topics": Dictionary(("topic", "normal"), _topics),
}
