"""What most commands need: settings, logging, HOME, and the registry and the warehouse, opened at first use."""

import logging
import os
import sys
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from zoho_pipeline.settings import PipelineError, Secret, Settings, UsageError, load_settings
from zoho_pipeline.text_files import NotText, decoded
from zoho_pipeline.work_folders import remove_all_dead

if TYPE_CHECKING:
    from zoho_pipeline.channels.registry.model import Channel
    from zoho_pipeline.channels.registry.registry import Registry
    from zoho_pipeline.warehouse.warehouse import Warehouse

log = logging.getLogger(__name__)

MOST_NAMED = 5
"""Channels that one message names."""


class Session:
    """The settings and services of one command. The constructor checks every setting, and creates HOME.

    Args:
        reads_only: the command only reads the marts or the raw tables. It runs where HOME cannot be written, or not
            even seen, and HOME is not created.

    Raises:
        SettingsError: a setting is wrong. PipelineError: HOME cannot be used.
    """

    def __init__(self, settings: Settings | None = None, *, reads_only: bool = False) -> None:
        from zoho_pipeline.logs import configure_logging

        self.settings = settings or load_settings()
        configure_logging(self.settings.log_level)
        if not reads_only:
            remove_all_dead(self.settings.ensure_home())

    @cached_property
    def registry(self) -> "Registry":
        from zoho_pipeline.channels.registry.registry import Registry

        return Registry(self.settings)

    @cached_property
    def warehouse(self) -> "Warehouse":
        from zoho_pipeline.warehouse.warehouse import open_warehouse

        return open_warehouse(self.settings)

    def channel_if_known(self, channel_id: str) -> "Channel | None":
        """A channel of the registry; None where this user cannot use the registry.

        To open the registry may mean to create it, to migrate it or to encrypt tokens with a newer key. So it needs a
        HOME that can be written.

        Raises:
            UnknownChannel: the registry can be used, and has no such channel.
        """
        from zoho_pipeline.channels.errors import UnknownChannel

        if not os.access(self.settings.home, os.W_OK | os.X_OK):
            return None
        try:
            return self.registry.get(channel_id)
        except UnknownChannel:
            raise
        except PipelineError as error:
            log.info("The registry cannot be read, so only the marts are shown: %s", error)
            return None

    def publish_registry(self) -> None:
        """Write the channels and their settings to `zoho_raw`, where the models read them."""
        from zoho_pipeline.ingest.load.channel_tables import publish

        publish(self.settings, self.registry, self.warehouse)


def select_channels(session: Session, channel_ids: tuple[str, ...]) -> list[str]:
    """Ids of the given channels, or of every active channel; the channel whose last sync is oldest comes first.

    Raises:
        UnknownChannel: a given channel is not registered.
        PipelineError: no id was given, and no channel is active.
    """
    from zoho_pipeline.channels.registry.model import longest_waiting_first

    if channel_ids:
        return [session.registry.get(channel_id).id for channel_id in dict.fromkeys(channel_ids)]
    channels = longest_waiting_first(session.registry.list())
    active = [channel.id for channel in channels if channel.status == "active"]
    if not active:
        raise PipelineError(_how_to_get_an_active_channel(channels))
    return active


def _how_to_get_an_active_channel(channels: "Sequence[Channel]") -> str:
    """Why there is none, and what to do: resume, connect again, or register the first one."""
    cures = {"paused": "zoho-pipeline channels resume", "reconnect_needed": "zoho-pipeline connect"}
    parts = []
    for status, cure in cures.items():
        ids = sorted(channel.id for channel in channels if channel.status == status)
        if ids:
            more = f" and {len(ids) - MOST_NAMED} more" if len(ids) > MOST_NAMED else ""
            words = {"paused": "paused", "reconnect_needed": "to be connected again"}[status]
            parts.append(f"{', '.join(ids[:MOST_NAMED])}{more}: {words} (`{cure} {ids[0]}`)")
    if parts:
        return f"there is no active channel. {'; '.join(parts)}."
    return (
        "there is no active channel. Register one with `zoho-pipeline connect ID` or "
        "`zoho-pipeline channels add ID --data-center DC --refresh-token-file FILE`."
    )


def read_secret(file: str) -> Secret:
    """The secret in a file, or in standard input when `file` is `-`. White space around it is removed.

    Raises:
        UsageError: the file cannot be read, or contains no text, or more than one word.
    """
    try:
        text = decoded(sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes())
    except (OSError, NotText) as error:
        reason = getattr(error, "strerror", None) or "it is not a text file"
        raise UsageError(f"cannot read {file}: {reason}. The file must contain only the secret.") from error
    secret = text.strip()
    if not secret or len(secret.split()) != 1:
        name = "standard input" if file == "-" else file
        found = f"contains {len(secret.split())} words" if secret else "is empty"
        raise UsageError(f"{name} {found}. It must contain only the secret, which is one word.")
    return Secret(secret)
