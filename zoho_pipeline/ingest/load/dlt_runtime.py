"""dlt, told everything outright: no config file, no environment, no telemetry, logs through ours."""

import logging
from threading import Lock
from typing import Any

from dlt.common import logger as dlt_logger
from dlt.common.configuration.container import Container
from dlt.common.configuration.providers.provider import ConfigProvider
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext
from dlt.common.configuration.specs.runtime_configuration import RuntimeConfiguration
from dlt.common.runtime.run_context import RunContext
from dlt.common.runtime.telemetry import stop_telemetry

_lock = Lock()


class ExplicitContext(RunContext):
    """A run context without providers: a `.dlt/config.toml` nearby or a stray variable changes nothing."""

    def initial_providers(self) -> list[ConfigProvider]:
        return []

    def initialize_runtime(self, runtime_config: RuntimeConfiguration | None = None) -> None:
        del runtime_config  # whatever was found lying about
        quiet = RuntimeConfiguration()
        quiet.dlthub_telemetry = False
        quiet.log_level = "WARNING"
        super().initialize_runtime(quiet)
        _hand_over_logging()


def explicit_dlt() -> None:
    """Make this process's dlt explicit; done once, any number of calls.

    The context is put in place before dlt makes one of its own: that one reads the surroundings and starts to report
    usage to dlt's makers at once, and turning it off afterwards comes too late.
    """
    with _lock:
        container = Container()
        if PluggableRunContext in container:
            context: Any = container[PluggableRunContext]
            if isinstance(context.context, ExplicitContext):
                return
            stop_telemetry()  # somebody's own dlt in this process
            context.reload(ExplicitContext("."))
        else:
            container[PluggableRunContext] = PluggableRunContext(ExplicitContext("."))


def _hand_over_logging() -> None:
    """dlt's own handler would print past our redaction: its records go to the root logger instead."""
    logger = dlt_logger.LOGGER
    if isinstance(logger, logging.Logger):
        logger.handlers.clear()
        logger.propagate = True
