"""The demo's landing page: visitors send its form to the real door over HTTP, as their browsers do with forms.js.

The door is served on a free port for a moment. This costs about a second. In return the demo passes origin, consent,
hashing and queue as every form does.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit
from urllib.request import ProxyHandler, Request, build_opener
from uuid import uuid4

from zoho_pipeline.cli.demo.place import CHANNEL, Place

if TYPE_CHECKING:
    from zoho_pipeline.cli.session import Session
    from zoho_pipeline.simulator.demo.visitors import Visitor


def send_forms(session: "Session", place: Place, visitors: "Sequence[Visitor]") -> str:
    """Make a form key for the demo's channel, and let each visitor send the form once. The key.

    Raises:
        PipelineError: no port of this machine can be used.
    """
    from zoho_pipeline.channels.forms.form_keys import FormKeys
    from zoho_pipeline.simulator.demo.content import SITE

    form, _ = FormKeys(session.registry).add(CHANNEL, [SITE])
    with _door(place) as url:
        for visitor in visitors:
            _send(f"{url}/v1/forms/{form.form_key}", SITE, visitor)
    return form.form_key


def _send(url: str, page: str, visitor: "Visitor") -> None:
    """Post what forms.js posts. `submitted_at` is added, as a phone does that had no network for an hour."""
    fields = {
        "submission_id": str(uuid4()),
        "submitted_at": visitor.sent_at.isoformat(),
        "consent[analytics]": "true",
        "consent[text_version]": "2026-05",
        "email": visitor.email,
        "phone": visitor.phone,
        "hp": "",
        "form_id": "demo",
        "landing_url": visitor.landing_url,
        "referrer": visitor.post.canonical_url or "",
        **dict(parse_qsl(urlsplit(visitor.landing_url).query)),
        "elapsed_ms": "41000",
    }
    opener = build_opener(ProxyHandler({}))  # the address is loopback, so no proxy may be used
    request = Request(url, urlencode(fields).encode(), {"Origin": page})  # noqa: S310 (the URL is our own door)
    with opener.open(request, timeout=60) as answer:
        answer.read()


@contextmanager
def _door(place: Place) -> Iterator[str]:
    """The web server on a free port of loopback, in a thread; its URL."""
    import uvicorn

    from zoho_pipeline.service_settings import ServiceSettings
    from zoho_pipeline.web.app import create_app
    from zoho_pipeline.web.http.protocol import uvicorn_options
    from zoho_pipeline.web.serving.server import listen

    listening = listen("127.0.0.1", 0)
    port = listening.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(create_app(place.settings(), ServiceSettings()), **uvicorn_options()))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:  # the socket listens already, so the first request waits until the server answers
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()
        listening.close()
