"""Business hours in the form of Zoho, converted to seconds of the week; True marks the rest of a shift."""

from typing import Any

import pytest

from zoho_pipeline.ingest.convert.business_hours import intervals

NINE_TO_SIX = {
    "type": "custom",
    "same_as_everyday": True,
    "business_days": ["Monday"],
    "daily_timing": ["09:00", "18:00"],
}
OVERNIGHT = NINE_TO_SIX | {"business_days": ["Sunday"], "daily_timing": ["22:00", "02:00"]}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (NINE_TO_SIX, [(1, 32_400, 64_800, False)]),
        ({"type": "24_by_7"}, [(day, 0, 86_400, False) for day in range(1, 8)]),
        ({"type": "24_by_5", "business_days": ["Sunday", "Monday"]}, [(1, 0, 86_400, False), (7, 0, 86_400, False)]),
        (OVERNIGHT, [(1, 0, 7_200, True), (7, 79_200, 86_400, False)]),
        (
            {
                "type": "custom",
                "custom_timing": [
                    {"days": "Sunday", "business_timing": ["22:00", "10:00"]},
                    {"days": "Monday", "business_timing": ["09:00", "12:00"]},
                    {"days": "Monday", "business_timing": ["11:00", "15:00"]},
                ],
            },
            [(1, 0, 32_400, True), (1, 32_400, 54_000, False), (7, 79_200, 86_400, False)],
        ),
        (NINE_TO_SIX | {"daily_timing": ["18:00", "00:00"]}, [(1, 64_800, 86_400, False)]),
        (
            {"type": "custom", "custom_timing": [{"days": "Friday", "business_timing": ["10:30", "11:00"]}]},
            [(5, 37_800, 39_600, False)],
        ),
    ],
)
def test_business_hours_are_unrolled(document: dict[str, Any], expected: list[tuple[int, int, int, bool]]) -> None:
    assert intervals(document) == expected


@pytest.mark.parametrize("timing", [["09:00"], ["nine", "ten"], ["09:00", "25:00"]])
def test_invalid_hours_are_refused(timing: list[str]) -> None:
    with pytest.raises(ValueError):
        intervals(NINE_TO_SIX | {"daily_timing": timing})
