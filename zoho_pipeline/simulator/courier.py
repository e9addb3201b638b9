"""The courier: a thread that posts the notices of all orgs to their `notify_url`.

It sends in order, or in reverse, once or several times, with or without the token: the switches `push_…` say so. It
holds the simulator's lock only to take a notice, because the receiver may call the simulator before it answers.
"""

import threading
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import parse_qsl, urlsplit
from urllib.request import HTTPHandler, HTTPRedirectHandler, ProxyHandler, Request, build_opener

import orjson

from zoho_pipeline.simulator.hub import Hub
from zoho_pipeline.simulator.state.subscriptions import Notice

ANSWER_SECONDS = 10.0
RETRY_SECONDS = 0.2


@dataclass(frozen=True)
class Delivery:
    """A post of the courier. `status` is 0 where nobody answered."""

    url: str
    status: int
    module: str
    operation: str
    ids: tuple[str, ...]
    at_ms: int


class _NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


class Courier:
    """Posts what waits, in a thread of its own."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._stopping = threading.Event()
        self._idle = threading.Event()
        self._opener = build_opener(ProxyHandler({}), HTTPHandler(), _NoRedirect())
        self.sent: list[Delivery] = []
        self._thread = threading.Thread(target=self._run, name="zoho-courier", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; what waits is not sent. A second call does nothing."""
        self._stopping.set()
        self._hub.shared.announced.set()
        self._thread.join()

    def wait_until_idle(self, seconds: float = 30.0) -> bool:
        """Wait until nothing waits to be sent; False when that takes longer."""
        with self._hub.lock:
            if not any(handle.state.board.waiting for handle in self._hub.orgs.values()) and self._idle.is_set():
                return True
            self._idle.clear()
            self._hub.shared.announced.set()
        return self._idle.wait(seconds)

    def _run(self) -> None:
        announced = self._hub.shared.announced
        while True:
            announced.wait()
            if self._stopping.is_set():
                return
            with self._hub.lock:
                self._idle.clear()
                notice = self._next()
                if notice is None:
                    announced.clear()
                    self._idle.set()
                    continue
                body, repeats = self._body(notice), self._hub.switches.push_repeats
                retries = self._hub.switches.push_retries
            for _ in range(repeats):
                self._deliver(notice, body, retries)

    def _next(self) -> Notice | None:
        switches = self._hub.switches
        if switches.push_paused:
            return None
        waiting = [h.state.board.waiting for h in self._hub.orgs.values() if h.state.board.waiting]
        if not waiting:
            return None
        first = min(waiting, key=lambda notices: notices[0].at_ms)
        return first.pop() if switches.push_reversed else first.pop(0)

    def _body(self, notice: Notice) -> bytes:
        switches, subscription = self._hub.switches, notice.subscription
        affected: list[Any] = [{row_id: names} for row_id, names in notice.fields.items() if names]
        if switches.push_affected == "flat":
            affected = sorted({name for names in notice.fields.values() for name in names})
        elif switches.push_affected == "empty" or notice.operation != "update":
            affected = []
        body: dict[str, Any] = {
            "server_time": notice.at_ms,
            "query_params": dict(parse_qsl(urlsplit(subscription.notify_url).query)),
            "module": notice.module,
            "resource_uri": f"{self._hub.url}/crm/v2/{notice.module}",
            "ids": notice.ids,
            "affected_fields": affected,
            "operation": notice.operation,
            "channel_id": subscription.channel_id,
        }
        if subscription.with_values:
            body["affected_values"] = [{"record_id": i, "values": values} for i, values in notice.values.items()]
        if switches.push_echo == "right":
            body["token"] = subscription.token
        elif switches.push_echo == "null":
            body["token"] = None
        return orjson.dumps(body)

    def _deliver(self, notice: Notice, body: bytes, retries: int) -> None:
        for _ in range(retries + 1):
            status = self._post(notice.subscription.notify_url, body)
            url = notice.subscription.notify_url
            self.sent.append(Delivery(url, status, notice.module, notice.operation, tuple(notice.ids), notice.at_ms))
            if 200 <= status < 300 or self._stopping.wait(RETRY_SECONDS if retries else 0):
                return

    def _post(self, url: str, body: bytes) -> int:
        request = Request(url, body, {"Content-Type": "application/json"}, method="POST")  # noqa: S310 (checked)
        try:
            with self._opener.open(request, timeout=ANSWER_SECONDS) as answer:
                return int(answer.status)
        except HTTPError as error:
            return error.code
        except (URLError, OSError, ValueError):
            return 0
