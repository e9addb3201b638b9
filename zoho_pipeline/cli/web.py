"""The group of the commands `web …`."""

import click


@click.group(short_help="Say who may use the web server.")
def web() -> None:
    """Say who may use the web server: API keys, pages that may embed ours, the operator."""
