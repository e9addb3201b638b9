"""`simulator`: a local Zoho CRM on a port, empty or with a generated company."""

import os
import secrets
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zoho_pipeline.cli.output import say
from zoho_pipeline.settings import PipelineError, UsageError

if TYPE_CHECKING:
    from zoho_pipeline.simulator import Simulator

DEFAULT_PORT = 9000
CLIENT_ID = "1000.SIMULATOR"


@click.command(short_help="Run the local Zoho CRM on a port.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=DEFAULT_PORT,
    show_default=True,
    help="The port; 0 takes a free one.",
)
@click.option(
    "--state",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Snapshot file: start from it when it exists, and save to it at the end.",
)
@click.option(
    "--world",
    type=click.Choice(["empty", "company"]),
    default="empty",
    show_default=True,
    help="The content of the simulator.",
)
@click.option("--seed", type=int, default=7, show_default=True, help="The same seed makes the same company.")
def simulator(port: int, state: Path | None, world: str, seed: int) -> None:
    """Run a local Zoho CRM until Ctrl-C: OAuth, records, Bulk Read, COQL, and a control plane.

    With --world company it holds a small company with nine months of leads, and prints the commands that
    connect it.

    \b
    Examples:
      zoho-pipeline simulator --world company
      zoho-pipeline simulator --port 9001 --state zoho.json
    """
    known = state is not None and state.exists()
    with started(port, state if known else None) as sim:
        say(f"Zoho simulator on {sim.url}, control plane under {sim.url}/_control")
        if world == "company" and not known:
            _company(sim, seed)
        try:
            say("Press Ctrl-C to stop.")
            sim.wait()
        except KeyboardInterrupt:
            say("")
        if state is not None:
            sim.save(state)
            say(f"The state is saved in {state}.")


def started(port: int, state: Path | None = None, cure: str = "Choose another port with --port.") -> "Simulator":
    """Start a simulator; `cure` is what the user of this command can do about a port that is taken.

    Raises:
        PipelineError: the port is taken.
        UsageError: `state` is not a snapshot.
    """
    from zoho_pipeline.simulator import Simulator, SimulatorError

    if state is not None and (state.is_dir() or not os.access(state, os.R_OK)):
        reason = "it is a folder" if state.is_dir() else "this user may not read it"
        raise UsageError(f"the simulator cannot start from {state}: {reason}. Move it away, or name another file.")
    try:
        return Simulator.start(port=port, state=state)
    except OSError as error:
        raise PipelineError(
            f"port {port} cannot be used ({error.strerror}). End the program that uses it. {cure}"
        ) from error
    except (ValueError, SimulatorError) as error:
        raise UsageError(f"the simulator cannot start from {state}: {error}") from error


def _company(sim: "Simulator", seed: int) -> None:
    """Build the company, write its token and its content catalogue to HOME, and print how to connect it."""
    from zoho_pipeline.cli.session import Session
    from zoho_pipeline.simulator.demo.company import build_company
    from zoho_pipeline.zoho.accounts.scopes import DEFAULT_SCOPES

    folder = Session().settings.home / "simulator"
    folder.mkdir(mode=0o700, exist_ok=True)
    company = build_company(sim, seed=seed)
    secret = secrets.token_hex(16)
    token, catalogue = folder / "refresh-token", folder / "content.csv"
    token.write_text(company.org.grant(CLIENT_ID, secret, DEFAULT_SCOPES) + "\n")
    company.write_content(catalogue)
    data_centers = f'{{"sim": "{sim.url}"}}'
    say(f"{company.org.name}: {len(company.org.rows('Leads'))} leads, {len(company.items)} content items.\n")
    say(f"  export ZOHO_PIPELINE_DATA_CENTERS='{data_centers}'")
    say(f"  export ZOHO_CLIENT_ID={CLIENT_ID} ZOHO_CLIENT_SECRET={secret}")
    say(f"  zoho-pipeline channels add kaveri --data-center sim --refresh-token-file {shlex.quote(str(token))}")
    say(f"  zoho-pipeline content load kaveri {shlex.quote(str(catalogue))}")
    say("  zoho-pipeline sync && zoho-pipeline transform && zoho-pipeline insight kaveri\n")
