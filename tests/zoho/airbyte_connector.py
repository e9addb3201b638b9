"""What Airbyte's connector reads: `PYTHON airbyte_connector.py URL CLIENT_ID CLIENT_SECRET`, refresh token on stdin.

Run by the interpreter of an environment of its own (its dependencies do not go with ours). The one thing
changed is its table of addresses, which knows Zoho's data centres alone.
"""

import json
import logging
import sys
from types import MappingProxyType
from typing import Any

from airbyte_cdk.models import SyncMode  # type: ignore[import-not-found, unused-ignore]
from source_zoho_crm import SourceZohoCrm  # type: ignore[import-not-found, unused-ignore]
from source_zoho_crm.api import ZohoAPI  # type: ignore[import-not-found, unused-ignore]


def main(url: str, client_id: str, client_secret: str) -> None:
    ZohoAPI._DC_REGION_TO_ACCESS_URL = ZohoAPI._DC_REGION_TO_API_URL = MappingProxyType({"US": url})
    config = {
        "client_id": client_id,
        "client_secret": client_secret,
        "refresh_token": sys.stdin.read(),
        "dc_region": "US",
        "environment": "Production",
        "edition": "Enterprise",
    }
    source = SourceZohoCrm()
    works, problem = source.check_connection(logging.getLogger("airbyte"), config)
    streams = {stream.module.api_name: stream for stream in source.streams(config)}

    def read(module: str, state: dict[str, Any]) -> list[dict[str, Any]]:
        return list(streams[module].read_records(SyncMode.incremental, stream_state=state))

    newest = {"Modified_Time": "2026-03-01T15:00:00+00:00"}
    seen = {
        "works": works,
        "problem": str(problem or ""),
        "streams": sorted(streams),
        "columns": sorted(streams["Leads"].get_json_schema()["properties"]),
        "leads": read("Leads", {}),
        "newer": read("Leads", newest),
    }
    print(json.dumps(seen, default=str))


if __name__ == "__main__":
    main(*sys.argv[1:4])
