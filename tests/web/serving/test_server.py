"""The server as a process of its own, met over real sockets."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import httpx
import pytest

from tests.conftest import SCRUBBED
from tests.params import choice
from zoho_pipeline.settings import PipelineError
from zoho_pipeline.web.http.bodies import HEAD_BYTES
from zoho_pipeline.web.serving.server import STOPPING, listen
from zoho_pipeline.web.serving.worker_process import worker_beside

PROGRAM = """
import asyncio, os, sys
from fastapi import Response
from fastapi.responses import StreamingResponse
from zoho_pipeline.settings import load_settings
from zoho_pipeline.service_settings import ServiceSettings
from zoho_pipeline.web.app import create_app
from zoho_pipeline.web.http import protocol
from zoho_pipeline.web.serving import server

class Impatient(protocol.LimitedProtocol):
    head_seconds = float(sys.argv[1])
    read_seconds = float(sys.argv[1])

def load():
    app = create_app(load_settings(), ServiceSettings())

    def begun() -> None:
        print("begun", file=sys.stderr, flush=True)

    @app.get("/slow")
    def slow(seconds: float) -> dict:
        import time
        begun()
        time.sleep(seconds)
        return {"slept": seconds}

    @app.get("/waits")
    async def waits() -> None:
        begun()
        await asyncio.sleep(600)

    @app.get("/bytes")
    async def some(mib: int, close: bool = False) -> Response:
        return Response(b"x" * mib * 2**20, headers={"Connection": "close"} if close else None)

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def parts():
            begun()
            while True:
                yield b"y" * 4096
                await asyncio.sleep(0)
        return StreamingResponse(parts())

    return app

sock = server.listen("127.0.0.1", 0)
server.serve(load, sock, lambda: print(sock.getsockname()[1], flush=True), Impatient)
print("stopped", flush=True)
os._exit(0)  # as the command `serve`: a request may still run in a thread
"""


class Process:
    def __init__(self, home: Path, head_seconds: float) -> None:
        env = {name: value for name, value in os.environ.items() if not name.startswith(SCRUBBED)}
        env |= {"ZOHO_PIPELINE_HOME": str(home)}
        command = [sys.executable, "-c", PROGRAM, str(head_seconds)]
        self.errors = home.parent / "stderr"
        with self.errors.open("w") as errors:
            self.child = subprocess.Popen(
                command, env=env, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=home.parent
            )
        assert self.child.stdout is not None
        self.out = self.child.stdout
        self.port = int(self.out.readline())
        self.url = f"http://127.0.0.1:{self.port}"

    def resident_mib(self) -> float:
        lines = Path(f"/proc/{self.child.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))

    def wait_for_requests(self, number: int) -> None:
        """Until so many of `/slow`, `/waits` and `/stream` have begun."""
        end = time.monotonic() + 60
        while self.errors.read_text().count("begun") < number:
            assert time.monotonic() < end
            time.sleep(0.05)

    def open_connections(self) -> int:
        """The sockets of the server that have a peer."""
        names = [link.readlink().name for link in Path(f"/proc/{self.child.pid}/fd").iterdir() if link.is_symlink()]
        own = {name[len("socket:[") : -1] for name in names if name.startswith("socket:[")}
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        return sum(row[3] == "01" and row[9] in own for row in rows)

    def wait_for_connections(self, number: int) -> None:
        until = time.monotonic() + 30
        while self.open_connections() != number:
            assert time.monotonic() < until, self.open_connections()
            time.sleep(0.1)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)


@contextmanager
def impatient(home: Path) -> Iterator[Process]:
    found = Process(home, head_seconds=1.0)
    yield found
    found.child.kill()
    found.child.wait()


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A server for all tests of this file that leave it as it is."""
    with impatient(tmp_path_factory.mktemp("server") / "home") as found:
        yield found


def read_all(sock: socket.socket) -> bytes:
    found = b""
    try:
        while part := sock.recv(65536):
            found += part
    except ConnectionResetError:
        pass
    return found


@pytest.mark.long
def test_sigterm_finishes_what_runs_and_ends_with_0(tmp_path: Path) -> None:
    answers = []
    with impatient(tmp_path / "home") as process:
        slow = Thread(target=lambda: answers.append(httpx.get(f"{process.url}/slow?seconds=1.5", timeout=30)))
        slow.start()
        process.wait_for_requests(1)
        process.child.send_signal(signal.SIGTERM)
        slow.join()
        assert answers[0].json() == {"slept": 1.5}
        assert process.child.wait(timeout=30) == 0
        assert process.out.read().strip() == "stopped"


