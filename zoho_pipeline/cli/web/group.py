"""The group `web`: what the web server and the worker need to know about the platform that embeds them."""

import click


@click.group(short_help="Keys, origins and endpoints of the platform.")
def web() -> None:
    """Set up how a platform uses the web server: what it may call, and where events are sent."""
