"""The command `serve`: the web server of the front door."""

import os
import signal
from contextlib import ExitStack
from threading import Thread
from typing import TYPE_CHECKING

import click

from zoho_pipeline import stopping
from zoho_pipeline.cli.output import format_option, print_json, say
from zoho_pipeline.cli.program import leave
from zoho_pipeline.cli.session import Session

if TYPE_CHECKING:
    from fastapi import FastAPI

PORT = 8480


@click.command(short_help="Serve the connect popup, the channel pages and the API.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=PORT, show_default=True, help="The port; 0 takes a free one."
)
@click.option("--no-worker", is_flag=True, help="Start no worker. Syncs then need `work` or Dagster elsewhere.")
@click.option("--beside", is_flag=True, hidden=True, help="End when standard input ends.")
@format_option
def serve(host: str, port: int, no_worker: bool, beside: bool, output: str) -> None:
    """Serve the connect popup, the channel pages and the API, until Ctrl-C or SIGTERM.

    A worker runs beside the server: it runs the syncs that people request, and sends events to the platform.
    The output shows a link that opens the list of all channels once, within ten minutes. Browsers and Zoho reach the
    server at ZOHO_PIPELINE_PUBLIC_URL. Register that origin with the path /zohoCrm/callback in Zoho's API console.

    \b
    Examples:
      zoho-pipeline serve
      zoho-pipeline serve --host 0.0.0.0 --port 8480 --no-worker
    """
    if beside:
        Thread(target=_end_with_input, name="beside", daemon=True).start()
    try:
        _serve(host, port, output, starts_worker=not no_worker)
    except (Exception, KeyboardInterrupt):
        # a signal that comes while the server is imported ends it as cleanly as a later one
        if stopping.requested() is None:
            raise
    if output != "json":
        say("The server has stopped.")
    leave(0)  # a request in a thread may still run


def _end_with_input() -> None:
    """Stop when the process that started this server ends. The body of a thread."""
    stopping.wait_for_the_end_of_input()
    os.kill(os.getpid(), signal.SIGTERM)


def _serve(host: str, port: int, output: str, *, starts_worker: bool) -> None:
    from zoho_pipeline.service_settings import load_service_settings
    from zoho_pipeline.web.serving import server, worker_process

    service = load_service_settings()
    service.require_safe_host(host)
    session = Session()
    sock = server.listen(host, port)
    links: list[str] = []
    workers: list[worker_process.Beside] = []

    def load() -> "FastAPI":
        from zoho_pipeline.channels.database.clock import DatabaseClock
        from zoho_pipeline.web.app import create_app
        from zoho_pipeline.web.auth.operator import login_link
        from zoho_pipeline.web.auth.tokens import Tokens

        clock = DatabaseClock(session.registry.database)
        links.append(login_link(Tokens(session.settings.secret_keys, service.public_url, clock)))
        return create_app(session.settings, service, starts_worker=starts_worker)

    def announce() -> None:
        if starts_worker:  # only now: a worker would say the same again about a registry that cannot be used
            workers.append(beside.enter_context(worker_process.worker_beside()))
        bound = sock.getsockname()[1]
        if output == "json":
            print_json({"public_url": service.public_url, "host": host, "port": bound, "login_url": links[0]})
            return
        say(f"Serving {service.public_url} on {host}:{bound}. Press Ctrl-C to stop.")
        say(f"All channels: {links[0]} (this link works once, within ten minutes)")

    def stops(number: int) -> None:
        for worker in workers:  # it ends while the requests end
            worker.stop(number)

    with ExitStack() as beside:
        server.serve(load, sock, announce, stops=stops)
