"""Reads an org with Zoho's own SDK in a separate process, and prints what it read as JSON.

The SDK keeps its state in module globals and in a log handler, and these must not affect other tests.
Usage: official_sdk.py URL CLIENT_ID CLIENT_SECRET FOLDER, with the refresh token on standard input.
"""

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from zohocrmsdk.src.com.zoho.api.authenticator import OAuthToken
from zohocrmsdk.src.com.zoho.api.authenticator.store import FileStore
from zohocrmsdk.src.com.zoho.crm.api import HeaderMap, Initializer, ParameterMap
from zohocrmsdk.src.com.zoho.crm.api.dc import DataCenter
from zohocrmsdk.src.com.zoho.crm.api.fields import FieldsOperations, GetFieldsParam
from zohocrmsdk.src.com.zoho.crm.api.modules import ModulesOperations
from zohocrmsdk.src.com.zoho.crm.api.record import (
    GetDeletedRecordsParam,
    GetRecordsHeader,
    GetRecordsParam,
    RecordOperations,
)


def connect(url: str, client_id: str, secret: str, refresh_token: str, folder: Path) -> None:
    environment = DataCenter.Environment(url, f"{url}/oauth/v2/token", url)
    token = OAuthToken(client_id=client_id, client_secret=secret, refresh_token=refresh_token, find_user=False)
    store = FileStore(str(folder / "tokens.csv"))
    Initializer.initialize(environment, token, store=store, resource_path=str(folder))


def leads() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    token: str | None = None
    while True:
        params = ParameterMap()
        params.add(GetRecordsParam.fields, "Last_Name,Company,Email,Created_Time,Converted__s,Owner")
        params.add(GetRecordsParam.converted, "both")
        params.add(GetRecordsParam.sort_by, "id")
        params.add(GetRecordsParam.sort_order, "asc")
        if token:
            params.add(GetRecordsParam.page_token, token)
        answer = RecordOperations("Leads").get_records(params, HeaderMap()).get_object()
        for record in answer.get_data():
            created: datetime = record.get_key_value("Created_Time")
            rows.append(
                {
                    "id": str(record.get_id()),
                    "name": record.get_key_value("Last_Name"),
                    "company": record.get_key_value("Company"),
                    "created": created.isoformat(),
                    "converted": record.get_key_value("Converted__s"),
                    "owner": str(record.get_key_value("Owner").get_id()),
                }
            )
        info = answer.get_info()
        if not info.get_more_records():
            return rows
        token = info.get_next_page_token()


def since_tomorrow() -> int:
    headers = HeaderMap()
    headers.add(GetRecordsHeader.if_modified_since, datetime.fromisoformat("2999-01-01T00:00:00+00:00"))
    params = ParameterMap()
    params.add(GetRecordsParam.fields, "Last_Name")
    status: int = RecordOperations("Leads").get_records(params, headers).get_status_code()
    return status


def deleted() -> list[dict[str, Any]]:
    params = ParameterMap()
    params.add(GetDeletedRecordsParam.type, "all")
    answer = RecordOperations("Leads").get_deleted_records(params, HeaderMap()).get_object()
    return [{"id": str(row.get_id()), "type": row.get_type()} for row in answer.get_data()]


def modules() -> list[str]:
    return [module.get_api_name() for module in ModulesOperations().get_modules().get_object().get_modules()]


def fields() -> dict[str, str]:
    params = ParameterMap()
    params.add(GetFieldsParam.module, "Leads")
    answer = FieldsOperations().get_fields(params).get_object()
    return {field.get_api_name(): field.get_data_type() for field in answer.get_fields()}


def main() -> None:
    url, client_id, secret, folder = sys.argv[1:]
    connect(url, client_id, secret, sys.stdin.read().strip(), Path(folder))
    seen = {
        "leads": leads(),
        "tomorrow": since_tomorrow(),
        "deleted": deleted(),
        "modules": modules(),
        "fields": fields(),
    }
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
