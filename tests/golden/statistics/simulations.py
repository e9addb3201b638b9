"""Random channels in which the truth is known, as tables for single models. Every seed gives the same channels."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from tests.golden.statistics.trend_cases import MONDAY, Observations

WEEK_SECONDS = 7 * 86_400


@dataclass(frozen=True)
class Market:
    """Channels with `leads` matured leads, `rate` of which get a deal, and topics of `size` leads on average.

    The first topic multiplies the rate of its leads by `effect`. All other topics make no difference. A lead has
    `topics_per_lead` topics, so that topics overlap.
    """

    topics: int
    leads: int
    rate: float
    effect: float = 1.0
    topics_per_lead: int = 1

    @property
    def size(self) -> float:
        return self.leads * self.topics_per_lead / self.topics


def topic_channels(market: Market, channels: int, seed: int) -> dict[str, pa.Table]:
    """Return what metric_topic_tests reads."""
    rng = np.random.default_rng(seed)
    sizes, deals, totals = [], [], []
    for _ in range(channels):
        topics = rng.integers(market.topics, size=(market.leads, market.topics_per_lead))
        chances = np.where((topics == 0).any(axis=1), market.rate * market.effect, market.rate)
        won = rng.random(market.leads) < chances
        # a lead that drew a topic twice counts once
        pairs = np.unique(np.arange(market.leads)[:, None] * market.topics + topics)
        lead, topic = pairs // market.topics, pairs % market.topics
        sizes.append(np.bincount(topic, minlength=market.topics))
        deals.append(np.bincount(topic, weights=won[lead], minlength=market.topics).astype(np.int64))
        totals.append(int(won.sum()))
    keys = np.array([f"c{number}" for number in range(channels)])
    names = np.array([f"t{number}" for number in range(market.topics)])
    return {
        "metric_topic_counts": pa.table(
            {
                "channel_id": pa.array(np.repeat(keys, market.topics)),
                "topic": pa.array(np.tile(names, channels)),
                "n_leads": pa.array(np.concatenate(sizes), pa.int64()),
                "n_converted": pa.array(np.concatenate(deals), pa.int64()),
            }
        ),
        "metric_matured_counts": pa.table(
            {
                "channel_id": pa.array(keys),
                "n_leads": pa.array([market.leads] * channels, pa.int64()),
                "n_converted": pa.array(totals, pa.int64()),
            }
        ),
        "int_parameters": pa.table(
            {"channel_id": pa.array(keys), "topic_min_leads": pa.array([5] * channels, pa.int64())}
        ),
    }


def week_channels(
    older: float, newer: float, dispersion: float, channels: int, seed: int, imported: int = 0
) -> dict[str, pa.Table]:
    """Return what metric_trends reads: weeks with these means, and a variance of `dispersion` times the mean.

    `imported` leads more come in one week of the eight.
    """
    rng = np.random.default_rng(seed)
    means = np.repeat([[older] * 4 + [newer] * 4], channels, axis=0)
    if dispersion > 1:  # a Poisson number of leads whose rate is gamma distributed
        means = rng.gamma(means / (dispersion - 1), dispersion - 1)
    counts = rng.poisson(means)
    counts[np.arange(channels), rng.integers(8, size=channels)] += imported
    keys = np.array([f"c{number}" for number in range(channels)])
    channel, week = np.divmod(np.repeat(np.arange(channels * 8), counts.ravel()), 8)
    seconds = (week - 8) * WEEK_SECONDS + rng.integers(WEEK_SECONDS, size=len(week))
    moments = np.datetime64(MONDAY, "us") + seconds * np.timedelta64(1_000_000, "us")
    now = pa.array([MONDAY] * channels, pa.timestamp("us"))
    return {
        "int_channel_clock": pa.table({"channel_id": pa.array(keys), "as_of_utc": now, "as_of_local": now}),
        "lead_source_attribution": pa.table(
            {"channel_id": pa.array(keys[channel]), "created_local": pa.array(moments), "created_at": pa.array(moments)}
        ),
        "int_parameters": pa.table(
            {
                "channel_id": pa.array(keys),
                "trend_z": pa.array([1.943] * channels, pa.float64()),
                "trend_min_leads": pa.array([10] * channels, pa.int64()),
            }
        ),
    }


def curves_of(leads: int, rate: float, channels: int, seed: int) -> dict[str, Observations]:
    """Return leads of the last 90 days that came evenly, with an event by day 30 of `rate` in the long run.

    The event comes at any time of the 30 days. A lead younger than 30 days is observed for its age.
    """
    rng = np.random.default_rng(seed)
    found: dict[str, Observations] = {}
    for number in range(channels):
        ages = np.minimum(rng.random(leads) * 90, 30.0)
        waits = np.where(rng.random(leads) < rate, rng.random(leads) * 30, np.inf)
        found[f"c{number}"] = [
            (float(min(wait, age)), bool(wait <= age)) for wait, age in zip(waits, ages, strict=True)
        ]
    return found


def samples(n: int, rate: float, channels: int, seed: int) -> list[tuple[int, int]]:
    """Return (n, x) of random samples with this rate."""
    return [(n, int(x)) for x in np.random.default_rng(seed).binomial(n, rate, size=channels)]


def rate_tables(found: list[tuple[int, int]]) -> dict[str, pa.Table]:
    """Return what metric_topic_rates reads, with each sample (n, x) as a topic."""
    return {
        "metric_topic_counts": pa.table(
            {
                "channel_id": pa.array(["c"] * len(found)),
                "topic": pa.array([f"t{number}" for number in range(len(found))]),
                "n_leads": pa.array([n for n, _ in found], pa.int64()),
                "n_converted": pa.array([x for _, x in found], pa.int64()),
            }
        ),
    }
