"""The map of a channel between the platform's words for a status and Zoho's, and what a word of a wish means."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoho_pipeline.settings import UsageError
from zoho_pipeline.zoho.connection.client import ZohoClient
from zoho_pipeline.zoho.read import metadata

LARGEST = 256 * 1024
LONGEST_WORD = 200
MOST_WORDS = 500
EMPTY = "-None-"
"""Zoho's word for an empty status. It reads back as empty, so it cannot be written as a status."""


@dataclass(frozen=True)
class StatusMap:
    """The words of both sides.

    Attributes:
        to_zoho: a word of the platform → the actual value of Zoho's picklist.
        from_zoho: an actual value → the platform's word for it. Several values may have one word.
    """

    to_zoho: Mapping[str, str]
    from_zoho: Mapping[str, str] = field(default_factory=dict)

    def outside(self, picklist: Collection[str]) -> list[str]:
        """The values of Zoho that the map names and the picklist does not have, each once."""
        named = (*self.to_zoho.values(), *self.from_zoho)
        return [value for value in dict.fromkeys(named) if value not in picklist]

    def to_write(self, word: str, picklist: Collection[str]) -> str | None:
        """The value that a word asks for; None: the word has none, or it left the picklist.

        A word of Zoho counts where the map has no such word of the platform.
        """
        value = self.to_zoho.get(word, word)
        return value if value in picklist else None

    def meant(self, word: str, picklist: Collection[str], shown: str | None) -> list[str]:
        """The values of Zoho that a user may have seen as this word; [] if there are none.

        Args:
            shown: the status that the lead has in the published marts. The user may have seen it as it is.
        """
        found = [self.to_zoho[word]] if word in self.to_zoho else []
        found += [value for value, name in self.from_zoho.items() if name == word]
        if not found and (word in picklist or word == shown):
            found = [word]
        return list(dict.fromkeys(found))

    def known_words(self, picklist: Collection[str]) -> list[str]:
        """Every word that a wish may have: those of the map, then those of Zoho's list."""
        good = [word for word, value in self.to_zoho.items() if value in picklist]
        return good + [value for value in picklist if value not in self.to_zoho]


def read_map(path: Path) -> StatusMap:
    """The map in a JSON file: {"to_zoho": {"contacted": "Contacted", …}, "from_zoho": {"Contacted": "contacted", …}}.

    Raises:
        UsageError: the file cannot be read, or has another form.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise UsageError(f"the map {path} has more than {LARGEST // 1024} KiB. A map has a few lines.")
        document = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_without_repeats)
    except OSError as error:
        raise UsageError(f"the map {path} cannot be read: {error.strerror or type(error).__name__}.") from None
    except RecursionError:
        raise UsageError(f"the map {path} is nested too deeply.") from None
    except ValueError as error:
        raise UsageError(f"the map {path} is no JSON document: {error}.") from None
    return _of_document(document, path)


def _without_repeats(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(n for n in names if names.count(n) > 1)!r} comes twice")
    return found


def _of_document(document: Any, path: Path) -> StatusMap:
    form = 'Its form is {"to_zoho": {"contacted": "Contacted"}, "from_zoho": {"Contacted": "contacted"}}.'
    if not isinstance(document, dict) or "to_zoho" not in document:
        raise UsageError(f"the map {path} has no object to_zoho. {form}")
    if unknown := sorted(set(document) - {"to_zoho", "from_zoho"}):
        raise UsageError(f"the map {path} has an unknown part {unknown[0]!r}. {form}")
    parts = {name: document.get(name, {}) for name in ("to_zoho", "from_zoho")}
    for name, part in parts.items():
        if not isinstance(part, dict) or not all(_is_word(w) for pair in part.items() for w in pair):
            raise UsageError(
                f"{name} of the map {path} is no object of texts with 1 to {LONGEST_WORD} characters. {form}"
            )
        if len(part) > MOST_WORDS:
            raise UsageError(f"{name} of the map {path} has more than {MOST_WORDS} words.")
    if not parts["to_zoho"]:
        raise UsageError(f"to_zoho of the map {path} is empty. {form}")
    return StatusMap(parts["to_zoho"], parts["from_zoho"])


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= LONGEST_WORD and value.isprintable() and value.strip() == value


def read_picklist(client: ZohoClient) -> list[str]:
    """The statuses of leads that Zoho's list has: actual values of type `used`, in Zoho's order. It costs one credit.

    Raises:
        ZohoError: Zoho does not answer, or the scope of the fields is missing.
    """
    for meta in metadata.fields(client, "Leads"):
        if meta.api_name == "Lead_Status":
            values = [pick.actual_value for pick in meta.pick_list_values if pick.used]
            return [value for value in dict.fromkeys(values) if value and value != EMPTY]
    return []
