"""Which field of a lead holds what: UTM fields are custom fields, and each org gives them its own names.

A field is found by its API name or its label. Case, separators, digits at the end and `__c` do not matter. The
fields of `channels set --field-map` win.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Literal

from zoho_pipeline.channels.settings.setting_files import FIELD_KEYS

OTHER_NAMES: Mapping[str, tuple[str, ...]] = {
    "utm_campaign": ("utmcampaignname",),
    "utm_term": ("utmkeyword",),
    "utm_id": ("utmcampaignid",),
    "activity_id": ("sourceactivityid", "contentactivityid"),
    "landing_url": ("landingpageurl", "landingpage", "landingpagelink"),
    "referrer": ("referer", "referrerurl", "refererurl", "httpreferrer", "httpreferer", "referringurl"),
    "first_visited_url": ("firstvisitedpage", "firstpagevisited"),
    "first_visited_time": ("firstvisitedat",),
    "gclid": ("googleclickid",),
    "msclkid": ("microsoftclickid", "bingclickid"),
    "fbclid": ("facebookclickid",),
    "li_fat_id": ("linkedinclickid",),
    "ttclid": ("tiktokclickid",),
}
"""The normalised names, beside its own, by which the field of a key is found; the most precise ones come first."""

Basis = Literal["found", "set"]
_SUFFIX = re.compile(r"(?:__[cs])?$", re.IGNORECASE)


def normalised(name: str) -> str:
    """`UTM_Source1` → `utmsource`, `Landing Page URL` → `landingpageurl`, `utm_id__c` → `utmid`."""
    plain = re.sub(r"[\W_]+", "", _SUFFIX.sub("", name.strip())).lower()
    return re.sub(r"\d+$", "", plain)


def discover(fields: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Field key → API name, from pairs of (API name, label). If the labels are unknown, give the API name twice.

    Among several candidates, the order is: the more precise name, the API name before the label, a name without digits
    at the end, Zoho's order.
    """
    pairs = [(api_name, normalised(api_name), normalised(label)) for api_name, label in fields]
    found: dict[str, str] = {}
    for key in FIELD_KEYS:
        names = (normalised(key), *OTHER_NAMES.get(key, ()))
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
    """Field key → (API name, basis). A key that a person set wins; an empty value switches a key off."""
    result: dict[str, tuple[str, Basis]] = {key: (name, "found") for key, name in found.items()}
    for key, name in chosen.items():
        if name:
            result[key] = (name, "set")
        else:
            result.pop(key, None)
    return result
