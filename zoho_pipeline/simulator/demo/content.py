"""The content of the company: topics, and nine months of posts, pages, newsletters and videos.

Every item is a row of the content catalogue (`content_items`), with the columns of its CSV file; `|` separates
topics. Readers of some topics buy more often than others. Only the later conversions of leads show this.
"""

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

SITE = "https://www.kaverisystems.example"

CATALOGUE_COLUMNS = (
    "content_id",
    "source_activity_id",
    "content_type",
    "platform",
    "title",
    "topics",
    "published_at",
    "canonical_url",
    "utm_source",
    "utm_medium",
    "utm_campaign",
    "utm_content",
)


@dataclass(frozen=True)
class Topic:
    """A subject of the content: its relative number of readers, and their chance to buy (1: average)."""

    name: str
    slug: str
    reach: float
    quality: float
    titles: tuple[str, ...]


TOPICS = (
    Topic(
        "Export documentation",
        "export-docs",
        0.9,
        3.2,
        ("Shipping bills without retyping", "e-BRC in ten minutes a week", "What LUT renewal needs from your ERP"),
    ),
    Topic(
        "GST e-invoicing",
        "gst-e-invoicing",
        1.5,
        1.0,
        ("IRN rejections and how to read them", "e-Invoicing below 5 crore", "Reconciling GSTR-2B before the 14th"),
    ),
    Topic(
        "Inventory planning",
        "inventory-planning",
        1.3,
        0.8,
        ("Safety stock for slow movers", "ABC analysis on a Monday morning", "Dead stock: sell, scrap or wait"),
    ),
    Topic(
        "Warehouse barcodes",
        "warehouse-barcodes",
        0.9,
        0.9,
        ("Barcodes for 400 bins in a weekend", "Picking errors, counted", "Handheld or phone camera?"),
    ),
    Topic(
        "AI forecasting",
        "ai-forecasting",
        1.7,
        0.2,
        ("Can a language model plan your stock?", "Forecasting hype, tested", "Ten AI tools for distributors"),
    ),
    Topic(
        "Company news",
        "company-news",
        0.5,
        0.1,
        ("We are hiring in Pune", "Our new office in Coimbatore", "A year in numbers"),
    ),
)
BY_TOPIC = {topic.name: topic for topic in TOPICS}


@dataclass(frozen=True)
class Item:
    """One published item; `row()` is its row in the catalogue."""

    content_id: str
    source_activity_id: str
    content_type: str
    platform: str
    title: str
    topics: tuple[str, ...]
    published_at: datetime
    canonical_url: str | None = None
    utm_source: str | None = None
    utm_medium: str | None = None
    utm_campaign: str | None = None
    utm_content: str | None = None

    @property
    def reach(self) -> float:
        """The relative number of readers."""
        return sum(BY_TOPIC[name].reach for name in self.topics) / len(self.topics)

    @property
    def quality(self) -> float:
        """The chance of its readers to buy (1: average)."""
        return sum(BY_TOPIC[name].quality for name in self.topics) / len(self.topics)

    def row(self) -> dict[str, str | None]:
        """The item as a row of the catalogue, with topics joined by `|`."""
        values = {name: getattr(self, name) for name in CATALOGUE_COLUMNS}
        published = self.published_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {**values, "topics": "|".join(self.topics), "published_at": published}


def publish(rng: random.Random, now: datetime, months: int = 9) -> list[Item]:
    """All items of the `months` before `now`, oldest first."""
    start = now - timedelta(days=30 * months)
    items = [*_landing_pages(start), *_blog_posts(rng, start, now), *_newsletters(start, now)]
    items += _videos(rng, start, now)
    items += _social_posts(rng, [item for item in items if item.content_type == "blog_post"], now)
    return sorted(items, key=lambda item: (item.published_at, item.content_id))


def _landing_pages(start: datetime) -> list[Item]:
    """One landing page per topic, published before the first day; the paid campaigns link to it."""
    return [
        Item(
            content_id=f"lp-{topic.slug}",
            source_activity_id=f"LP{number:03d}",
            content_type="landing_page",
            platform="website",
            title=f"{topic.name} for distributors and small factories",
            topics=(topic.name,),
            published_at=start - timedelta(days=3),
            canonical_url=f"{SITE}/solutions/{topic.slug}",
            utm_source="google",
            utm_medium="cpc",
            utm_campaign=f"{topic.slug}-search",
        )
        for number, topic in enumerate(TOPICS[:5], 1)
    ]


