"""MCP over standard input and output, for an agent that runs on this machine."""

import anyio

from zoho_pipeline.agents.caller import Caller
from zoho_pipeline.agents.desk import Desk
from zoho_pipeline.agents.protocol.server import AgentServer


def run_stdio(desk: Desk, caller: Caller, version: str) -> None:
    """Answer the messages on standard input until it ends.

    Nothing but messages of the protocol is written to standard output: while it runs, other prints go to standard
    error.
    """
    server = AgentServer(desk, lambda _: caller, version)
    anyio.run(server.run_stdio_async)