@pytest.mark.long
def test_ctrl_c_cuts_off_what_still_runs_and_logs_no_traceback(tmp_path: Path) -> None:
    """The function that runs in a thread is not waited for."""
    with impatient(tmp_path / "home") as process, ThreadPoolExecutor() as pool:
        paths = ("slow?seconds=600", "waits", "stream")
        answers = [pool.submit(status_of, f"{process.url}/{path}") for path in paths]
        process.wait_for_requests(3)
        process.child.send_signal(signal.SIGINT)
        assert process.child.wait(timeout=60) == 0
        assert process.out.read().strip() == "stopped"
        assert [answer.result() for answer in answers] == [503, 503, None]
    said = process.errors.read_text()
    assert "Traceback" not in said
    assert said.count("Stopping: requests that run are finished") == 1


def status_of(url: str) -> int | None:
    """The status of an answer that came to its end; None if the connection was cut."""
    try:
        return httpx.get(url, timeout=60).status_code
    except httpx.TransportError:
        return None


@pytest.mark.long
def test_a_second_ctrl_c_ends_a_server_at_once(tmp_path: Path) -> None:
    with impatient(tmp_path / "home") as process, ThreadPoolExecutor() as pool:
        answer = pool.submit(status_of, f"{process.url}/waits")
        process.wait_for_requests(1)
        process.child.send_signal(signal.SIGTERM)  # this alone would wait ten seconds for the request
        time.sleep(0.5)  # less would be the same Ctrl-C
        process.child.send_signal(signal.SIGINT)
        assert process.child.wait(timeout=60) == 130
        assert answer.result() is None
    assert "stopped at once by a second Ctrl-C" in process.errors.read_text()


def test_a_flood_of_headers_ends_by_itself(process: Process) -> None:
    with process.connect() as sock:
        sock.sendall(b"GET /healthz HTTP/1.1\r\nhost: a\r\n")
        with pytest.raises(OSError):  # noqa: PT012
            for number in range(100_000):
                sock.sendall(b"x-%d: %s\r\n" % (number, b"a" * 1000))
            raise AssertionError("100 MB of headers were taken")
    assert httpx.get(f"{process.url}/healthz").status_code == 200


@pytest.mark.parametrize("head", [b"GET /" + b"a" * 2 * HEAD_BYTES, b"GET / HTTP/1.1\r\nx: " + b"b" * 2 * HEAD_BYTES])
def test_one_endless_line_ends_by_itself(process: Process, head: bytes) -> None:
    with process.connect() as sock:
        sock.sendall(head)
        assert read_all(sock).startswith(b"HTTP/1.1 431")


def test_a_head_that_is_complete_and_too_large_is_refused(process: Process) -> None:
    with process.connect() as sock:
        sock.sendall(b"GET /healthz HTTP/1.1\r\nhost: a\r\nx: " + b"b" * HEAD_BYTES + b"\r\n\r\n")
        assert read_all(sock).startswith(b"HTTP/1.1 431")


@pytest.mark.parametrize("start", [b"", b"GET /healthz HTTP/1.1\r\nhost:", b"\r\n\r\n"])
def test_a_client_that_never_ends_its_head_is_cut(process: Process, start: bytes) -> None:
    with process.connect() as sock:
        sock.sendall(start) if start else None
        assert read_all(sock)[:13] == (b"HTTP/1.1 408 " if start else b"")


