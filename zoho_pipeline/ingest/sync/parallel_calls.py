"""Calls for single records, several at a time."""

from collections import deque
from collections.abc import Callable, Sequence
from contextvars import copy_context
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


def call_for_each(call: Callable[[str], T], ids: Sequence[str], at_once: int) -> list[T]:
    """The results of one call per id, in the order of the ids.

    The threads are daemons, and nobody waits for them after Ctrl-C: `concurrent.futures` would wait for answers of
    Zoho, each of which may take a minute.

    Raises:
        ZohoError: the first call that failed. No call is under way any more.
    """
    waiting, found, errors = deque(enumerate(ids)), dict[int, T](), list[BaseException]()

    def work() -> None:
        while not errors:
            try:
                place, id_ = waiting.popleft()
            except IndexError:
                return
            try:
                found[place] = call(id_)
            except BaseException as error:
                errors.append(error)

    threads = [Thread(target=copy_context().run, args=(work,), daemon=True) for _ in range(min(at_once, len(ids)))]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    finally:
        waiting.clear()
    if errors:
        raise errors[0]
    return [found[place] for place in range(len(ids))]
