"""The stored answers, on both engines: exactly one of many equal requests begins."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from zoho_pipeline.channels.platform.replays import Replays, StoredAnswer
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.settings import Secret

ANSWER = StoredAnswer(201, {"content-type": "application/json"}, b'{"name": "\xc3\xa9\x00\xff"}')


def replays(registry: Registry) -> Replays:
    return Replays(registry.database, registry.encryptor)


def test_one_of_many_begins_and_the_others_wait(registry: Registry) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: replays(registry).claim("p", "k", "h"), range(8)))
    assert sorted(map(str, found)) == ["None"] + ["running"] * 7


def test_any_bytes_come_back(registry: Registry) -> None:
    for name, is_secret in (("open", False), ("sealed", True)):
        answer = ANSWER if is_secret or not registry.database.is_postgres else replace(ANSWER, body=b'"\xc3\xa9\xff"')
        assert replays(registry).claim("p", name, "h") is None
        replays(registry).store("p", name, answer, is_secret=is_secret)
        assert replays(registry).claim("p", name, "h") == answer
        assert replays(registry).claim("p", name, "other") == "mismatch"


def test_a_released_key_begins_again_and_a_stored_answer_is_not_released(registry: Registry) -> None:
    kept = replays(registry)
    assert kept.claim("p", "k", "h") is None
    kept.release("p", "k")
    assert kept.claim("p", "k", "h2") is None
    kept.store("p", "k", ANSWER, is_secret=True)
    kept.release("p", "k")
    assert kept.claim("p", "k", "h2") == ANSWER


def test_without_the_key_that_sealed_it_an_answer_has_ended(registry: Registry) -> None:
    kept = replays(registry)
    kept.claim("p", "k", "h")
    kept.store("p", "k", ANSWER, is_secret=True)
    other = Registry(replace(registry.settings, given_keys=(Secret("n" * 40),)))
    assert replays(other).claim("p", "k", "h") == "expired"
