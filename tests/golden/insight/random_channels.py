"""Random channels as raw rows. They have many leads on the edges of windows, ties, censoring and unusual time zones."""

import random
from datetime import datetime, timedelta
from typing import Any
from zlib import crc32

from tests.golden.insight.insight_oracle import Channel, Item, Lead
from tests.golden.insight.insight_world import RawWorld, utc

ZONES = ("UTC", "Asia/Kolkata", "America/New_York", "Pacific/Auckland", "America/St_Johns", "Asia/Kathmandu")
TOPICS = ("Hiring", "Öko", "pricing", "a b", "Zoho")
SOURCES = ("Expo", "Flyer", "abc", "Äther", "Radio Nord", "Unknown")
CAMPAIGNS = ("Spring", "spring", "SPRING", "Öko", "(none)")
MEDIA = {"email": "Email", "cpc": "Paid Other", "social": "Organic Social", "web": "Direct"}
CHANNEL_MEDIA = {channel: medium for medium, channel in MEDIA.items()}
EDGES = (
    0, 1, 30 * 86_400 - 1, 30 * 86_400, 60 * 86_400, 60 * 86_400 - 1, 90 * 86_400, 90 * 86_400 - 1,
    180 * 86_400, 180 * 86_400 - 1,
)  # fmt: skip
NOON = utc("2026-03-31 09:30")


def random_channel(seed: int, now: datetime = NOON) -> Channel:
    """Return a channel of up to 60 leads. Some have few leads, some have many, some have no catalogue."""
    rng = random.Random(seed)
    as_of = now - timedelta(days=rng.randrange(0, 400), seconds=rng.randrange(0, 86_400))
    items = tuple(
        Item(f"c{i}", rng.choice(("blog_post", "video", "newsletter")), tuple(rng.sample(TOPICS, rng.randrange(0, 3))))
        for i in range(rng.choice((0, 1, 4)))
    )
    step = rng.choice((3600, 86_400, 7 * 3600 + 13))
    spans = rng.choice(((110, 200), (110, 200), (110, 200), (35,)))
    favours = rng.random() < 0.3  # then leads of the first item convert much more than others
    count = rng.choice((0, 3, 12, 30, 60))
    leads = tuple(_lead(rng, f"L{i}", as_of, items, step, spans, favours) for i in range(count))
    return Channel(f"ch{seed:04d}", as_of, rng.choice(ZONES), items, leads)


def _lead(
    rng: random.Random,
    lead_id: str,
    as_of: datetime,
    items: tuple[Item, ...],
    step: int,
    spans: tuple[int, ...],
    favours: bool,
) -> Lead:
    """Return a lead that is at most one of `spans` days old, or exactly on an edge of a window."""
    age = rng.choice(EDGES) if rng.random() < 0.15 else rng.randrange(0, rng.choice(spans) * 86_400 // step) * step
    created = as_of - timedelta(seconds=age)

    def later(start: datetime, most_days: int) -> datetime | None:
        """Return an instant after `start` and up to as_of, often on a whole step, or None."""
        gap = (
            rng.choice((30, 90)) * 86_400
            if rng.random() < 0.1
            else rng.randrange(0, most_days * 86_400 // step + 1) * step
        )
        instant = start + timedelta(seconds=gap)
        return instant if instant <= as_of else None

    item = rng.choice(items) if items and rng.random() < 0.7 else None
    is_favourite = favours and item is not None and item is items[0]
    chance = 0.95 if is_favourite else 0.1 if favours else 0.6
    converted = later(created, 10 if favours else rng.choice((45, 120))) if rng.random() < chance else None
    linked = converted if converted and (is_favourite or rng.random() < 0.7) else None
    won = later(linked, 20) if linked and rng.random() < 0.6 else None
    contacts = tuple(
        created + timedelta(seconds=rng.choice((-400, -300, -1, 0, 3600, 86_400, rng.randrange(0, 9 * 86_400))))
        for _ in range(rng.choice((0, 0, 1, 1, 2)))
    )
    source = rng.choice(SOURCES[: rng.choice((2, 6))])
    campaign = rng.choice(CAMPAIGNS) if rng.random() < 0.5 else None
    medium = rng.choice(tuple(MEDIA)) if rng.random() < 0.4 else None
    channel = MEDIA[medium] if medium else "Direct" if campaign else "Unknown" if source == "Unknown" else "Offline"
    owner = rng.choice(("u1", "u2", "Äu", None))
    return Lead(
        lead_id,
        created,
        source,
        item,
        converted,
        linked,
        won,
        contacts,
        channel=channel,
        campaign=campaign,
        owner=owner,
    )


def raw_of(channels: list[Channel], rng: random.Random | None = None, **channel_options: Any) -> RawWorld:
    """Return the channels as raw rows. `rng` shuffles the rows of each table."""
    world = RawWorld()
    for channel in channels:
        write_channel(world, channel, **channel_options)
    if rng:
        for rows in world.rows.values():
            rng.shuffle(rows)
    return world


def write_channel(world: RawWorld, channel: Channel, **options: Any) -> None:
    key = channel.channel_id
    fields = {"utm_campaign": "Campaign", "utm_medium": "Medium"}
    world.channel(key, channel.as_of, channel.timezone, fields=fields, **options)
    for item in channel.items:
        world.content(key, item.content_id, item.content_type, " |".join(item.topics))
    for lead in channel.leads:
        deal = f"D{lead.lead_id}" if lead.linked else None
        source = None if lead.source == "Unknown" else lead.source
        content = lead.item.content_id if lead.item else None
        values = {"Campaign": lead.campaign, "Medium": CHANNEL_MEDIA.get(lead.channel)}
        values = {name: value for name, value in values.items() if value}
        # Without its time, a conversion counts as one at the creation of its deal, which is the same moment here.
        is_time_known = lead.linked is None or lead.linked != lead.converted or crc32(lead.lead_id.encode()) % 4 > 0
        world.lead(key, lead.lead_id, lead.created, source=source, content=content, converted=lead.converted, deal=deal,
                   fields=values, owner=lead.owner, is_time_known=is_time_known)  # fmt: skip
        if deal and lead.linked:
            world.deal(key, deal, lead.linked, "Done" if lead.won else "Talks", lead.won)
        for number, started in enumerate(lead.contacts):
            world.call(key, f"C{lead.lead_id}-{number}", lead.lead_id, started)
