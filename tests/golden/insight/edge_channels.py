"""Channels on the edges: boundaries by the second, ties, clock changes, no data."""

from datetime import date, timedelta

from tests.golden.insight.insight_world import RawWorld, utc

BUILD = utc("2026-04-01 00:00")
AS_OF = utc("2026-03-31 15:00")
SECOND = timedelta(seconds=1)
D30, D60, D90 = timedelta(30), timedelta(60), timedelta(90)


def month_ends(world: RawWorld) -> None:
    for key, as_of, moments in (
        ("end_mar", "2026-03-31 15:00", ["2026-02-28 15:00:00", "2026-02-28 15:00:01", "2026-02-28 23:59:59"]),
        ("end_leap", "2024-03-31 15:00", ["2024-02-29 15:00:00", "2024-02-29 15:00:01"]),
        ("end_may", "2026-03-30 15:00", ["2026-02-28 15:00:00", "2026-02-28 15:00:01"]),
        ("end_jan", "2026-01-15 08:00", ["2025-12-15 08:00:00", "2025-12-15 08:00:01", "2025-12-01 00:00:00"]),
    ):
        world.channel(key, utc(as_of))
        for number, moment in enumerate(moments):
            world.lead(key, f"L{number}", utc(moment))


def zones(world: RawWorld) -> None:
    world.channel("kolkata", AS_OF, "Asia/Kolkata")
    world.lead("kolkata", "feb", utc("2026-02-28 18:29:59"))
    world.lead("kolkata", "mar", utc("2026-02-28 18:30:00"))
    world.channel("april", utc("2026-03-31 19:00"), "Asia/Kolkata")  # 00:30 of 1 April in that zone
    world.lead("april", "mar", utc("2026-03-31 18:29:59"))
    world.lead("april", "apr", utc("2026-03-31 18:30:00"))
    # New York moves its clock on Sunday 8 March 2026 at 2:00
    world.channel("new_york", utc("2026-03-31 15:00"), "America/New_York")
    world.lead("new_york", "sunday", utc("2026-03-09 03:59:59"))
    world.lead("new_york", "monday", utc("2026-03-09 04:00:00"))
    world.channel("elapsed", utc("2026-03-20 15:00"), "America/New_York")
    world.lead("elapsed", "mature", utc("2026-03-20 15:00") - D30)
    world.lead("elapsed", "young", utc("2026-03-20 15:00") - D30 + SECOND)
    # Lord Howe's clock goes back half an hour on 5 April 2026, 2:00 → 1:30; the weeks follow wall-clock time
    world.channel("monday", utc("2026-03-29 13:00"), "Australia/Lord_Howe")  # Monday 30 March, 0:00 local
    for number in range(10):
        world.lead("monday", f"L{number}", utc("2026-03-29 12:59:59") - timedelta(days=number))


def sources(world: RawWorld) -> None:
    for key, counts in (
        ("tie", {"Cc": 2, "Aa": 3, "Dd": 2, "Bb": 2, None: 4}),
        ("no_tie", {"Cc": 2, "Aa": 3, "Dd": 1, "Bb": 2, "Ee": 1}),
        ("unknown_only", {None: 2}),
    ):
        world.channel(key, AS_OF)
        for source, count in counts.items():
            for number in range(count):
                world.lead(key, f"{source}{number}", utc("2026-03-05 10:00"), source=source)
    world.channel("last_month", AS_OF)
    world.lead("last_month", "a", utc("2026-02-01 00:00"), source="Aa")
    world.lead("last_month", "b", utc("2026-02-28 23:59:59"), source="Bb")
    world.lead("last_month", "old", utc("2026-01-31 23:59:59"), source="Old")
    world.channel("new", AS_OF)
    world.lead("new", "a", AS_OF)


def windows(world: RawWorld) -> None:
    world.channel("windows", AS_OF)
    ages = {"30": D30, "30-": D30 - SECOND, "60": D60, "60-": D60 - SECOND, "90": D90, "90-": D90 - SECOND}
    ages |= {"180": 2 * D90, "180-": 2 * D90 - SECOND}
    for name, age in ages.items():
        world.lead("windows", name, AS_OF - age)
    world.channel("late_90", AS_OF)
    for name, delay in (("in_time", D90), ("late", D90 + SECOND)):
        created = AS_OF - timedelta(120)
        world.lead("late_90", name, created, converted=created + delay, deal=f"D{name}")
        world.deal("late_90", f"D{name}", created + delay)
    world.channel("late", AS_OF)
    for name, delay in (("in_time", D30), ("late", D30 + SECOND)):
        created = AS_OF - timedelta(45)
        world.lead("late", name, created, converted=created + delay, deal=f"D{name}")
        world.deal("late", f"D{name}", created + delay)
    for n in (4, 5, 29, 30):
        world.channel(f"n{n}", AS_OF)
        for number in range(n):
            world.lead(f"n{n}", f"L{number}", AS_OF - timedelta(40), converted=AS_OF - timedelta(39), deal=f"D{number}")
            world.deal(f"n{n}", f"D{number}", AS_OF - timedelta(39))


