"""The answers on Postgres are those on DuckDB, and a long query ends there too."""

import json
from dataclasses import replace

import pytest

from tests.agents.calls import CALLS
from tests.agents.conftest import AGENT, Lab
from tests.agents.world import Marks, build, raw_rows
from zoho_pipeline.agents.desk import Desk
from zoho_pipeline.agents.model import TopicsAnswer
from zoho_pipeline.agents.refusals import Refused
from zoho_pipeline.agents.sections.reading import Reading
from zoho_pipeline.agents.sections.topics import topics
from zoho_pipeline.warehouse.warehouse import open_warehouse


def comparable(text: str) -> object:
    """An answer without the time at which it was made."""
    return json.loads(text) | {"generated_at": None} if text.startswith("{") else text


@pytest.mark.long
def test_both_engines_give_the_same_answers(lab: Lab, postgres_url: str) -> None:
    warehouse = open_warehouse(replace(lab.settings, warehouse_url=postgres_url))
    build(warehouse, raw_rows(Marks()))
    pool = warehouse.published_pool()
    seconds = iter(range(10_000))
    desk = Desk(lambda: lab.registry, lambda: pool, lambda: float(next(seconds)))
    try:
        for name, call in CALLS.items():
            for channel in ("acme", "never"):
                assert comparable(call(desk, AGENT, channel)) == comparable(call(lab.desk, AGENT, channel)), name

        def forever(reading: Reading) -> tuple[object, int]:
            reading.rows("select pg_sleep(60)")
            return topics(reading)

        with pytest.raises(Refused, match="5 seconds per call"):
            desk.answer(AGENT, "slow", "acme", forever, TopicsAnswer)
        assert comparable(CALLS["topics"](desk, AGENT, "acme")) == comparable(CALLS["topics"](lab.desk, AGENT, "acme"))
    finally:
        pool.close()
