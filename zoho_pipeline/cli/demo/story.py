"""`demo`: the product on the simulator, on a terminal: connect, sync, insight, changes, sync, insight."""

import shlex
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoho_pipeline.cli.demo.place import CHANNEL, DATA_CENTER, Place, demo_home, fresh_place
from zoho_pipeline.cli.demo.servers import run_ui, run_web
from zoho_pipeline.cli.output import say

if TYPE_CHECKING:
    from zoho_pipeline.cli.session import Session
    from zoho_pipeline.simulator import Simulator
    from zoho_pipeline.simulator.demo.company import Company

COMPARED = (
    ("leads this month", "leads_this_month"),
    ("top source", "top_source_1"),
    ("leads of the top source", "top_source_1_leads"),
    ("leads of the last 30 days with a deal", "conversion_rate_30d_rolling"),
    ("leads of the last 90 days that were contacted", "contacted_rate"),
)
QUERIES = (
    "select topic, n_leads, n_converted, lift from topic_performance order by lift desc",
    "select period_start, n_leads from lead_volume where grain = 'week' order by 1",
)


@click.command(short_help="Show the whole product on the local simulator.")
@click.option("--ui", is_flag=True, help="Start the demo's simulator and Dagster's UI on the data of the last demo.")
@click.option(
    "--ui-port", type=click.IntRange(1, 65535), default=3000, show_default=True, help="The port of Dagster's UI."
)
@click.option(
    "--leads", type=click.IntRange(60, 20_000), default=600, show_default=True, help="The approximate number of leads."
)
@click.option("--seed", type=int, default=7, show_default=True, help="The same seed makes the same company.")
@click.option("--web", is_flag=True, help="Start the demo's simulator and the web server on the data of the last demo.")
@click.option(
    "--web-port", type=click.IntRange(1, 65535), default=8480, show_default=True, help="The port of the web server."
)
def demo(ui: bool, ui_port: int, leads: int, seed: int, web: bool, web_port: int) -> None:
    """Show the whole product on the local simulator; no Zoho account is needed.

    The demo connects a generated company through real OAuth, syncs it, builds the marts and shows the insight.
    Then leads arrive, one lead converts, one is deleted, and visitors of a landing page are typed in by hand. A second
    sync reads only these changes, and the form of the page shows which post brought the visitors. All data stays in
    ZOHO_PIPELINE_HOME (default: ./data/demo). A second demo starts from the beginning.

    \b
    Examples:
      zoho-pipeline demo
      zoho-pipeline demo --ui
      zoho-pipeline demo --web
    """
    if ui and web:
        raise click.UsageError("give one of --ui and --web. Start the other one in a second terminal.")
    if ui:
        run_ui(demo_home(), ui_port)
        return
    if web:
        run_web(demo_home(), web_port)
        return
    began = time.monotonic()
    with fresh_place(demo_home()) as place:
        tell(place, leads, seed)
    say(f"\nDone in {time.monotonic() - began:.0f} s. Try next:")
    _next_steps(place)


def _next_steps(place: Place) -> None:
    """Print commands that work on the demo's data from this folder."""
    called = "zoho-pipeline" if shutil.which("zoho-pipeline") else str(_short(Path(sys.argv[0]).absolute()))
    program = shlex.quote(called)
    web, ui = (f"make {name}" if Path("Makefile").exists() else f"{program} demo --{name}" for name in ("web", "ui"))
    say(f"  {web:<32} # the channel page, the connect popup and the API on this data")
    say(f"  {ui:<32} # Dagster on this data; every asset can be materialised")
    say(f"  export ZOHO_PIPELINE_HOME={shlex.quote(str(_short(place.home)))}")
    say(f"  {program} insight {CHANNEL}")
    say(f"  {program} mcp --channel {CHANNEL}  # an agent on this machine starts it; see docs/agents.md")
    for query in QUERIES:
        say(f'  {program} sql "{query}"')


def tell(place: Place, leads: int, seed: int) -> None:
    """Run the demo from an empty simulator to the second insight."""
    from zoho_pipeline.cli.session import Session
    from zoho_pipeline.cli.simulator import started
    from zoho_pipeline.simulator.demo.company import build_company, next_morning

    with started(place.port, cure="Then run `zoho-pipeline demo` again.") as sim:
        _say(f"A local Zoho CRM on {sim.url}")
        company = build_company(sim, seed=seed, leads=leads)
        counts = {
            name: len(company.org.module(name).rows) for name in ("Leads", "Contacts", "Deals", "Calls", "Events")
        }
        say(f"{company.org.name}: " + ", ".join(f"{count} {name}" for name, count in counts.items()))
        session = Session(place.settings())
        _connect(session, sim, place, company)
        _sync(session, company, "First sync: everything")
        before = _marts(session)
        _say("Meanwhile in Zoho")
        done = next_morning(sim, company)
        say(f"{done['created']} leads arrive from the newsletter, one lead is converted, one lead is deleted.")
        typed = _visits(session, sim, place, company)
        _sync(session, company, "Second sync: only what changed")
        _compare(before, _marts(session, quiet=True))
        _show_credit(session, typed)
        sim.save(place.state)


