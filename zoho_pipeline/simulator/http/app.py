"""The simulator as an ASGI application: authentication, routing, limits, credits, faults and the log."""

import asyncio
import logging
import socket
import struct
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qsl

from zoho_pipeline.simulator.accounts import consent, token_endpoint
from zoho_pipeline.simulator.api.routes import ROUTES
from zoho_pipeline.simulator.calls import limits, quirks
from zoho_pipeline.simulator.calls.call import Call, Route
from zoho_pipeline.simulator.calls.scopes import granted
from zoho_pipeline.simulator.control import endpoints
from zoho_pipeline.simulator.faults import Fault, header_of, misdate, refusal_of, spoil
from zoho_pipeline.simulator.hub import Hub, LoggedCall
from zoho_pipeline.simulator.org_handle import OrgHandle
from zoho_pipeline.simulator.state.org import Org
from zoho_pipeline.simulator.state.tokens import AccessToken
from zoho_pipeline.simulator.wire import Answer, Refusal, Request, no_permission, scope_mismatch, unknown_url

log = logging.getLogger(__name__)
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

ACCOUNTS: dict[tuple[str, str], Callable[[Hub, Request], Answer]] = {
    ("POST", "/oauth/v2/token"): token_endpoint.token_endpoint,
    ("POST", "/oauth/v2/token/revoke"): token_endpoint.revoke_endpoint,
    ("GET", "/oauth/serverinfo"): token_endpoint.server_info,
    ("GET", "/oauth/v2/auth"): consent.page,
    ("POST", "/oauth/v2/auth"): consent.decide,
}


class App:
    """Answers every path of one simulator."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        request = await read_request(scope, receive)
        transport = scope.get("state", {}).get("transport")
        if request.path.startswith("/_control/"):
            with self._hub.lock:
                answer = endpoints.handle(self._hub, request)
            await _send(send, self._hub, answer)
            return
        fault = self._arrive(request)
        if fault is not None and fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
        if fault is not None and fault.kind == "reset":
            _reset(transport)
            return
        if request.path.startswith("/crm/"):
            answer = await self._api(request, fault)
        else:
            answer = self._accounts(request, fault)
        with self._hub.lock:
            for hook in self._hub.due_hooks(request.path, after=True):
                hook.action()
        if fault is not None and fault.kind == "reset_after":
            _reset(transport)
            return
        if fault is not None and fault.kind in ("wrong_date", "no_date", "bad_date"):
            answer.headers["date"] = misdate(fault, self._hub.clock)
        if fault is not None:
            answer.headers |= header_of(fault)
        if answer.is_endless:
            await _send_without_end(send, self._hub, answer, transport)
            return
        await _send(send, self._hub, answer, cut=fault is not None and fault.kind == "truncated")

    def _arrive(self, request: Request) -> Fault | None:
        with self._hub.lock:
            for hook in self._hub.due_hooks(request.path, after=False):
                hook.action()
            return self._hub.faults.take(request)

    def _accounts(self, request: Request, fault: Fault | None) -> Answer:
        with self._hub.lock:
            answer = None if fault is None else refusal_of(fault.kind)
            if answer is None and fault is not None and fault.kind == "throttle":
                answer = token_endpoint.throttle_answer(self._hub)
            if answer is None:
                handler = ACCOUNTS.get((request.method, request.path.rstrip("/")))
                answer = (
                    Answer(404, b"<html>not found</html>", "text/html")
                    if handler is None
                    else handler(self._hub, request)
                )
                if fault is not None:
                    answer = spoil(fault, answer)
            self._log(request, answer, 0, None)
            return answer

    async def _api(self, request: Request, fault: Fault | None) -> Answer:
        hub = self._hub
        with hub.lock:
            started = self._admit(request, fault)
        if isinstance(started, Answer):
            return started
        call, found, price = started
        sub = found.sub_limited(call)
        try:
            if hub.switches.latency:
                await asyncio.sleep(hub.switches.latency)
            with hub.lock:
                answer = quirks.dress(hub.switches, request, self._handle(call, found))
                if fault is not None:
                    answer = spoil(fault, answer)
                limits.mark_remaining(hub, call.org, answer)
                self._log(request, answer, price, call.org)
            if answer.body_later is not None:
                answer.body = await asyncio.to_thread(answer.body_later)
            return answer
        finally:
            with hub.lock:
                limits.leave(call.org, call.grant.client_id, sub_limited=sub)

    def _admit(self, request: Request, fault: Fault | None) -> Answer | tuple[Call, Route, int]:
        """Check token, path, scopes, simultaneous calls and credits, in Zoho's order.

        Returns the call, its route and its price in credits, or the answer that refuses it.
        """
        org = None
        try:
            token = self._authenticate(request)
            handle = self._hub.orgs[token.grant.org_id]
            org = handle.state
            if fault is not None:
                self._strike(fault, token)
            call, found = self._route(request, token, handle)
            limits.enter(self._hub, org, token.grant.client_id, sub_limited=found.sub_limited(call))
            price = found.price(call)
            try:
                limits.spend(self._hub, org, price)
            except Refusal:
                limits.leave(org, token.grant.client_id, sub_limited=found.sub_limited(call))
                raise
            return call, found, price
        except Refusal as refusal:
            answer = refusal.answer()
            if org is not None:
                limits.mark_remaining(self._hub, org, answer)
            if fault is not None and fault.kind == "credits":
                answer.headers["x-api-credits-remaining"] = "0"
            self._log(request, answer, 0, org)
            return answer

    def _strike(self, fault: Fault, token: AccessToken) -> None:
        if fault.kind in ("concurrency", "credits"):
            raise limits.rate_limited(self._hub)
        if fault.kind == "expired_token":
            self._hub.tokens.expire(token.value)
        answer = refusal_of(fault.kind)
        if answer is not None:
            raise _Struck(answer)

    def _authenticate(self, request: Request) -> AccessToken:
        kind, _, value = request.headers.get("authorization", "").partition(" ")
        if kind != "Zoho-oauthtoken" or not value:
            raise Refusal(401, "AUTHENTICATION_FAILURE", "Authentication failed")
        token = self._hub.tokens.find(value)
        if token is None:
            raise Refusal(401, self._hub.switches.unauthorized_code, "invalid oauth token")
        return token

    def _route(self, request: Request, token: AccessToken, org: OrgHandle) -> tuple[Call, Route]:
        grant = token.grant
        quirks.refuse_lacking(self._hub.switches, request.path)
        call = Call(self._hub, request, org.state, org.bulk, org.users[grant.user_id], grant, {})
        first = next((found for found in ROUTES if found.pattern.match(request.path)), None)
        if first is None:
            raise unknown_url()
        # a path may have one route per method; a later pattern that matches too is another path
        same = (found for found in ROUTES if found.pattern == first.pattern and request.method in found.methods)
        found = next(same, None)
        if found is None:
            raise Refusal(400, "INVALID_REQUEST_METHOD", "The http request method type is not a valid one")
        match = found.pattern.match(request.path)
        call.parts = match.groupdict() if match else {}
        self._permit(call, found)
        return call, found

    def _permit(self, call: Call, found: Route) -> None:
        if not call.user.api_access:
            raise no_permission("Crm_Implied_Api_Access")
        if not granted(call.grant.scopes, found.scopes(call)):
            raise scope_mismatch()
        if self._hub.switches.unknown_params == "reject":
            for name in call.query:
                if name not in found.params:
                    raise Refusal(400, "INVALID_DATA", "unknown parameter", {"param_name": name})

    def _handle(self, call: Call, found: Route) -> Answer:
        try:
            return found.handler(call)
        except Refusal as refusal:
            return refusal.answer()
        except Exception:
            log.exception("the simulator failed at %s %s", call.request.method, call.request.path)
            return Refusal(500, "INTERNAL_ERROR", "the simulator itself failed; see its log").answer()

    def _log(self, request: Request, answer: Answer, price: int, org: Org | None) -> None:
        is_coql = request.path.endswith("/coql")
        self._hub.requests.append(
            LoggedCall(
                request.method, request.path, {} if request.path.startswith("/oauth/") else dict(request.query),
                answer.status, price, None if org is None else org.id, request.headers.get("if-modified-since"),
                self._hub.clock.epoch(), request.body.decode("utf-8", "replace") if is_coql else None,
            )
        )  # fmt: skip


class _Struck(Refusal):
    """A refusal with the answer of an ordered fault."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status, "FAULT", "a fault was ordered for this call")
        self._answer = answer

    def answer(self) -> Answer:
        return self._answer


