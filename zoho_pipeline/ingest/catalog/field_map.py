"""Which field of a lead holds what: UTM fields are custom fields, and every org names them its own way.

A field is found by its API name or label, ignoring case, separators, trailing digits and `__c`; what
`channels set --field-map` says wins.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Literal

FIELD_KEYS: Mapping[str, tuple[str, ...]] = {
    "utm_source": ("utmsource",),
    "utm_medium": ("utmmedium",),
    "utm_campaign": ("utmcampaign", "utmcampaignname"),
    "utm_content": ("utmcontent",),
    "utm_term": ("utmterm", "utmkeyword"),
    "utm_id": ("utmid", "utmcampaignid"),
    "activity_id": ("activityid", "sourceactivityid", "contentactivityid"),
    "landing_url": ("landingurl", "landingpageurl", "landingpage", "landingpagelink"),
    "referrer": ("referrer", "referer", "referrerurl", "refererurl", "httpreferrer", "httpreferer", "referringurl"),
    "first_visited_url": ("firstvisitedurl", "firstvisitedpage", "firstpagevisited"),
    "first_visited_time": ("firstvisitedtime", "firstvisitedat"),
    "gclid": ("gclid", "googleclickid"),
}
"""The contract's keys, each with the normalised names it is found under, most telling first."""

Basis = Literal["found", "set"]
_SUFFIX = re.compile(r"(?:__[cs])?$", re.IGNORECASE)


def normalised(name: str) -> str:
    """`UTM_Source1` → `utmsource`, `Landing Page URL` → `landingpageurl`, `utm_id__c` → `utmid`."""
    plain = re.sub(r"[\W_]+", "", _SUFFIX.sub("", name.strip())).lower()
    return re.sub(r"\d+$", "", plain)


def discover(fields: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Field key → API name, from (API name, label) pairs; where labels are unknown give the name twice.

    Among several candidates: the better name, then the API name over the label, then a name without
    trailing digits, then Zoho's own order.
    """
    pairs = [(api_name, normalised(api_name), normalised(label)) for api_name, label in fields]
    found: dict[str, str] = {}
    for key, names in FIELD_KEYS.items():
        candidates = [
            (rank, name != by_name, api_name[-1:].isdigit(), order, api_name)
            for order, (api_name, by_name, by_label) in enumerate(pairs)
            for rank, name in enumerate(names)
            if name in (by_name, by_label)
        ]
        if candidates:
            found[key] = min(candidates)[-1]
    return found


def merged(found: Mapping[str, str], chosen: Mapping[str, str]) -> dict[str, tuple[str, Basis]]:
    """Field key → (API name, basis); what was set by hand wins, an empty value switches a key off."""
    result: dict[str, tuple[str, Basis]] = {key: (name, "found") for key, name in found.items()}
    for key, name in chosen.items():
        if name:
            result[key] = (name, "set")
        else:
            result.pop(key, None)
    return result
