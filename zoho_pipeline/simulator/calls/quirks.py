"""The form of answers in which real orgs may differ: empty answers, `info` of the last page, missing calls."""

import orjson

from zoho_pipeline.simulator.switches import Switches
from zoho_pipeline.simulator.wire import Answer, Request, page_info, unknown_url


def refuse_lacking(switches: Switches, path: str) -> None:
    """Raises Refusal for a call that the switch `lacking` names."""
    if switches.lacking and any(part in path for part in switches.lacking.split(",")):
        raise unknown_url()


def dress(switches: Switches, request: Request, answer: Answer) -> Answer:
    """Give the answer the form that the switches set."""
    if request.path.startswith("/crm/bulk/"):
        return answer
    if answer.status == 204 and switches.empty_as_list:
        info = page_info(200, 0, 1, more=False)
        return Answer(200, orjson.dumps({_key(request.path): [], "info": info}), headers=answer.headers)
    if answer.status == 200 and not switches.info_on_last_page:
        return _without_last_info(answer)
    return answer


def _key(path: str) -> str:
    parts = path.strip("/").split("/")
    if "settings" in parts:
        return parts[parts.index("settings") + 1]
    return {"users": "users", "Emails": "Emails"}.get(parts[-1], "data")


def _without_last_info(answer: Answer) -> Answer:
    body = orjson.loads(answer.body)
    if isinstance(body, dict) and isinstance(body.get("info"), dict) and body["info"].get("more_records") is False:
        del body["info"]
        answer.body = orjson.dumps(body)
    return answer
