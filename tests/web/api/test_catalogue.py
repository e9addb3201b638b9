"""The catalogue of channel types, with its ETag."""

import pytest
from fastapi.testclient import TestClient

from zoho_pipeline.zoho.accounts.data_centers import BUILT_IN


def test_the_catalogue_needs_no_key(client: TestClient) -> None:
    answer = client.get("/v1/catalogue")
    assert answer.status_code == 200
    assert answer.json() == [
        {
            "type": "ZohoCRM",
            "name": "Zoho CRM",
            "iconKey": "zoho",
            "description": "Import leads from Zoho CRM and measure content-to-lead attribution.",
            "authenticationType": "oauth2",
            "requiresUrl": False,
            "isActive": True,
            "categories": ["crm"],
            "regions": [center.name for center in BUILT_IN],
        }
    ]


@pytest.mark.parametrize("form", ["{}", "W/{}", '"x", {}', "*"])
def test_an_unchanged_catalogue_is_not_sent_again(client: TestClient, form: str) -> None:
    tag = client.get("/v1/catalogue").headers["ETag"]
    answer = client.get("/v1/catalogue", headers={"If-None-Match": form.format(tag)})
    assert (answer.status_code, answer.content, answer.headers["ETag"]) == (304, b"", tag)
    assert client.get("/v1/catalogue", headers={"If-None-Match": '"other"'}).status_code == 200
