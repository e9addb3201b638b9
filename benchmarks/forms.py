"""Measures form capture: 60 posts per second from 20 senders for a minute, on SQLite and on Postgres.

The web server runs in a process of its own with the settings of the product, behind a proxy that names the visitors. It
is killed right behind an answer: each acknowledged submission must be in the registry. The limits of the product hold,
so each post has a visitor's address of its own, and the posts go to ten form keys. Every tenth visitor does not agree.
BENCH_FORMS_SECONDS makes it shorter.
"""

import ipaddress
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from uuid import uuid4

from sqlalchemy import select

from benchmarks import Figure
from benchmarks._senders import SENDERS, Senders, serving
from tests.channels.conftest import CONNECTION
from tests.postgres import running_postgres
from zoho_pipeline.channels.forms.form_keys import FormKeys
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.channels.registry.tables import form_submissions
from zoho_pipeline.settings import Secret, load_settings

SECONDS = float(os.environ.get("BENCH_FORMS_SECONDS", "60"))
RATE, KEYS = 60.0, 10
P99 = 0.250
PAGE = "https://www.acme.in"


def measure() -> Iterator[Figure]:
    """The 99th percentile against its goal, posts that were refused, and acknowledged submissions that a kill lost."""
    for engine in ("SQLite", "Postgres"):
        with running_postgres() if engine == "Postgres" else nullcontext("") as url:
            yield from _on(engine, url)


def _on(engine: str, url: str) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        env = {"ZOHO_PIPELINE_HOME": str(Path(folder) / "home"), "ZOHO_PIPELINE_TRUSTED_PROXIES": "127.0.0.0/8"}
        env |= {"ZOHO_PIPELINE_REGISTRY": url} if url else {}
        registry = Registry(load_settings(env))
        registry.add("acme", Secret("1000.bench"), CONNECTION)
        keys = [FormKeys(registry).add("acme", [PAGE])[0].form_key for _ in range(KEYS)]
        with serving(env) as (server, port):
            load = _Posts(port, keys)
            load.run(SECONDS, kill=server)
        with registry.database.read() as transaction:
            stored = set(transaction.scalars(select(form_submissions.c.submission_id)))
    times = sorted(load.times)
    found = times[int(len(times) * 0.99) - 1]
    what = f"{engine}: p99 of {len(times)} posts at {len(times) / SECONDS:.0f}/s from {SENDERS} senders"
    yield Figure(what, f"{found * 1000:.0f} ms", f"a goal of {P99 * 1000:.0f} ms", found / P99, 1.0)
    yield Figure(
        f"{engine}: posts that were refused", str(load.refused), f"{len(times)} taken", float(load.refused), 0.0
    )
    lost = len(load.acknowledged - stored)
    what = f"{engine}: acknowledged submissions that a kill lost"
    yield Figure(what, str(lost), f"{len(load.acknowledged)} acknowledged", float(lost), 0.0)


class _Posts(Senders):
    """Each post is of another visitor. Every tenth one does not agree, so nothing of it is kept."""

    status = 202

    def __init__(self, port: int, keys: Sequence[str]) -> None:
        super().__init__(port, RATE)
        self._keys = keys

    def request(self, number: int) -> tuple[str, str, dict[str, str], str | None]:
        agrees, id_ = number % 10 > 0, str(uuid4())
        body = {"submission_id": id_, "consent": {"analytics": agrees, "text_version": "1"}}
        body |= {"email": f"visitor{number}@acme.in", "phone": f"98765{number:05d}", "utm_source": "blog"}
        body |= {
            "elapsed_ms": 9000,
            "landing_url": f"{PAGE}/seo?utm_source=blog",
            "referrer": "https://www.google.com/",
        }
        address = str(ipaddress.ip_address("100.64.0.0") + number)
        headers = {"Origin": PAGE, "Content-Type": "application/json", "X-Forwarded-For": address}
        return f"/v1/forms/{self._keys[number % KEYS]}", json.dumps(body), headers, id_ if agrees else None
