"""The commands `writeback …`: the switch of a channel's write-back, and its conflicts."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoho_pipeline.cli.output import format_option, print_json, print_rows, say
from zoho_pipeline.cli.program import CommandFailed
from zoho_pipeline.cli.progress import working
from zoho_pipeline.cli.session import Session
from zoho_pipeline.logs import printable

if TYPE_CHECKING:
    from zoho_pipeline.writeback.model import Writeback

_SHOWN = ("channel_id", "state", "policy", "trigger", "open", "conflicts", "checked_at", "detail")
_WHO = "command line"
_POLICIES = ("zoho_wins", "platform_wins", "hold")

channel_argument = click.argument("channel_id", metavar="ID")


@click.group("writeback", short_help="Write the status of leads to Zoho.")
def writeback() -> None:
    """Let the platform change the status of leads in Zoho. It is off until you switch it on for a channel.

    \b
    Example:  zoho-pipeline writeback on acme --map statuses.json --policy hold
    """


@writeback.command("on", short_help="Switch write-back on, or change its map or policy.")
@channel_argument
@click.option(
    "--map",
    "map_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="JSON with to_zoho and from_zoho. Without it, the map of before stays.",
)
@click.option(
    "--policy",
    type=click.Choice(_POLICIES),
    help="What happens if Zoho has a status that nobody expected.  [default: zoho_wins, or the one of before]",
)
@click.option(
    "--trigger",
    type=click.Choice(["none", "workflow"]),
    help="Which automation Zoho runs after a change.  [default: none, or the one of before]",
)
@format_option
def switch_on(channel_id: str, map_file: Path | None, policy: Any, trigger: Any, output: str) -> None:
    """Switch write-back on, or change it. Wishes that are not sent yet follow the new map and policy.

    The whole map is compared with Zoho's list of lead statuses first. If one value is not in the list, nothing is
    switched on. A worker sends the wishes (see `zoho-pipeline work`).

    \b
    Examples:
      zoho-pipeline writeback on acme --map statuses.json
      zoho-pipeline writeback on acme --policy platform_wins
    """
    from zoho_pipeline.writeback.status_map import read_map
    from zoho_pipeline.writeback.switch import known_switch
    from zoho_pipeline.writeback.switch import switch_on as turn_on

    session = Session()
    channel, before = session.registry.get(channel_id), known_switch(session.registry, channel_id)
    if map_file is None and before is None:
        raise click.UsageError("write-back of this channel has no map yet: give --map FILE.")
    words = read_map(map_file) if map_file is not None else before.words if before else None
    assert words is not None
    policy = policy or (before.policy if before else "zoho_wins")
    trigger = trigger or (before.trigger if before else "none")
    with working("Comparing the map with Zoho", output == "table"):
        turn_on(session.registry, channel, words, policy=policy, trigger=trigger)
    if output == "json":
        print_json(_as_dict(session, channel_id))
        return
    say(f"Write-back of channel {channel_id} is on: {len(words.to_zoho)} words, policy {policy}, trigger {trigger}.")
    say("Next: keep a worker running with: zoho-pipeline work")


@writeback.command("off", short_help="Switch write-back off.")
@channel_argument
@format_option
def switch_off(channel_id: str, output: str) -> None:
    """Switch write-back off. Wishes that are not sent yet end as refused. The map stays for the next time.

    \b
    Example:  zoho-pipeline writeback off acme
    """
    from zoho_pipeline.writeback.switch import switch_off as turn_off

    session = Session()
    session.registry.get(channel_id)
    ended = turn_off(session.registry, channel_id, _WHO)
    if output == "json":
        shown = _as_dict(session, channel_id) or {"channel_id": channel_id, "state": "off"}
        print_json(shown | {"ended": ended})
        return
    say(f"Write-back of channel {channel_id} is off. Wishes that ended because of it: {ended}.")


@writeback.command("status", short_help="The switches, and what waits.")
@click.argument("channel_id", metavar="[ID]", required=False)
@format_option
def status(channel_id: str | None, output: str) -> None:
    """Show the switch of a channel, or of all channels: its state, its policy, what is open and what waits for you.

    \b
    Examples:
      zoho-pipeline writeback status
      zoho-pipeline writeback status acme --format json
    """
    from zoho_pipeline.writeback import wishes

    session = Session()
    ids = [channel.id for channel in session.registry.list()] if channel_id is None else [channel_id]
    if channel_id is not None:
        session.registry.get(channel_id)
    found = [shown for name in ids if (shown := _as_dict(session, name))]
    waiting: list[Writeback] = []
    damaged: list[str] = []
    if channel_id:
        with session.registry.database.read() as transaction:
            waiting, damaged = wishes.unfinished(transaction, channel_id, 100)
    if output == "json":
        one = found[0] if found else {"channel_id": channel_id, "state": "off"}
        print_json(one | {"waiting": [_waiting(wish) for wish in waiting]} if channel_id else found)
        return
    if not found:
        say("Write-back is off. Switch it on with: zoho-pipeline writeback on ID --map FILE")
        return
    print_rows(found, _SHOWN)
    if waiting:
        print_rows([_waiting(wish) for wish in waiting], title="Not at their end")
    for writeback_id in damaged:
        say(f"{writeback_id} is damaged. End it with: zoho-pipeline writeback resolve {writeback_id} keep")


@writeback.command("try", short_help="Say what a wish would do, without doing it.")
@channel_argument
@click.argument("lead_id", metavar="LEAD")
@click.argument("word", metavar="STATUS")
@click.option("--expected", metavar="STATUS", help="The status that the user saw. Default: the one in Zoho now.")
@format_option
def try_it(channel_id: str, lead_id: str, word: str, expected: str | None, output: str) -> None:
    """Read a lead at Zoho, and say what a wish for it would do now. Nothing is changed, here or in Zoho.

    \b
    Example:  zoho-pipeline writeback try acme 4000000000012 contacted
    """
    from zoho_pipeline.writeback.trial import try_wish

    with working("Asking Zoho", output == "table"):
        found = try_wish(Session().registry, channel_id, lead_id, word, expected)
    if output == "json":
        print_json(found)
        return
    say(f"It would {'do nothing' if found['would'] == 'nothing' else found['would']}: {found['why']}")
    if found["request"]:
        request = found["request"]
        say(f"{request['method']} {request['path']}")
        for name, value in request["headers"].items():
            say(f"{name}: {value}")
        print_json(request["body"])


@writeback.command("resolve", short_help="Decide about a conflict that waits.")
@click.argument("writeback_id", metavar="WRITEBACK")
@click.argument("choice", type=click.Choice(["keep", "force"]))
@click.option(
    "--found-status",
    "found_status",
    metavar="STATUS",
    help="Zoho's status that you saw: found_status of `writeback status`, or an empty text for no status. If another "
    "one waits by now, nothing is decided.",
)
@format_option
def resolve(writeback_id: str, choice: Any, found_status: str | None, output: str) -> None:
    """Decide about a conflict that waits: keep Zoho's status, or force the wish over the status that it shows.

    In a terminal, the command shows Zoho's status and asks. A script names the status that it saw by --found-status.

    \b
    Examples:
      zoho-pipeline writeback resolve wb_0123456789abcdef01234567 keep
      zoho-pipeline writeback resolve wb_0123456789abcdef01234567 force --found-status "Lost Lead"
    """
    from zoho_pipeline.writeback import wishes
    from zoho_pipeline.writeback.errors import OtherQuestion, WritebackRefused

    registry = Session().registry
    wish = wishes.get(registry, writeback_id)
    seen = wish.zoho_status if found_status is None else found_status or None
    if found_status is None and wish.waits_for_a_person and sys.stdin.isatty():
        _confirm(wish, choice)
    try:
        decided = wishes.resolve(registry, writeback_id, choice, _WHO, question=wishes.question_of(seen))
    except OtherQuestion as error:
        now = wishes.get(registry, writeback_id)
        raise CommandFailed(f"{error} It has {_named(now)} now. Nothing was decided.") from None
    except WritebackRefused as error:
        raise CommandFailed(str(error)) from None
    if output == "json":
        print_json(_waiting(decided))
        return
    stays = f"Zoho's status stays: {_named(wish)}."
    done = stays if choice == "keep" else f"A worker writes {decided.desired!r} to Zoho, over {_named(wish)}."
    say(f"Write-back {writeback_id} is {decided.resolution}. {done}")


def _confirm(wish: "Writeback", choice: str) -> None:
    """Show what a person decides about, and ask. CommandFailed: the answer is no."""
    does = "Keep it" if choice == "keep" else f"Write {wish.desired!r} over it"
    if not click.confirm(printable(f"Lead {wish.lead_id} has {_named(wish)} in Zoho. {does}?"), err=True):
        raise CommandFailed("nothing was decided.")


def _named(wish: "Writeback") -> str:
    return "no status" if wish.zoho_status is None else repr(wish.zoho_status)


def _as_dict(session: Session, channel_id: str) -> dict[str, Any] | None:
    """The switch of a channel; None: it was never on. A damaged one must not hide those of other channels."""
    from zoho_pipeline.channels.errors import DamagedValue
    from zoho_pipeline.writeback import wishes
    from zoho_pipeline.writeback.switch import switch_in

    with session.registry.database.read() as transaction:
        try:
            switch = switch_in(transaction, channel_id)
        except DamagedValue:
            detail = f"Its row is damaged. Run: zoho-pipeline writeback on {channel_id} --map FILE"
            return {"channel_id": channel_id, "state": "damaged", "detail": detail}
        if switch is None:
            return None
        counts = wishes.summaries(transaction, [channel_id])[channel_id]
    shown: dict[str, Any] = {"channel_id": switch.channel_id, "state": switch.state, "detail": switch.detail}
    shown |= {"policy": switch.policy, "trigger": switch.trigger, "open": counts.open, "conflicts": counts.conflicts}
    shown |= {"to_zoho": dict(switch.words.to_zoho), "from_zoho": dict(switch.words.from_zoho)}
    return shown | {"picklist": list(switch.picklist), "checked_at": switch.checked_at}


def _waiting(wish: "Writeback") -> dict[str, Any]:
    shown = {"id": wish.id, "lead_id": wish.lead_id, "state": wish.state, "resolution": wish.resolution}
    shown |= {"status": wish.status, "zoho_status": wish.desired, "found_status": wish.zoho_status}
    return shown | {"code": wish.code, "tries": wish.tries, "created_at": wish.created_at, "detail": wish.detail}
