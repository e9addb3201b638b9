"""The worker loads what forms sent, and `work --once` leaves nothing."""

from uuid import uuid4

import pytest

from tests.worker.conftest import Place
from zoho_pipeline.channels.forms import person_keys, salts, submissions
from zoho_pipeline.channels.forms.form_keys import FormKeys
from zoho_pipeline.channels.forms.submissions import Submission
from zoho_pipeline.channels.registry.registry import Registry


def put(registry: Registry, channel_id: str = "acme") -> str:
    salt, id_ = salts.salt_of(registry, channel_id), str(uuid4())
    assert salt is not None
    key = person_keys.email_key(salt, "asha@acme.in")
    one = Submission(id_, person_keys.id_hash(salt, id_), None, key, None, 9000, {"utm_source": "blog"})
    with registry.database.write() as transaction:
        now = registry.database.now_in(transaction)
        assert submissions.store(transaction, [(channel_id, one)], now) == ["stored"]
    return id_


@pytest.mark.long
def test_a_worker_that_drains_loads_submissions_and_publishes_them(place: Place) -> None:
    place.connect("acme")
    FormKeys(place.registry).add("acme", [])
    first = put(place.registry)
    assert place.worker().run(once=True)
    shown = place.published("select submission_id, relation from marts.form_submission")
    assert shown == [{"submission_id": first, "relation": "none"}]
    second = put(place.registry)
    assert place.worker().run(once=True)
    with place.warehouse.connect() as connection:
        rows = connection.rows("select submission_id from zoho_raw.form_submissions")
    assert {row["submission_id"] for row in rows} == {first, second}
    assert salts.channels_to_load(place.registry) == []


@pytest.mark.long
def test_what_waits_for_a_removed_channel_stops_nobody(place: Place) -> None:
    for name in ("acme", "gone"):
        place.connect(name)
        FormKeys(place.registry).add(name, [])
        put(place.registry, name)
    place.registry.remove("gone")
    assert place.worker().run(once=True)
    with place.warehouse.connect() as connection:
        rows = connection.rows("select channel_id from zoho_raw.form_submissions")
    assert rows == [{"channel_id": "acme"}]
