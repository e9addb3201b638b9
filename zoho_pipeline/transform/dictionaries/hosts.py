"""Who a host belongs to: its registrable domain, by the public suffix list that the package publicsuffixlist brings.

`a.acme.co.uk` belongs to acme.co.uk, and not to co.uk. See docs/decisions/0018-hosts-by-the-public-suffix-list.md.
"""

import re
from functools import cache, lru_cache

from publicsuffixlist import PublicSuffixList

_NUMBER_AT_THE_END = re.compile(r"(?:^|\.)[0-9]+$")


@cache
def _registered() -> PublicSuffixList:
    """With private suffixes: a.github.io and b.github.io belong to two companies."""
    return PublicSuffixList()


@cache
def _countries() -> PublicSuffixList:
    """Only suffixes of registries that DNS knows: google.github.io is no site of Google. An unknown one is none."""
    return PublicSuffixList(only_icann=True, accept_unknown=False)


@lru_cache(maxsize=65_536)
def site(host: str) -> str:
    """The registrable domain of a host in punycode: `acme.co.uk` for `www.acme.co.uk`.

    An address, a name without a dot and a public suffix are sites of their own. '' for ''.
    """
    if "." not in host or ":" in host or _NUMBER_AT_THE_END.search(host):
        return host
    return _registered().privatesuffix(host) or host


@lru_cache(maxsize=65_536)
def family(host: str) -> str:
    """The name before the public suffix: `google` for `news.google.co.in`. '' if the host has no known suffix."""
    if "." not in host or ":" in host:
        return ""
    domain = _countries().privatesuffix(host)
    return domain.partition(".")[0] if domain else ""
