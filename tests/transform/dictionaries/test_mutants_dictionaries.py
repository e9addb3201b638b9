"""Mutants of the dictionaries: a wrong copy of a module must fail an example."""
# ruff: noqa: E501 (tables)

from pathlib import Path

import pytest

from tests.transform.dictionaries.examples import EXAMPLES, results
from zoho_pipeline.transform import dictionaries

FOLDER = Path(dictionaries.__file__).parent
MUTANTS = {
    "lower instead of folded": ("text.py", ".casefold()", ".lower()"),
    "not composed": ("text.py", '" ".join(unicodedata.normalize("NFC", folded).split())', '" ".join(folded.split())'),
    "format characters stay": ("text.py", 'unicodedata.category(c) != "Cf")', "True)"),
    "joiners are dropped": ("text.py", "c.isascii() or c in _JOINERS or", "c.isascii() or"),
    "joiners stay at the ends": ("text.py", 'return shown_text(" ".join(', 'return (" ".join('),
    "inner blanks stay": ("text.py", 'return " ".join(text.split()).lower()', "return text.strip().lower()"),
    "shown in lower case": ("text.py", "return stripped[start:end]", "return stripped[start:end].lower()"),
    "signs belong to words": ("text.py", 'c if _is_of_a_word(c) else " "', "c"),
    "marks end words": ("text.py", 'or unicodedata.category(character)[0] == "M"', ""),
    "underscores belong to words": ("text.py", "[^a-z0-9]+", "[^a-z0-9_]+"),
    "the first of a multi-select": ("text.py", '";".join(str(name) for name in names if name is not None)', "names[0]"),
    "the id of a lookup": ("text.py", 'lookup.get("name")', 'lookup.get("id")'),
    "decoded once": ("text.py", 'if "%" in decoded:\n            decoded', 'if "%" not in decoded:\n            decoded'),
    "decoded for ever": ("text.py", 'if "%" in decoded:\n            decoded', 'while "%2" in decoded:\n            decoded'),
    "plus stays": ("text.py", 'text.replace("+", " ")', "text"),
    "plus decoded again": ("text.py", "            decoded = percent_decoded(decoded)\n    return", '            decoded = percent_decoded(decoded).replace("+", " ")\n    return'),
    "bad bytes in small letters": ("text.py", ":02X}", ":02x}"),
    "NUL decoded": ("text.py", 'c == "\\0" or ', ""),
    "www stays": ("urls.py", '.removeprefix("www.")', ""),
    "the dot of the host stays": ("urls.py", '.removesuffix(".")', ""),
    "any default port": ("urls.py", "_DEFAULT_PORTS.get(scheme, () if scheme else ", "_DEFAULT_PORTS.get('', "),
    "no default port without a scheme": ("urls.py", '() if scheme else ("80", "443")', "()"),
    "zeros of the port stay": ("urls.py", 'after.lstrip("0")', "after"),
    "hosts keep their letters": ("urls.py", "name.lower() if name.isascii() else _punycode(name)", "name.lower()"),
    "paths stay escaped": ("urls.py", "path = percent_decoded(path)", "pass"),
    "plus is a blank in paths": ("urls.py", "path = percent_decoded(path)", "path = url_decoded(path)"),
    "paths stay decomposed": ("urls.py", 'path = unicodedata.normalize("NFC", path)', "pass"),
    "paths in lower case": ("urls.py", '.rstrip("/")', '.rstrip("/").lower()'),
    "a slash at the end counts": ("urls.py", '.rstrip("/")', ""),
    "a scheme anywhere": ("urls.py", 'colon > 0 and location.find("/") == colon + 1', "colon > 0"),
    "ampersands as they are": ("urls.py", 'AMPERSAND.sub("&", text)', "text"),
    "no zero in an ampersand": ("urls.py", "#0*38", "#38"),
    "parameters not anchored": ("urls.py", 'name[:4] == "utm_"', '"utm_" in name'),
    "parameters by case": ("urls.py", 'if "%" in name else name).lower()', 'if "%" in name else name)'),
    "the last parameter": ("urls.py", " and name not in found:", ":"),
    "a blank parameter hides the next": ("urls.py", "                if decoded:\n", "                if True:\n"),
    "fragments not read": ("urls.py", "(_tracked(query) or _tracked(fragment))", "_tracked(query)"),
    "fragments always read": ("urls.py", "(_tracked(query) or _tracked(fragment))", "{**_tracked(fragment), **_tracked(query)}"),
    "no terms": ("urls.py", '(*COMPARED, "utm_term")', "COMPARED"),
    "the last click id": ("urls.py", "for name in CLICK_IDS if name in tracked", "for name in CLICK_IDS[::-1] if name in tracked"),
    "click ids in the order of the URL": ("urls.py", "for name in CLICK_IDS if name in tracked", "for name in tracked if name in CLICK_IDS"),
    "other click ids": ("urls.py", "name in CLICK_IDS) and", 'name.endswith("clid")) and'),
    "the port in the path": ("urls.py", "{port}{path}\", path", "{port}{path}\", port + path"),
    "all suffixes are of registries": ("hosts.py", "    return PublicSuffixList()", "    return PublicSuffixList(only_icann=True)"),
    "families of private suffixes": ("hosts.py", "only_icann=True, accept_unknown", "accept_unknown"),
    "families of unknown suffixes": ("hosts.py", "only_icann=True, accept_unknown=False", "only_icann=True"),
    "the last two labels are the site": ("hosts.py", "_registered().privatesuffix(host) or host", '".".join(host.split(".")[-2:])'),
    "a suffix is no site": ("hosts.py", "_registered().privatesuffix(host) or host", '_registered().privatesuffix(host) or ""'),
    "addresses have suffixes": ("hosts.py", " or _NUMBER_AT_THE_END.search(host)", ""),
    "families by their first label": ("hosts.py", 'domain.partition(".")[0] if domain', 'host.partition(".")[0] if domain'),
    "years from 1": ("times.py", "instant.year < FIRST_YEAR", "instant.year < 1"),
    "offsets ignored": ("times.py", "instant.astimezone(UTC).replace(tzinfo=None)", "instant.replace(tzinfo=None)"),
    "impossible is no time": ("times.py", "except (ValueError, OverflowError):\n        return TimeText(is_impossible=True)", "except (ValueError, OverflowError):\n        return TimeText()"),
}  # fmt: skip


def _functions(mutated: str, right: str, mutant: str) -> dict[str, object]:
    """The functions of the modules, with one text of one file replaced; the modules see each other's wrong copies."""
    found: dict[str, object] = {"__name__": "mutant"}
    for file in ("text.py", "urls.py", "hosts.py", "times.py"):
        source = (FOLDER / file).read_text(encoding="utf-8")
        if file == mutated:
            assert source.count(right) >= 1, f"{file} no longer contains {right!r}"
            source = source.replace(right, mutant)
        own = "from zoho_pipeline.transform.dictionaries.text import"
        lines = [line for line in source.splitlines() if not line.startswith(own)]
        exec(compile("\n".join(lines), file, "exec"), found)
    return found


def _wrong(functions: dict[str, object]) -> bool:
    for name, pairs in EXAMPLES.items():
        try:
            if results(name, functions) != [expected for _, expected in pairs]:
                return True
        except (ValueError, UnicodeError, IndexError, TypeError):
            return True
    return False


def test_the_right_modules_fail_no_example() -> None:
    assert not _wrong(_functions("", "", ""))


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mistake_fails_an_example(name: str) -> None:
    assert _wrong(_functions(*MUTANTS[name]))
