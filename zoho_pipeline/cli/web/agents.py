"""The command `mcp`: the numbers for an agent on this machine."""

from importlib.metadata import version
from importlib.util import find_spec

import click

from zoho_pipeline.cli.session import Session
from zoho_pipeline.settings import PipelineError

MISSING = "the part for agents is not installed. Run: pip install 'zoho-pipeline[agents]'"


@click.command(short_help="Serve the numbers to an agent on this machine (MCP over stdio).")
@click.option("--channel", "channels", metavar="ID", multiple=True, help="Only this channel; repeat for several.")
def mcp(channels: tuple[str, ...]) -> None:
    """Speak the Model Context Protocol on standard input and output, until the input ends.

    An agent on this machine starts this command. It learns the numbers of the channels: sources, content, topics. It
    learns no name, address, company or record id. docs/agents.md shows the configuration of common agents. For agents
    elsewhere, `zoho-pipeline serve` answers at /mcp.

    \b
    Examples:
      zoho-pipeline mcp
      zoho-pipeline mcp --channel acme --channel globex
    """
    from zoho_pipeline.agents.caller import Caller
    from zoho_pipeline.agents.desk import Desk
    from zoho_pipeline.service_settings import load_service_settings

    if find_spec("mcp") is None:
        raise PipelineError(MISSING)
    service = load_service_settings()
    session = Session()
    for channel in channels:
        session.registry.get(channel)
    published = session.warehouse.published_pool()
    desk = Desk(lambda: session.registry, lambda: published)
    caller = Caller("local:mcp", None, frozenset(channels) or None, service.agents_pii == "masked")
    from zoho_pipeline.agents.protocol.stdio import run_stdio

    run_stdio(desk, caller, version("zoho-pipeline"))