def test_a_slow_second_request_is_cut_too(process: Process) -> None:
    with process.connect() as sock:
        sock.sendall(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n")
        first = b""
        while not first.endswith(b'{"ok":true}'):
            first += sock.recv(65536)
        sock.sendall(b"GET /healthz HTTP/1.1\r\n")
        assert read_all(sock).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("junk", [b"\x00\x01\x02\r\n\r\n", b"GET /\xff HTTP/1.1\r\n\r\n", b"HELO mail\r\n\r\n"])
def test_what_is_no_http_is_a_bad_request(process: Process, junk: bytes) -> None:
    with process.connect() as sock:
        sock.sendall(junk)
        assert read_all(sock).startswith(b"HTTP/1.1 400")
    assert httpx.get(f"{process.url}/healthz").status_code == 200


def test_a_port_in_use_is_an_error_with_a_cure() -> None:
    with listen("127.0.0.1", 0) as taken, pytest.raises(PipelineError, match="choose another port"):
        listen("127.0.0.1", taken.getsockname()[1])


def test_a_worker_that_dies_is_started_again_and_stopped_at_the_end(tmp_path: Path) -> None:
    mark = tmp_path / "starts"
    body = (
        f"import time; open({str(mark)!r}, 'a').write('x'); "
        f"time.sleep(60 if len(open({str(mark)!r}).read()) > 1 else 0.1)"
    )
    with worker_beside([sys.executable, "-c", body]):
        until = time.monotonic() + 30
        while (mark.read_text() if mark.exists() else "") != "xx" and time.monotonic() < until:
            time.sleep(0.05)
        assert mark.read_text() == "xx"


def test_a_worker_that_is_being_started_ends_by_ctrl_c_without_a_traceback(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    started = tmp_path / "started"
    body = f"import pathlib, time; pathlib.Path({str(started)!r}).touch(); time.sleep(600)"
    with worker_beside([sys.executable, "-c", body]) as beside:
        until = time.monotonic() + 60
        while not started.exists() and time.monotonic() < until:
            time.sleep(0.05)
        beside.stop(signal.SIGINT)
    assert capfd.readouterr().err == ""


LOADING = """
import sys, time
from zoho_pipeline.settings import PipelineError
from zoho_pipeline.web.serving import server
sock = server.listen("127.0.0.1", 0)
print(sock.getsockname()[1], flush=True)

def load():
    sys.stdin.readline()
    if "fail" in sys.argv:
        raise PipelineError("the registry cannot be used")
    from fastapi import FastAPI
    app = FastAPI()
    app.state.on_stop = []
    app.get("/late")(lambda: "came")
    return app

try:
    server.serve(load, sock, lambda: print("ready", flush=True))
except PipelineError as error:
    print(error, flush=True)
    sys.exit(1)
"""


def loading(*arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", LOADING, *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_the_server_answers_while_the_application_is_loaded() -> None:
    with loading() as process:
        assert process.stdin is not None
        assert process.stdout is not None
        url = f"http://127.0.0.1:{int(process.stdout.readline())}"
        until = time.monotonic() + 30
        while True:
            try:
                health = httpx.get(f"{url}/healthz")
                break
            except httpx.ConnectError:
                assert time.monotonic() < until
        assert health.json() == {"ok": True}
        late: list[httpx.Response] = []
        waiting = Thread(target=lambda: late.append(httpx.get(f"{url}/late", timeout=60)))
        waiting.start()
        time.sleep(0.3)
        assert not late
        process.stdin.write("\n")
        process.stdin.flush()
        waiting.join()
        assert late[0].json() == "came"
        assert process.stdout.readline() == "ready\n"
        process.terminate()
        assert process.wait(30) == 0


def test_an_application_that_cannot_be_loaded_ends_the_server() -> None:
    with loading("fail") as process:
        output, _ = process.communicate("\n", timeout=30)
        assert output.splitlines()[1:] == ["the registry cannot be used"]
        assert process.returncode == 1


@pytest.mark.parametrize("path", ["/bytes?mib=8", "/bytes?mib=8&close=1", "/stream"])
def test_a_client_that_does_not_read_is_cut_and_costs_no_memory(process: Process, path: str) -> None:
    before = process.resident_mib()
    with process.connect() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.sendall(f"GET {path} HTTP/1.1\r\nhost: a\r\n\r\n".encode())
        assert sock.recv(100).startswith(b"HTTP/1.1 200")
        process.wait_for_connections(0)
    assert process.resident_mib() < before + 30
    assert httpx.get(f"{process.url}/healthz").status_code == 200


STOPPED_WHILE_IMPORTED = """
import os, signal, sys
from zoho_pipeline.cli import main

class Finder:
    def find_spec(self, name, path, target=None):
        if name == sys.argv[1]:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGTERM)

sys.meta_path.insert(0, Finder())
main(["serve", "--port", "0", "--no-worker"])
"""


@pytest.mark.parametrize(
    "module",
    choice(
        ["zoho_pipeline.web.serving", "uvicorn", "sqlalchemy", "zoho_pipeline.web.app", "fastapi.routing"],
        ["uvicorn", "zoho_pipeline.web.app"],
    ),
)
def test_sigterm_while_the_server_is_imported_is_a_clean_end(tmp_path: Path, module: str) -> None:
    """It was exit code 143, or the whole server began first and printed the traceback of its own end."""
    env = {**os.environ, "ZOHO_PIPELINE_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-c", STOPPED_WHILE_IMPORTED, module]
    ended = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (0, "The server has stopped.\n")
    assert ended.stderr in ("", STOPPING), "the second one after uvicorn has been imported"


@pytest.mark.long
def test_the_templates_of_the_pages_are_compiled_before_the_first_request(home: Path) -> None:
    code = (
        "from zoho_pipeline.service_settings import ServiceSettings\n"
        "from zoho_pipeline.settings import load_settings\n"
        "from zoho_pipeline.web.app import create_app\n"
        "from zoho_pipeline.web.pages.renderer import environment\n"
        "create_app(load_settings(), ServiceSettings())\n"
        "print(len(environment().cache) == len(environment().list_templates(extensions=['html'])) > 3)\n"
    )
    env = {**os.environ, "ZOHO_PIPELINE_HOME": str(home)}
    found = subprocess.run([sys.executable, "-W", "ignore", "-c", code], env=env, capture_output=True, text=True)
    assert found.stdout == "True\n", found.stderr
