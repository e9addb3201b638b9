"""The stamp of the registry: it differs after each change, whoever made it, and what is kept is never older."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Thread

from zoho_pipeline.channels.database import stamp as stamps
from zoho_pipeline.channels.database.stamp import RegistryStamp, StampedCache
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.settings import Settings


def test_the_stamp_stays_while_nothing_changes(sqlite_settings: Settings) -> None:
    registry = Registry(sqlite_settings)
    stamp = RegistryStamp(registry.database)
    first = stamp()
    registry.list()
    assert stamp() == first
    Registry(sqlite_settings)
    assert stamp() == first


def test_a_change_by_this_process_or_another_one_is_seen_at_once(sqlite_settings: Settings) -> None:
    registry = Registry(sqlite_settings)
    stamp = RegistryStamp(registry.database)
    seen = [stamp()]
    registry.claim_nonce("one")
    seen.append(stamp())
    code = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); "
        "c.execute(\"insert into registry_states values ('two', '2026-01-01 00:00:00')\"); c.commit()"
    )
    subprocess.run([sys.executable, "-c", code, str(registry.database.path)], check=True)
    seen.append(stamp())
    assert len(set(seen)) == 3


def test_threads_share_a_stamp(sqlite_settings: Settings) -> None:
    registry = Registry(sqlite_settings)
    stamp = RegistryStamp(registry.database)
    seen: list[object] = []
    threads = [Thread(target=lambda: seen.extend(stamp() for _ in range(50))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 200
    assert len(set(seen)) == 1


def test_a_file_in_the_place_of_another_is_a_change(sqlite_settings: Settings, tmp_path: Path) -> None:
    registry = Registry(sqlite_settings)
    stamp = RegistryStamp(registry.database)
    before = stamp()
    assert registry.database.path is not None
    copy = tmp_path / "copy.sqlite"
    shutil.copy(registry.database.path, copy)
    copy.replace(registry.database.path)
    assert stamp() != before
    registry.database.path.unlink()
    assert stamp() != stamp()  # no stamp is known, so nothing is kept


def test_what_a_cache_keeps_is_read_again_after_a_change(sqlite_settings: Settings) -> None:
    registry = Registry(sqlite_settings)
    cache: StampedCache[str, int] = StampedCache(RegistryStamp(registry.database))
    reads: list[int] = []

    def read() -> int:
        reads.append(1)
        return len(reads)

    assert [cache.get("a", read) for _ in range(3)] == [1, 1, 1]
    registry.claim_nonce("one")
    assert [cache.get("a", read) for _ in range(2)] == [2, 2]


def test_a_change_during_the_reading_is_not_lost(sqlite_settings: Settings) -> None:
    """The stamp is older than the value, so the next caller reads again."""
    registry = Registry(sqlite_settings)
    cache: StampedCache[str, str] = StampedCache(RegistryStamp(registry.database))

    def read_and_change() -> str:
        registry.claim_nonce("one")
        return "old"

    assert cache.get("a", read_and_change) == "old"
    assert cache.get("a", lambda: "new") == "new"


def test_a_cache_has_a_bound() -> None:
    cache: StampedCache[int, int] = StampedCache(lambda: 1)
    for number in range(stamps.MOST_KEPT * 2 + 5):
        assert cache.get(number, _constant(number)) == number
    assert len(cache._kept) <= stamps.MOST_KEPT


def _constant(number: int) -> Callable[[], int]:
    return lambda: number


def test_on_postgres_the_stamp_changes_with_the_clock(settings: Settings) -> None:
    registry = Registry(settings)
    if not registry.database.is_postgres:
        return
    stamp = RegistryStamp(registry.database)
    first = stamp()
    while stamp() == first:
        pass
    assert stamp() != first