def survival(world: RawWorld) -> None:
    world.channel("young", AS_OF)  # one lead converted, one was observed for ten days: day 30 is unknown
    for name, age in (("a", 20), ("b", 10)):
        world.lead("young", name, AS_OF - timedelta(age), converted=AS_OF - timedelta(15) if name == "a" else None)
    world.channel("all_convert", AS_OF)
    for number in range(3):
        created = AS_OF - timedelta(20 - number)
        world.lead("all_convert", f"L{number}", created, converted=created + timedelta(3))
    world.channel("wins", AS_OF)
    for name, closing, stage in (
        ("future", date(2026, 12, 31), "Done"),
        ("undated", None, "Done"),
        ("dated", date(2026, 3, 25), "Done"),
        ("lost", date(2026, 3, 25), "Gone"),
    ):
        world.lead("wins", name, AS_OF - timedelta(20), converted=AS_OF - timedelta(18), deal=f"D{name}")
        world.deal("wins", f"D{name}", AS_OF - timedelta(18), stage, closing=closing)


def trends(world: RawWorld) -> None:
    # 31 March 2026 is a Tuesday: a = 2 to 29 March, b = 2 February to 1 March
    for key, a, b in (("thin", 9, 0), ("up", 12, 4), ("flat", 9, 4), ("down", 4, 12), ("level", 5, 5)):
        world.channel(key, AS_OF)
        for name, count, monday in (("a", a, utc("2026-03-02 00:00")), ("b", b, utc("2026-02-02 00:00"))):
            for number in range(count):  # the first one at its first second, all others at the last second of a week
                last = monday + timedelta(7 * (number % 4 + 1)) - SECOND
                world.lead(key, f"{name}{number}", last if number else monday)
        world.lead(key, "this_week", utc("2026-03-30 00:00"))
        world.lead(key, "too_old", utc("2026-02-01 23:59:59"))


def topics(world: RawWorld) -> None:
    old = AS_OF - timedelta(45)

    def leads(key: str, content: str | None, n: int, x: int) -> None:
        for number in range(n):
            name = f"{content}-{number}"
            deal = f"D{name}" if number < x else None
            world.lead(key, name, old, content=content, converted=old if deal else None, deal=deal)
            if deal:
                world.deal(key, deal, old)

    world.channel("one_topic", AS_OF)
    world.content("one_topic", "c", "video", "solo | solo |  ")
    leads("one_topic", "c", 9, 3)
    world.channel("five_topics", AS_OF)
    for number, name in enumerate(("e", "D", "c", "b", "a")):
        world.content("five_topics", f"c{number}", "video", name)
        leads("five_topics", f"c{number}", 5 if name != "c" else 4, 3 if name != "e" else 4)
    leads("five_topics", None, 200, 0)
    world.channel("evidence", AS_OF)  # p0 = 190 / 405 = 0.469: 4 of 5 has the higher lift, 116 of 200 has more evidence
    for content, topic, n, x in (("c1", "few", 5, 4), ("c2", "many", 200, 116)):
        world.content("evidence", content, "video", topic)
        leads("evidence", content, n, x)
    leads("evidence", None, 200, 70)
    world.channel("no_deals", AS_OF)
    world.content("no_deals", "c", "video", "t")
    leads("no_deals", "c", 5, 0)


def unreadable_modules(world: RawWorld) -> None:
    for key, modules in (
        ("no_deals_module", ["Deals"]),
        ("no_activities", ["Calls", "Events", "Tasks"]),
        ("no_calls", ["Calls"]),
    ):
        world.channel(key, AS_OF)
        world.skip(key, *modules)
        world.content(key, "c", "video", "t")
        for number in range(6):
            created = AS_OF - timedelta(45)
            world.lead(key, f"L{number}", created, content="c", converted=created + timedelta(2), deal=f"D{number}")
            world.deal(key, f"D{number}", created + timedelta(2), "Done", created + timedelta(3))
            world.call(key, f"C{number}", f"L{number}", created + timedelta(hours=1))


def no_data(world: RawWorld) -> None:
    world.channel("empty", AS_OF)
    world.channel("never", None, "Pacific/Auckland")
    world.content("never", "c", "video", "t")
    world.channel("unreadable", AS_OF, readable=False)
    world.lead("unreadable", "a", AS_OF, source="Aa")
    world.channel("stale", BUILD - timedelta(hours=36) - SECOND)
    world.channel("fresh", BUILD - timedelta(hours=36))
    for key in ("stale", "fresh"):
        world.lead(key, "a", AS_OF - timedelta(2))


def edge_world() -> RawWorld:
    """Return all edge channels as one raw world."""
    world = RawWorld()
    for part in (
        month_ends, zones, sources, windows, survival, trends, topics, no_data, unreadable_modules
    ):  # fmt: skip
        part(world)
    return world