def _connect(session: "Session", sim: "Simulator", place: Place, company: "Company") -> None:
    """Connect through the real consent: authorisation URL, page, callback, exchange. The demo presses Accept."""
    from zoho_pipeline.channels.consent.connect import connect
    from zoho_pipeline.cli.channel_views import describe
    from zoho_pipeline.cli.demo.browser import accept
    from zoho_pipeline.ingest.content.files import load_content

    _say("Connect: OAuth as in a browser; the demo accepts the consent")
    client, _ = session.settings.require_client(DATA_CENTER)
    sim.add_client(client, place.client_secret)
    channel = connect(
        session.registry,
        CHANNEL,
        data_center=DATA_CENTER,
        tenant=CHANNEL,
        port=0,
        timeout=60,
        announce=lambda url: say(f"Opening {url.partition('?')[0]}?…"),
        open_browser=lambda url: accept(url, company.org.admin.id),
    )
    say(f"Connected: {describe(channel)}.")
    rows = load_content(session.settings, session.warehouse, CHANNEL, company.write_content(place.catalogue))
    say(f"{rows} content items loaded from {_short(place.catalogue)}.")


def _visits(session: "Session", sim: "Simulator", place: Place, company: "Company") -> list[str]:
    """Visitors of a landing page send its form; an hour later they are typed into Zoho. The ids of these leads."""
    from zoho_pipeline.cli.demo.landing_page import send_forms
    from zoho_pipeline.simulator.demo.visitors import type_in, visitors

    found = visitors(company, sim.clock.now())
    key = send_forms(session, place, found)
    say(f"{len(found)} people read the post “{found[0].post.title}”, and follow its link:")
    say(f"  {found[0].landing_url}")
    say(f"They agree, and send the form of that page (form key {key}).")
    say("An hour later, a colleague types them into Zoho by hand: name, e-mail, phone, and no UTM.")
    return [type_in(company, visitor) for visitor in found]


def _sync(session: "Session", company: "Company", title: str) -> None:
    from zoho_pipeline.cli.data import fail_if_any, print_reports, run_sync

    _say(title)
    spent = company.org.credits_used
    report = run_sync(session, CHANNEL)
    print_reports([report], "table")
    fail_if_any([], [report])
    counted, limit = company.org.credits_used - spent, company.org.credit_limit
    say(f"Zoho counted {counted} of the {limit} API credits of a day. The column `credits` may show more: where")
    say("Zoho's pages give two prices, it takes the higher one, so that the budget stops a sync early.")


def _marts(session: "Session", quiet: bool = False) -> dict[str, Any]:
    """Run the transform and return the insight of the channel."""
    from zoho_pipeline.cli.marts import run_transform, show_insight
    from zoho_pipeline.reading.insight import read

    report = run_transform(session)
    report.require_complete()
    passed = sum(check.passed for check in report.checks)
    built = f"{len(report.models)} models in {report.seconds:.1f} s"
    say(f"Transform: {built}, {passed} of {len(report.checks)} tests passed.")
    if not quiet:
        _say("The insight")
        show_insight(session, CHANNEL)
    return read(session.warehouse, CHANNEL)


def _compare(before: dict[str, Any], after: dict[str, Any]) -> None:
    from zoho_pipeline.cli.output import print_rows

    _say("The insight before and after")
    sides = {"before": before, "after": after}
    print_rows(
        [{"": words} | {side: _number(name, row[name]) for side, row in sides.items()} for words, name in COMPARED]
    )


def _show_credit(session: "Session", lead_ids: list[str]) -> None:
    """Say which content the leads are credited to that were typed in by hand."""
    from zoho_pipeline.reading.published import connect

    query = (
        "select item.title, count(*) as n from lead"
        " inner join lead_source_attribution as attribution on lead.channel_id = attribution.channel_id"
        " and lead.zoho_lead_id = attribution.zoho_lead_id"
        " inner join content_item as item on lead.channel_id = item.channel_id"
        " and attribution.content_id = item.content_id"
        " where lead.captured_by = 'landing_page' and lead.zoho_lead_id = any(?) group by item.title"
    )
    _say("The leads that were typed in by hand")
    with connect(session.warehouse) as marts:
        for row in marts.rows(query, (lead_ids,)):
            say(f"Zoho does not know where they came from. Their form does: {row['n']} of {len(lead_ids)} are credited")
            say(f"to the post “{row['title']}”.")


def _number(name: str, value: Any) -> str:
    return f"{value:.1%}" if "rate" in name and value is not None else str(value)


def _say(title: str) -> None:
    click.secho(f"\n== {title}", bold=True)


def _short(path: Path) -> Path:
    """The path relative to the working folder, when it is below it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