def _blog_posts(rng: random.Random, start: datetime, now: datetime) -> list[Item]:
    """A post every eight to eleven days. The topics take turns; every third post has a second topic."""
    items: list[Item] = []
    published = start + timedelta(days=1, hours=4)
    while published < now - timedelta(days=2):
        number = len(items)
        topic = TOPICS[number % len(TOPICS)]
        title = topic.titles[(number // len(TOPICS)) % len(topic.titles)]
        part = number // (len(TOPICS) * len(topic.titles)) + 1
        second = (TOPICS[(number + 2) % 4].name,) if number % 3 == 0 else ()
        slug = f"{topic.slug}-{number + 1:02d}"
        items.append(
            Item(
                content_id=f"blog-{slug}",
                source_activity_id=f"BL{number + 1:03d}",
                content_type="blog_post",
                platform="website",
                title=title if part == 1 else f"{title} (part {part})",
                topics=tuple(dict.fromkeys((topic.name, *second))),
                published_at=published,
                canonical_url=f"{SITE}/blog/{slug}",
            )
        )
        published += timedelta(days=rng.choice((8, 9, 10, 11)), hours=rng.choice((-1, 0, 1)))
    return items


def _newsletters(start: datetime, now: datetime) -> list[Item]:
    """A newsletter every four weeks; its campaign identifies it."""
    items: list[Item] = []
    published = start + timedelta(days=10, hours=3)
    while published < now - timedelta(days=1):
        number = len(items) + 1
        topic = TOPICS[(number * 2) % 4]
        items.append(
            Item(
                content_id=f"letter-{number:02d}",
                source_activity_id=f"NL{number:03d}",
                content_type="newsletter",
                platform="email",
                title=f"The Distributor's Letter no. {number}: {topic.name}",
                topics=(topic.name,),
                published_at=published,
                utm_source="newsletter",
                utm_medium="email",
                utm_campaign=f"letter-{number:02d}",
            )
        )
        published += timedelta(days=28)
    return items


def _videos(rng: random.Random, start: datetime, now: datetime) -> list[Item]:
    items: list[Item] = []
    published = start + timedelta(days=20, hours=6)
    while published < now - timedelta(days=5):
        number = len(items) + 1
        topic = TOPICS[number % 5]
        items.append(
            Item(
                content_id=f"video-{number:02d}",
                source_activity_id=f"VD{number:03d}",
                content_type="video",
                platform="youtube",
                title=f"{topic.name}: a walk through, {rng.choice((6, 9, 12))} minutes",
                topics=(topic.name,),
                published_at=published,
                canonical_url=f"https://video.kaverisystems.example/watch/{number:02d}",
                utm_source="youtube",
                utm_medium="video",
                utm_campaign=topic.slug,
                utm_content=f"video-{number:02d}",
            )
        )
        published += timedelta(days=37)
    return items


def _social_posts(rng: random.Random, posts: list[Item], now: datetime) -> list[Item]:
    """About 70% of the blog posts are shared. One share in four has no utm_content, so its UTM values are ambiguous."""
    items: list[Item] = []
    for post in posts:
        published = post.published_at + timedelta(days=1, hours=rng.choice((2, 5, 7)))
        if rng.random() > 0.7 or published > now - timedelta(hours=6):
            continue
        number = len(items) + 1
        platform = "linkedin" if rng.random() < 0.75 else "instagram"
        items.append(
            Item(
                content_id=f"social-{number:02d}",
                source_activity_id=f"SO{number:03d}",
                content_type="social_post",
                platform=platform,
                title=f"{post.title} ({platform.title()})",
                topics=post.topics[:1],
                published_at=published,
                utm_source=platform,
                utm_medium="social",
                utm_campaign=BY_TOPIC[post.topics[0]].slug,
                utm_content=None if number % 4 == 0 else f"social-{number:02d}",
            )
        )
    return items
