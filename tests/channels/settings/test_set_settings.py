"""What two people set at once: each of the two changes stays."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from threading import Barrier

from zoho_pipeline.channels.registry.model import FLAT, Channel
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.channels.settings.parameters import RULES
from zoho_pipeline.channels.settings.set_settings import set_settings
from zoho_pipeline.settings import Settings

WHOLE_NUMBERS = [name for name, rule in RULES.items() if rule.type == "integer"]


def halves(names: list[str]) -> Iterator[list[str]]:
    yield names[::2]
    yield names[1::2]


def test_two_people_choose_modules_and_parameters_at_once(
    settings: Settings, registry: Registry, add: Callable[..., Channel]
) -> None:
    add()
    modules, parameters = [f"Module{number}" for number in range(20)], list(islice(WHOLE_NUMBERS, 8))
    together = Barrier(2)

    def change(mine: list[str], own_parameters: list[str]) -> None:
        own = Registry(settings)
        together.wait()
        for module in mine:
            set_settings(own, "acme", choose_modules=lambda now, module=module: {**now, module: FLAT})  # type: ignore[misc]
        for name in own_parameters:
            set_settings(own, "acme", parameters=[f"{name}=2"])

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(change, halves(modules), halves(parameters)))
    found = registry.get("acme")
    assert set(found.chosen_modules) == set(modules)
    assert set(found.parameters) == set(parameters)
