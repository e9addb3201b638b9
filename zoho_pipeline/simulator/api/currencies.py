"""GET /org/currencies: only the home currency, as in an org without multi-currency (docs/zoho-facts.md, section 11)."""

from zoho_pipeline.simulator.calls.call import Call
from zoho_pipeline.simulator.wire import Answer, as_json

_PLACES = {"JPY": "0", "KWD": "3"}


def list_currencies(call: Call) -> Answer:
    """The home currency with its decimal places."""
    code = call.org.currency
    home = {"iso_code": code, "is_base": True, "is_active": True, "decimal_places": _PLACES.get(code, "2")}
    return as_json({"currencies": [home]})
