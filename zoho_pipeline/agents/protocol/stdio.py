"""MCP over standard input and output, for an agent that runs on this machine."""

import asyncio
from typing import Any

import anyio

from zoho_pipeline import stopping
from zoho_pipeline.agents.caller import Caller
from zoho_pipeline.agents.desk import Desk
from zoho_pipeline.agents.protocol.server import AgentServer


def run_stdio(desk: Desk, caller: Caller, version: str) -> None:
    """Answer the messages on standard input until it ends.

    Nothing but messages of the protocol is written to standard output: while it runs, other prints go to standard
    error.

    Raises:
        BrokenPipeError: the agent ended before it had read all answers.
    """
    server = AgentServer(desk, lambda _: caller, version)

    async def answer() -> None:
        asyncio.get_running_loop().set_exception_handler(_handle)
        await server.run_stdio_async()

    try:
        anyio.run(answer)
    except BaseExceptionGroup as group:
        if group.split(BrokenPipeError)[1] is not None:
            raise
        raise BrokenPipeError from None  # the agent has gone, which is no failure: `cli/program.py` ends quietly


def _handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A signal ends tasks in their middle, and what they raise then is its consequence. One of six stops logged it as
    an unhandled exception."""
    if stopping.requested() is None:
        loop.default_exception_handler(context)
