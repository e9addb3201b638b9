"""The application that stands for the real one while that is loaded."""

import asyncio
import subprocess
import sys
from threading import Event
from typing import Any

from zoho_pipeline.web.serving.loading import LoadingApp


def test_the_first_answers_have_the_headers_of_every_answer() -> None:
    loading = Event()

    def load() -> Any:
        loading.wait(30)
        raise RuntimeError("it could not be loaded")

    async def run() -> list[dict[str, Any]]:
        app = LoadingApp(load, lambda: None, lambda _: None)
        sent: list[dict[str, Any]] = []

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        scope = {"type": "http", "method": "GET", "headers": []}
        filling = asyncio.create_task(app._fill())
        await app({**scope, "path": "/healthz"}, receive, send)
        loading.set()
        await app({**scope, "path": "/v1/catalogue"}, receive, send)
        await filling
        return [message for message in sent if message["type"] == "http.response.start"]

    alive, failed = asyncio.run(run())
    assert (alive["status"], failed["status"]) == (200, 503)
    for answer in (alive, failed):
        names = {name.lower() for name, _ in answer["headers"]}
        assert {b"x-request-id", b"x-content-type-options", b"referrer-policy", b"content-security-policy"} <= names


def test_the_garbage_collector_passes_over_the_loaded_application() -> None:
    program = """
import asyncio, gc
from fastapi import FastAPI
from zoho_pipeline.web.serving.loading import LoadingApp

async def run():
    app = LoadingApp(FastAPI, lambda: print(len(gc.get_objects()), gc.get_freeze_count()), print)
    await app._fill()

asyncio.run(run())
"""  # in a process of its own: what is kept once is kept until the process ends
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    looked_at, passed_over = map(int, found.stdout.split())
    assert passed_over > 10 * looked_at
