"""`demo --web` and `demo --ui`: a server on the data of the last demo, with the simulator beside it."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from zoho_pipeline import stopping
from zoho_pipeline.cli.demo.place import CHANNEL, DATA_CENTER, UI, WEB, Place, is_in_use, used_place
from zoho_pipeline.cli.output import say
from zoho_pipeline.settings import PipelineError

SECONDS_TO_END = 1.5
"""How long Dagster's UI or the web server may take to end after Ctrl-C. What it has stored is whole at any time."""

_CONNECT = f"channel_id={CHANNEL}&region={DATA_CENTER}"


def run_ui(home: Path, port: int) -> None:
    """Run Dagster's UI and daemon on the demo's data, with the simulator beside them, until Ctrl-C."""
    from zoho_pipeline.orchestration.instance.home import prepare_dagster_home

    if find_spec("dagster_webserver") is None:
        raise PipelineError("Dagster's UI is not installed. Run: pip install 'zoho-pipeline[ui]'")
    quiet = ("-W", "ignore:Function `dev_command`")  # the warning recommends a newer name of the command
    command = [sys.executable, *quiet, "-m", "dagster", "dev", "-m", "zoho_pipeline.definitions", "-p", str(port)]
    shown = f"Dagster's UI on http://127.0.0.1:{port} (Ctrl-C ends both)"
    # Dagster leaves its sockets in the temporary folder when it has no time to end. The paths of sockets must be short,
    # so HOME is no place for them.
    with used_place(home, UI) as place, TemporaryDirectory(ignore_cleanup_errors=True) as temporary:
        more = {"DAGSTER_HOME": str(prepare_dagster_home(place.settings())), "TMPDIR": temporary}
        _run_beside_zoho(place, "Dagster's UI", command, more, shown, other=WEB)


def run_web(home: Path, port: int) -> None:
    """Run the web server and its worker on the demo's data, with the simulator beside them, until Ctrl-C."""
    from zoho_pipeline.web.serving.worker_process import PROGRAM

    with used_place(home, WEB) as place:
        public_url, key = f"http://localhost:{port}", _demo_key(place)
        shown = f"""Ctrl-C ends everything.
The API:      {public_url}/docs
Try it:       curl -H "Authorization: Bearer {key}" {public_url}/v1/channels/{CHANNEL}
Connect:      curl -H "Authorization: Bearer {key}" "{public_url}/zohoCrm/connect?{_CONNECT}"
              Open the start_url of the answer in a browser, and accept."""
        command = [*PROGRAM, "serve", "--beside", "--port", str(port)]
        _run_beside_zoho(place, "The web server", command, {"ZOHO_PIPELINE_PUBLIC_URL": public_url}, shown, other=UI)


def _run_beside_zoho(
    place: Place, what: str, command: list[str], more: dict[str, str], shown: str, *, other: str
) -> None:
    """Run a command on the demo's data, with the simulator beside it, until it ends or Ctrl-C.

    Args:
        more: variables beside those of the place.
        shown: is printed when the simulator runs.
        other: `WEB` or `UI`, which may run in another terminal. Then its simulator serves both.
    """
    others = {name: value for name, value in os.environ.items() if not name.startswith("ZOHO_")}
    with _zoho(place, other) as found:
        say(f"{found}; {shown}")
        code = _until_interrupted(command, {**others, **place.environment, **more})
    if code:
        raise PipelineError(f"{what} ended with exit code {code}. Its lines above give the reason.")


@contextmanager
def _zoho(place: Place, other: str) -> Iterator[str]:
    """Run the simulator of the demo until the end of the block, and save it; a line that says where it is."""
    from zoho_pipeline.cli.simulator import started

    running = None
    try:
        # the channel of the demo is connected to this port, so only a new demo can have another one
        running = started(place.port, place.state, "Or run `zoho-pipeline demo` again: it takes a free port.")
    except PipelineError:
        if not is_in_use(place.home, other):
            raise
    if running is None:
        yield f"Zoho is the simulator of `demo --{other}` in the other terminal, and ends with it"
        return
    with running:
        try:
            yield f"Zoho simulator on {running.url}"
        finally:
            running.save(place.state)


def _demo_key(place: Place) -> str:
    """A new API key for the demo's tenant; keys of earlier runs end."""
    from zoho_pipeline.channels.platform.keys import ApiKeys
    from zoho_pipeline.cli.session import Session

    keys = ApiKeys(Session(place.settings()).registry.database)
    for old in keys.list():
        if old.name == CHANNEL and old.revoked_at is None:
            keys.revoke(old.id)
    scopes = ("connect", "read", "pii", "sync", "admin")
    return keys.add(CHANNEL, tenants=[CHANNEL], scopes=scopes)[1].reveal()


def _until_interrupted(command: list[str], env: dict[str, str]) -> int:
    """Run a program until it ends, and return its exit code; Ctrl-C, SIGTERM or the end of the terminal ends it, with
    exit code 0.

    It runs in a session of its own, because Ctrl-C at the terminal would reach it and its children twice. So nothing
    else would end it with the terminal.
    """
    outlives_terminal = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN  # by nohup
    numbers = stopping.SIGNALS if outlives_terminal else (*stopping.SIGNALS, signal.SIGHUP)
    # a shell starts `make ui &` with SIGINT ignored; a child that inherits this cannot be interrupted
    before = {number: signal.signal(number, signal.default_int_handler) for number in numbers}
    # its input ends with this process: after a kill, the next one would find its port in use
    child = subprocess.Popen(command, env=env, start_new_session=True, stdin=subprocess.PIPE)

    def kill() -> None:
        os.killpg(child.pid, signal.SIGKILL)

    try:
        with stopping.own_handling(), stopping.before_the_end(kill):
            return _ended(child, kill, numbers)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ended(child: "subprocess.Popen[bytes]", kill: Callable[[], None], numbers: tuple[signal.Signals, ...]) -> int:
    """Wait for the end of a child, and return its exit code. After a signal it gets a moment, and the code is 0."""
    try:
        return child.wait()
    except KeyboardInterrupt:
        for number in numbers:  # a terminal that is closed sends SIGHUP itself and by its shell
            signal.signal(number, lambda *_: None)
        stopping.announce("\nStopping …\n")
        child.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            child.wait(timeout=SECONDS_TO_END)
        with suppress(ProcessLookupError):  # also children of the child that it did not wait for
            kill()
        child.wait()
        return 0
