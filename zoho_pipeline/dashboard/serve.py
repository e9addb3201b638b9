"""Serves an app of Streamlit on this machine, so that nothing leaves it."""

import socket
from importlib.util import find_spec
from pathlib import Path

from zoho_pipeline.settings import PipelineError

APP = Path(__file__).with_name("app.py")
HOST = "127.0.0.1"
"""Streamlit asks nobody for a password, so the app listens on this machine only."""

OPTIONS = {
    "global.developmentMode": "false",  # else it is on wherever Streamlit is in no folder called site-packages
    "browser.gatherUsageStats": "false",  # else the pages report to Streamlit's servers
    "server.headless": "true",  # asks for no e-mail address
    "server.fileWatcherType": "none",
    "client.toolbarMode": "minimal",
    "client.showErrorDetails": "none",  # an error of an app shows its source else
}


class DashboardError(PipelineError):
    """The dashboard cannot be served; the message says what to do."""


def serve(port: int, app: Path = APP) -> None:
    """Serve the app on 127.0.0.1 until Ctrl-C or SIGTERM.

    Options on the command line win over those that a person keeps in `~/.streamlit`.

    Raises:
        DashboardError: Streamlit is not installed, there is no such app, or the port is in use.
    """
    if find_spec("streamlit") is None:
        raise DashboardError("the dashboard needs Streamlit. Install it with: pip install 'zoho-pipeline[dashboard]'")
    if app.suffix != ".py" or not app.is_file():
        raise DashboardError(f"{app} is no Python file. Give the path of an app of Streamlit.")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise DashboardError(f"port {port} of {HOST} cannot be used. Choose another one with --port.") from error
    from streamlit import net_util
    from streamlit.web import cli

    # When a page of another site tries to connect, Streamlit asks a server of Amazon for the address of this machine,
    # to know whether that site is itself. The answer that is kept here ends that (streamlit 1.67, net_util.py).
    net_util._external_ip = net_util._internal_ip = HOST
    options = {**OPTIONS, "server.address": HOST, "server.port": str(port)}
    cli.main(
        ["run", str(app), *(f"--{name}={value}" for name, value in options.items())],
        standalone_mode=False,
    )
