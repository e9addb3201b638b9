"""The count call: fifty credits and minutes behind. `coql.count` is exact and costs one; this is for want of it."""

from zoho_pipeline.zoho.connection.client import ZohoClient
from zoho_pipeline.zoho.errors import BadAnswer
from zoho_pipeline.zoho.read.pages import module_path


def records(client: ZohoClient, module: str, *, criteria: str | None = None, cvid: str | None = None) -> int:
    """How many records match `criteria` (`(Created_Time:greater_than:…)`) or the view, not both.

    Needs ZohoSearch.securesearch.READ, which the default scopes leave out. The number lags by 1 to 10 minutes.
    """
    params = {name: value for name, value in (("criteria", criteria), ("cvid", cvid)) if value is not None}
    path = module_path(module, "actions", "count")
    answer = client.get(path, params)
    value = None if answer.data is None else answer.data.get("count")
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise BadAnswer(f"GET {path}: the answer holds no count.")
