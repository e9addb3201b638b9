"""A registry behind a pooler: one in transaction mode is refused, because no lock works through it."""

from dataclasses import replace

import pytest
from sqlalchemy.engine import make_url

from tests.channels.database.pooler import running_pooler
from zoho_pipeline.channels.database.locks import channel_lock
from zoho_pipeline.channels.errors import ChannelBusy, RegistryError
from zoho_pipeline.settings import Settings


def behind(settings: Settings, port: int) -> Settings:
    url = make_url(settings.registry_url).set(port=port)
    return replace(settings, registry_url=url.render_as_string(hide_password=False))


def ports(settings: Settings) -> tuple[str, int]:
    url = make_url(settings.registry_url)
    assert url.host is not None
    assert url.port is not None
    return url.host, url.port


@pytest.mark.parametrize("settings", ["postgres"], indirect=True)
def test_a_pooler_in_transaction_mode_is_refused(settings: Settings) -> None:
    with (
        running_pooler(*ports(settings), transaction_mode=True) as port,
        pytest.raises(RegistryError, match="through a pooler in transaction mode"),
        channel_lock(behind(settings, port), "acme", wait=0),
    ):
        pytest.fail("the lock was given")


@pytest.mark.parametrize("settings", ["postgres"], indirect=True)
def test_a_pooler_in_session_mode_works(settings: Settings) -> None:
    with running_pooler(*ports(settings), transaction_mode=False) as port:
        with channel_lock(behind(settings, port), "acme", wait=0) as lock:
            lock.ensure_held()
            with pytest.raises(ChannelBusy), channel_lock(settings, "acme", wait=0):
                pytest.fail("two hold the channel")
        with channel_lock(settings, "acme", wait=10):
            pass