async def read_request(scope: MutableMapping[str, Any], receive: Receive) -> Request:
    """Read a whole request from ASGI messages."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    return Request(scope["method"], scope["path"], query, headers, body)


async def _send(send: Send, hub: Hub, answer: Answer, *, cut: bool = False) -> None:
    headers = {"date": hub.clock.http_date(hub.switches.date_offset)} | answer.headers
    if not headers["date"]:
        del headers["date"]
    if answer.body or answer.status not in (204, 304):
        headers |= {"content-type": answer.content_type}
        if not hub.switches.chunked or cut:
            headers["content-length"] = str(len(answer.body))
    if not hub.switches.keep_alive:
        headers["connection"] = "close"
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": raw})
    if cut:  # half of the announced length; the server closes the connection when this returns
        await send({"type": "http.response.body", "body": answer.body[: len(answer.body) // 2], "more_body": True})
        return
    if hub.switches.chunked and answer.body:
        half = len(answer.body) // 2
        await send({"type": "http.response.body", "body": answer.body[:half], "more_body": True})
        answer = Answer(body=answer.body[half:])
    await send({"type": "http.response.body", "body": answer.body})


async def _send_without_end(send: Send, hub: Hub, answer: Answer, transport: Any) -> None:
    """Send the answer in chunks, then blanks until the client has closed the connection."""
    headers = {"date": hub.clock.http_date(), "content-type": answer.content_type} | answer.headers
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": raw})
    await send({"type": "http.response.body", "body": answer.body, "more_body": True})
    while not transport.is_closing():
        await send({"type": "http.response.body", "body": b" " * (1 << 18), "more_body": True})
        await asyncio.sleep(0)


def _reset(transport: Any) -> None:
    """Drop the connection with a TCP reset."""
    linger = struct.pack("ii", 1, 0)
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    transport.abort()
