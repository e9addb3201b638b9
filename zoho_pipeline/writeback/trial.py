"""A dry run against Zoho itself: it reads the lead, says what a wish would do now, and changes nothing."""

from typing import Any

from zoho_pipeline.channels.access.client_factory import open_client
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.reading.leads import KnownLead
from zoho_pipeline.settings import UsageError
from zoho_pipeline.writeback.errors import StatusUnmapped, WritebackOff
from zoho_pipeline.writeback.judge import judge
from zoho_pipeline.writeback.switch import switch_of
from zoho_pipeline.writeback.wishes import Wish, meaning
from zoho_pipeline.zoho.connection.pacing import Pacing
from zoho_pipeline.zoho.parsing import is_digits
from zoho_pipeline.zoho.read.lead_status import read_lead_status
from zoho_pipeline.zoho.write.lead_status import change_request

LONGEST_ID = 32
_WOULD = {"write": "write", "unchanged": "nothing", "done": "nothing", "refuse": "refuse", "conflict": "conflict"}


def try_wish(registry: Registry, channel_id: str, lead_id: str, word: str, expected: str | None) -> dict[str, Any]:
    """What a wish would do now: {would: write|nothing|refuse|conflict, request, why}. It costs one credit.

    Args:
        expected: the status that the user saw; None: the one that Zoho has now.

    Raises:
        WritebackOff: the channel has no map. UsageError: a word has no status, or the id has not the form of one.
        ZohoError: Zoho does not answer.
    """
    if not (is_digits(lead_id) and len(lead_id) <= LONGEST_ID):
        raise UsageError(
            f"{lead_id[:40]!r} is no id of a lead. An id has up to {LONGEST_ID} digits; the column zoho_lead_id of the "
            "mart lead has it."
        )
    channel, switch = registry.get(channel_id), switch_of(registry, channel_id)
    if switch is None:
        raise WritebackOff(
            f"the write-back of channel {channel_id} was never on, so there is no map. Switch it on with: "
            f"zoho-pipeline writeback on {channel_id} --map FILE"
        )
    with open_client(registry.settings, registry, channel, pacing=Pacing(attempts=2)) as client:
        try:
            seen = read_lead_status(client, lead_id)
        finally:
            registry.add_credits(channel_id, client.meter.credits)
    if seen is None:
        return {"would": "refuse", "request": None, "why": "Zoho has no such lead, or the user does not see it."}
    lead = KnownLead(lead_id, seen.status, seen.is_converted, seen.modified_at)
    try:
        meant = meaning(switch, Wish(lead, word, expected))
    except StatusUnmapped as error:
        raise UsageError(f"{error} Known are: {', '.join(error.known)}.") from None
    verdict = judge(meant.desired, meant.expected, seen.status, is_converted=seen.is_converted, policy=switch.policy)
    request = None
    if verdict.action == "write":
        request = change_request(lead_id, meant.desired, switch.trigger, seen.modified_time)
    why = verdict.why if switch.works else f"{verdict.why} But write-back is {switch.state}, so nothing is sent."
    return {"would": _WOULD[verdict.action], "request": request, "why": why}
