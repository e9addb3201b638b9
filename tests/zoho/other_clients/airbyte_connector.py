"""Reads an org with Airbyte's connector: `PYTHON airbyte_connector.py URL CLIENT_ID CLIENT_SECRET [timed]`.

The refresh token is on standard input. It prints one JSON line: what it read, or with `timed` how long it read leads,
without its start. The interpreter of a separate environment runs it, because its dependencies conflict with ours. Only
its table of addresses is changed, because it has only Zoho's data centers.
"""

import json
import logging
import sys
import time
from itertools import islice
from types import MappingProxyType
from typing import Any

from airbyte_cdk.models import SyncMode  # type: ignore[import-not-found, unused-ignore]
from source_zoho_crm import SourceZohoCrm  # type: ignore[import-not-found, unused-ignore]
from source_zoho_crm.api import ZohoAPI  # type: ignore[import-not-found, unused-ignore]

MOST_ROWS = 2_000
"""Zoho refuses the eleventh page of 200 rows (DISCRETE_PAGINATION_LIMIT_EXCEEDED), and then the connector fails."""


def main(url: str, client_id: str, client_secret: str, what: str = "seen") -> None:
    ZohoAPI._DC_REGION_TO_ACCESS_URL = ZohoAPI._DC_REGION_TO_API_URL = MappingProxyType({"US": url})
    config = {
        "client_id": client_id,
        "client_secret": client_secret,
        "refresh_token": sys.stdin.read(),
        "dc_region": "US",
        "environment": "Production",
        "edition": "Enterprise",
    }
    told = _timed(SourceZohoCrm(), config) if what == "timed" else _seen(SourceZohoCrm(), config)
    print(json.dumps(told, default=str))


def _timed(source: Any, config: dict[str, str]) -> dict[str, Any]:
    (leads,) = (stream for stream in source.streams(config) if stream.module.api_name == "Leads")
    leads.get_json_schema()
    began, used = time.perf_counter(), time.process_time()
    rows = sum(1 for _ in islice(leads.read_records(SyncMode.incremental, stream_state={}), MOST_ROWS))
    return {"rows": rows, "seconds": time.perf_counter() - began, "cpu": time.process_time() - used}


def _seen(source: Any, config: dict[str, str]) -> dict[str, Any]:
    works, problem = source.check_connection(logging.getLogger("airbyte"), config)
    streams = {stream.module.api_name: stream for stream in source.streams(config)}

    def read(module: str, state: dict[str, Any]) -> list[dict[str, Any]]:
        return list(streams[module].read_records(SyncMode.incremental, stream_state=state))

    newest = {"Modified_Time": "2026-03-01T15:00:00+00:00"}
    return {
        "works": works,
        "problem": str(problem or ""),
        "streams": sorted(streams),
        "columns": sorted(streams["Leads"].get_json_schema()["properties"]),
        "leads": read("Leads", {}),
        "newer": read("Leads", newest),
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
