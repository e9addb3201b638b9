"""Normal URLs: which page a URL names, and the UTM parameters that it carries."""

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

import idna

from zoho_pipeline.transform.dictionaries.text import percent_decoded, shown_text, url_decoded

COMPARED = ("utm_source", "utm_medium", "utm_campaign", "utm_content", "utm_id")
"""The UTM parameters that are compared with others. `utm_term` is only shown."""
PARAMETERS = (*COMPARED, "utm_term")
CLICK_IDS = ("gclid", "gbraid", "wbraid", "msclkid", "fbclid", "li_fat_id", "ttclid")
"""In the order in which they count; `seed_click_ids` has the same order."""
AMPERSAND = re.compile(r"&(?:amp|#0*38|#x0*26);", re.IGNORECASE)
"""An ampersand as HTML writes it: people copy links from the source of a page."""
_P = "%(?:25)*"
AT_SIGN = re.compile(rf"[@＠﹫]|{_P}40|{_P}EF(?:{_P}BC{_P}A0|{_P}B9{_P}AB)", re.IGNORECASE)
"""The sign of an e-mail address, also a wide or a small one, and encoded more than once."""
_DEFAULT_PORTS = {"http": ("80",), "https": ("443",)}


class Url(NamedTuple):
    """The parts of a URL that are compared. Two URLs name one page if `page` is equal.

    Attributes:
        host: in lower case and as punycode, without `www.`, user and port. '' if the URL has none.
        page: host and path, decoded, without scheme, query, fragment and trailing slash. '' if there is no host.
        parameters: the decoded UTM parameters by name, without blank ones.
        path: the part of `page` after the host and port. '' for a start page.
        click_id: the first of CLICK_IDS that is not blank; '' if there is none.
    """

    host: str
    page: str
    parameters: dict[str, str]
    path: str
    click_id: str


def is_like_an_address(word: str) -> bool:
    """Whether there is something before an at sign and after it: a page may have an e-mail address in its URL.

    The time grows with the length and no faster: one expression for the whole address took 0.6 s for a hostile body.
    """
    found = AT_SIGN.search(word, 1)
    return found is not None and found.end() < len(word)


def read_url(text: str) -> Url:
    """The parts of a URL. Any text is accepted; one without a host has none."""
    text = shown_text(text)
    if ";" in text:
        text = AMPERSAND.sub("&", text)  # before the fragment is cut off: &#38; has a number sign in it
    before, _, fragment = text.partition("#")
    location, _, query = before.partition("?")
    host, page, path = _page(location)
    tracked = (_tracked(query) or _tracked(fragment)) if query or fragment else {}
    click_id = next((name for name in CLICK_IDS if name in tracked), "") if tracked else ""
    return Url(host, page, {name: tracked[name] for name in PARAMETERS if name in tracked}, path, click_id)


@lru_cache(maxsize=65_536)  # a million landing pages are a few thousand pages with a million queries
def _page(location: str) -> tuple[str, str, str]:
    """Host, host with path, and path.

    A scheme ends where the first slash begins, because a path may hold another address.
    """
    scheme, address = "", location
    colon = location.find("://")
    if location.startswith("//"):
        address = location[2:]
    elif colon > 0 and location.find("/") == colon + 1:
        scheme, address = location[:colon].lower(), location[colon + 3 :]
    authority, slash, path = address.partition("/")
    user, at, place = authority.rpartition("@")
    name, port = _host_and_port(place, scheme)
    if not name:
        return "", "", ""
    if "%" in path:
        path = percent_decoded(path)
    if not path.isascii():
        path = unicodedata.normalize("NFC", path)
    path = f"{slash}{path}".rstrip("/")
    return name, f"{user}{at}{name}{port}{path}", path


def _host_and_port(place: str, scheme: str) -> tuple[str, str]:
    """The host in normal form, and `:port` if that is not the default of the scheme."""
    name, colon, port = place, "", ""
    if ":" in place:
        before, _, after = place.rpartition(":")
        if not after or (after.isascii() and after.isdigit()):
            name, colon, port = before, ":", after.lstrip("0")
    if not port or port in _DEFAULT_PORTS.get(scheme, () if scheme else ("80", "443")):
        colon = port = ""
    return _host(name), colon + port


def _host(name: str) -> str:
    if "%" in name:
        name = percent_decoded(name)
    name = name.lower() if name.isascii() else _punycode(name)
    return name.removesuffix(".").removeprefix("www.")


def _punycode(name: str) -> str:
    """An international host name as DNS has it (IDNA 2008, mapped as UTS 46 says). A bad label is encoded too."""
    try:
        mapped = idna.uts46_remap(name, std3_rules=False)
    except idna.IDNAError:
        mapped = unicodedata.normalize("NFC", name.lower())
    return ".".join(label if label.isascii() else _label(label) for label in mapped.split("."))


def _label(label: str) -> str:
    try:
        return idna.alabel(label).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return "xn--" + label.encode("punycode").decode("ascii")


def _tracked(part: str) -> dict[str, str]:
    """Every UTM parameter and click id of a query or a fragment: the first of each name that is not blank.

    The fragment counts only if this is empty for the query.
    """
    found: dict[str, str] = {}
    if not part:
        return found
    for piece in part.replace("?", "&").split("&"):
        name, _, value = piece.partition("=")
        if value:
            name = (percent_decoded(name) if "%" in name else name).lower()
            if (name[:4] == "utm_" or name in CLICK_IDS) and name not in found:
                decoded = shown_text(url_decoded(value) if "%" in value or "+" in value else value)
                if decoded:
                    found[name] = decoded
    return found
