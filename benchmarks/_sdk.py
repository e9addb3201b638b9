"""Reads leads with Zoho's official Python SDK and does nothing with them: its own objects, 200 rows per call."""

from pathlib import Path

from benchmarks._baselines import Spent, timed
from benchmarks._simulator_process import CLIENT, CLIENT_SECRET, RunningSimulator


def read_by_sdk(zoho: RunningSimulator, rows: int, folder: Path) -> Spent:
    """Measure how long the SDK takes to read `rows` leads (2,000 at most), without its start."""
    from zohocrmsdk.src.com.zoho.api.authenticator.oauth_token import OAuthToken
    from zohocrmsdk.src.com.zoho.api.authenticator.store import FileStore
    from zohocrmsdk.src.com.zoho.crm.api import ParameterMap
    from zohocrmsdk.src.com.zoho.crm.api.dc import DataCenter
    from zohocrmsdk.src.com.zoho.crm.api.initializer import Initializer
    from zohocrmsdk.src.com.zoho.crm.api.record import GetRecordsParam, RecordOperations

    folder.mkdir()
    environment = DataCenter.Environment(zoho.url, f"{zoho.url}/oauth/v2/token", zoho.url)
    token = OAuthToken(client_id=CLIENT, client_secret=CLIENT_SECRET, refresh_token=zoho.token)
    store = FileStore(str(folder / "tokens.csv"))
    Initializer.initialize(environment, token, store=store, resource_path=str(folder))
    names = "Last_Name,First_Name,Company,Email,Phone,Lead_Source,Lead_Status,City,Annual_Revenue,Modified_Time"

    def page(number: int) -> int:
        parameters = ParameterMap()
        parameters.add(GetRecordsParam.fields, names)
        parameters.add(GetRecordsParam.page, number)
        parameters.add(GetRecordsParam.per_page, 200)
        answer = RecordOperations("Leads").get_records(parameters)
        return len(answer.get_object().get_data())

    page(1)  # it first stores the metadata of the module in its own files
    read: list[int] = []
    spent = timed(lambda: read.extend(page(number) for number in range(1, rows // 200 + 1)))
    if sum(read) != rows:
        raise RuntimeError(f"the SDK read {sum(read)} leads instead of {rows}")
    return spent
