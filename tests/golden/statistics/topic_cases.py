"""Topics worked by hand: channel → (leads, deals, smallest size of a test, topics), and what the test must say."""

from dataclasses import dataclass
from fractions import Fraction

import pyarrow as pa

Topics = dict[str, tuple[int, int]]
"""Topic → (leads, deals)."""


@dataclass(frozen=True)
class Case:
    """A channel with `leads` matured leads, `deals` of which have a deal (None: Deals cannot be read).

    `p` and `strong` are what a person expects; `p` leaves out topics that are not tested.
    """

    leads: int
    deals: int | None
    topics: Topics
    p: dict[str, Fraction]
    strong: frozenset[str] = frozenset()
    min_leads: int = 3


F = Fraction
CASES = {
    # of the 20 ways to draw 3 of 6 leads, one has all three deals: p is the limit of 5 % itself
    "one_topic_at_the_limit": Case(6, 3, {"t": (3, 3)}, {"t": F(1, 20)}, frozenset("t")),
    # the same p, but two topics were tested: the limit is 2.5 %
    "two_topics_halve_the_limit": Case(6, 3, {"t": (3, 3), "u": (3, 0)}, {"t": F(1, 20), "u": F(1)}),
    # the two deals are one of the 120 pairs of 16 leads, and 3 of them lie in the topic: 3/120 is the limit again
    "two_topics_at_the_limit": Case(
        16, 2, {"t": (3, 2), "u": (3, 0)}, {"t": F(1, 40), "u": F(1)}, frozenset("t")
    ),
    # an untested topic has no p, and takes no part in the number of tests
    "too_few_leads": Case(6, 3, {"t": (3, 3), "small": (2, 2)}, {"t": F(1, 20)}, frozenset("t")),
    "smallest_size": Case(6, 3, {"t": (3, 3)}, {"t": F(1, 20)}, frozenset("t"), min_leads=3),
    "one_lead_is_a_test": Case(4, 1, {"t": (1, 1), "none": (0, 0)}, {"t": F(1, 4)}, min_leads=1),
    "no_smallest_size": Case(4, 1, {"t": (1, 1), "none": (0, 0)}, {"t": F(1, 4)}, min_leads=0),
    # nobody has a deal, all have one, the topic has none, the topic is the whole channel
    "no_deals": Case(6, 0, {"t": (3, 0)}, {"t": F(1)}),
    "all_deals": Case(6, 6, {"t": (3, 3)}, {"t": F(1)}),
    "no_deals_in_topic": Case(6, 2, {"t": (3, 0)}, {"t": F(1)}),
    "the_whole_channel": Case(9, 3, {"t": (9, 3)}, {"t": F(1)}),
    # 5 of 6 leads with 4 deals have 3 or 4 of them, never fewer; C(4,4) C(2,1) / C(6,5) = 1/3
    "the_rest_is_too_small_for_zero": Case(6, 4, {"t": (5, 3), "u": (5, 4)}, {"t": F(1), "u": F(1, 3)}),
    "a_full_cell": Case(8, 4, {"t": (4, 4)}, {"t": F(1, 70)}, frozenset("t")),
    "worse_than_the_rest": Case(8, 4, {"t": (4, 1)}, {"t": F(69, 70)}),
    "deals_unreadable": Case(6, None, {"t": (3, 0)}, {}),
    # Holm, 20 leads with 6 deals: p = 0.0139 and 0.0374 are at most 2.5 % and 5 %; Bonferroni would refuse the second
    "holm_goes_on": Case(20, 6, {"a": (5, 4), "b": (6, 4)}, {"a": F(216, 15504), "b": F(1450, 38760)}, frozenset("ab")),
    # p = 0.0374 and 0.0379: the first is above 2.5 %, so that the second is not asked, though it is below 5 %
    "holm_stops": Case(20, 6, {"a": (6, 4), "b": (9, 5)}, {"a": F(1450, 38760), "b": F(147, 3876)}),
    # equal p stand and fall together, here 1/57 = 0.0175: at most 2.5 %, and 5 %
    "a_strong_tie": Case(20, 6, {"a": (3, 3), "b": (3, 3)}, {"a": F(1, 57), "b": F(1, 57)}, frozenset("ab")),
    # of three, 1.67 % is the first limit, and both are above it
    "a_weak_tie": Case(
        20, 6, {"a": (3, 3), "b": (3, 3), "c": (3, 0)}, {"a": F(1, 57), "b": F(1, 57), "c": F(1)}
    ),
    # far less likely than any number that a double can hold: 0 to twelve decimals, and no engine fails on it
    "far_out": Case(100_000, 1_000, {"t": (1_000, 1_000)}, {"t": F(0)}, frozenset("t")),
}  # fmt: skip
"""Each channel has its own numbers; two have topics of equal size, so that nothing may mix them."""


def topic_tables(cases: dict[str, Case]) -> dict[str, pa.Table]:
    """Return what metric_topic_tests reads."""
    topics = [(key, name, n, x) for key, case in cases.items() for name, (n, x) in case.topics.items()]
    channels, names, sizes, deals = zip(*topics, strict=True)
    keys = list(cases)
    return {
        "metric_topic_counts": pa.table(
            {
                "channel_id": pa.array(channels),
                "topic": pa.array(names),
                "n_leads": pa.array(sizes, pa.int64()),
                "n_converted": pa.array(deals, pa.int64()),
            }
        ),
        "metric_matured_counts": pa.table(
            {
                "channel_id": pa.array(keys),
                "n_leads": pa.array([case.leads for case in cases.values()], pa.int64()),
                "n_converted": pa.array([case.deals for case in cases.values()], pa.int64()),
            }
        ),
        "int_parameters": pa.table(
            {
                "channel_id": pa.array(keys),
                "topic_min_leads": pa.array([case.min_leads for case in cases.values()], pa.int64()),
            }
        ),
    }
