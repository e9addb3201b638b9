"""A bare client for the tests of the simulator: httpx and a token, and no code of the pipeline."""

from typing import Any

import httpx

from zoho_pipeline.simulator import Simulator

ALL_SCOPES = (
    "ZohoCRM.modules.ALL ZohoCRM.modules.emails.READ ZohoCRM.users.READ ZohoCRM.org.READ ZohoCRM.settings.ALL "
    "ZohoCRM.coql.READ ZohoCRM.bulk.READ ZohoSearch.securesearch.READ"
)
CLIENT = {"client_id": "1000.CLIENT", "client_secret": "s3cret"}


class Api:
    """Calls a simulator with one access token. Paths are relative to `/crm/v7`."""

    def __init__(self, sim: Simulator, refresh_token: str) -> None:
        self.http = httpx.Client(base_url=sim.url, timeout=10, verify=False)  # no CA file to load for loopback
        self.refresh_token = refresh_token
        self.token = self.mint()["access_token"]

    def mint(self, **changes: str) -> dict[str, Any]:
        form = {"grant_type": "refresh_token", "refresh_token": self.refresh_token} | CLIENT | changes
        return dict(self.http.post("/oauth/v2/token", data=form).json())

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Zoho-oauthtoken {self.token}"}

    def get(self, path: str, since: str | None = None, **params: Any) -> httpx.Response:
        extra = {} if since is None else {"If-Modified-Since": since}
        full = path if path.startswith("/crm") else f"/crm/v7{path}"
        return self.http.get(full, params=params, headers=self.headers | extra)

    def coql(self, query: str) -> httpx.Response:
        return self.http.post("/crm/v7/coql", json={"select_query": query}, headers=self.headers)

    def bulk(self, query: dict[str, Any]) -> httpx.Response:
        return self.http.post("/crm/bulk/v7/read", json={"query": query}, headers=self.headers)

    def walk(self, module: str, **params: Any) -> list[dict[str, Any]]:
        """Return all rows of a module, by page tokens."""
        rows: list[dict[str, Any]] = []
        while True:
            answer = self.get(f"/{module}", **params)
            if answer.status_code == 204:
                return rows
            body = answer.json()
            assert answer.status_code == 200, body
            rows += body["data"]
            if not body["info"]["more_records"]:
                return rows
            params = {k: v for k, v in params.items() if k != "page"} | {"page_token": body["info"]["next_page_token"]}


def code_of(answer: httpx.Response) -> tuple[int, str]:
    """Return the status and the error code of a refusal."""
    return answer.status_code, answer.json()["code"]


def leads(count: int, **values: Any) -> list[dict[str, Any]]:
    """Add leads, one per second from 2026-01-05T00:00:00Z on."""
    first = 1_767_571_200
    return [{"Last_Name": f"Lead {n:05}", "Created_Time": first + n, **values} for n in range(count)]
