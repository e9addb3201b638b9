"""Leads read by Airbyte's connector, nothing done to them.

`PYTHON _airbyte.py URL CLIENT_ID CLIENT_SECRET`, the refresh token on standard input, run by the interpreter of an
environment of its own (its libraries do not go with ours). The one thing changed in it is its table of addresses,
which knows Zoho's data centres alone. Prints one JSON line: rows, seconds, CPU seconds; its start apart.
"""

import json
import sys
import time
from itertools import islice
from types import MappingProxyType

MOST_ROWS = 2_000
"""Its eleventh page of 200 is refused by Zoho (DISCRETE_PAGINATION_LIMIT_EXCEEDED), and the connector with it."""


def _main(url: str, client_id: str, client_secret: str) -> None:
    from airbyte_cdk.models import SyncMode  # type: ignore[import-not-found, unused-ignore]
    from source_zoho_crm import SourceZohoCrm  # type: ignore[import-not-found, unused-ignore]
    from source_zoho_crm.api import ZohoAPI  # type: ignore[import-not-found, unused-ignore]

    ZohoAPI._DC_REGION_TO_ACCESS_URL = ZohoAPI._DC_REGION_TO_API_URL = MappingProxyType({"US": url})
    config = {
        "client_id": client_id,
        "client_secret": client_secret,
        "refresh_token": sys.stdin.read(),
        "dc_region": "US",
        "environment": "Production",
        "edition": "Enterprise",
    }
    (leads,) = (stream for stream in SourceZohoCrm().streams(config) if stream.module.api_name == "Leads")
    leads.get_json_schema()
    began, used = time.perf_counter(), time.process_time()
    rows = sum(1 for _ in islice(leads.read_records(SyncMode.incremental, stream_state={}), MOST_ROWS))
    told = {"rows": rows, "seconds": time.perf_counter() - began, "cpu": time.process_time() - used}
    print(json.dumps(told))


if __name__ == "__main__":
    _main(*sys.argv[1:4])
