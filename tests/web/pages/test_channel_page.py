"""The channel page as a program sees it: what it says in each state, who may frame it, and what its forms do."""

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi.testclient import TestClient

from tests.web.pages.conftest import HTML
from tests.web.world import HOSTILE, put
from zoho_pipeline.channels.platform.audit import Audit
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.channels.sync_requests.queue import history, unfinished
from zoho_pipeline.settings import Settings
from zoho_pipeline.web.pages.renderer import static_files
from zoho_pipeline.web.services import WebServices

pytestmark = pytest.mark.usefixtures("channels")
Embed = Callable[..., str]
OWN = {"Origin": "http://localhost:8480", **HTML}


HEADINGS = ("h1", "h2", "h3")


class Page(HTMLParser):
    """The tags of a page, its visible text, and its headings."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text, self.headings, self._in = "", [], ""
        self.feed(html)
        self.text = re.sub(r"\s+", " ", self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.text += " "
        self._in = tag if tag in HEADINGS else self._in

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._in and data.strip():
            self.headings.append(data.strip())

    def handle_endtag(self, tag: str) -> None:
        self._in = "" if tag in HEADINGS else self._in


def page(client: TestClient, path: str) -> Page:
    answer = client.get(path, headers=HTML)
    assert answer.status_code == 200, answer.text[:500]
    return Page(answer.text)


@pytest.mark.long
def test_the_order_of_the_page(client: TestClient, embed: Embed) -> None:
    found = page(client, embed())
    order = [
        "Connected",
        "At a glance",
        "Insight",
        "Newest leads",
        "Data access, and how to end it",
        "History of syncs",
    ]
    assert [heading for heading in found.headings if heading in order] == order
    assert "Everything in Acme up to" in found.text
    assert "Sync Now" in found.text
    for words in ("Last sync", "Leads imported", "Leads this month", "data centre IN", "How to revoke"):
        assert words in found.text


def test_the_frame_may_be_of_the_origin_alone(client: TestClient, embed: Embed, origins: str) -> None:
    answer = client.get(embed(), headers=HTML)
    policy = answer.headers["Content-Security-Policy"]
    assert policy.endswith(f"frame-ancestors {origins}")
    assert "X-Frame-Options" not in answer.headers
    for word in (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
    ):
        assert word in policy
    assert "unsafe" not in policy
    assert answer.headers["Cache-Control"] == "no-store"


def test_the_operators_pages_are_never_framed(operator: TestClient) -> None:
    for path in ("/ui", "/ui/channels/acme"):
        answer = operator.get(path, headers=HTML)
        assert answer.headers["Content-Security-Policy"].endswith("frame-ancestors 'none'")
        assert answer.headers["X-Frame-Options"] == "DENY"


def test_no_script_or_style_is_inline(operator: TestClient, embed: Embed) -> None:
    for path in (embed(), "/ui", "/ui/channels/acme", "/ui/channels/never"):
        found = page(operator, path)
        for tag, attributes in found.tags:
            assert tag != "style"
            assert tag != "script" or attributes.get("src")
            assert not any(name == "style" or name.startswith("on") for name in attributes)
            assert not str(attributes.get("href", "")).startswith("javascript:")


def test_hostile_names_are_text(operator: TestClient, embed: Embed) -> None:
    for path in (embed("acme", "read", "pii"), "/ui/channels/acme"):
        html = operator.get(path, headers=HTML).text
        assert "<script>alert" not in html
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
        assert "{{ 7*7 }}" in html  # a template in a name is no template
        assert "\u202e" not in html
        assert "\x07" not in html
        assert "L" * 200 not in html
        assert len(html) < 200_000


def test_a_hostile_org_is_text(operator: TestClient, registry: Registry, embed: Embed) -> None:
    from dataclasses import replace

    from tests.channels.conftest import CONNECTION

    org = replace(CONNECTION, org_id="org of acme", user_id="user of acme", org_name=HOSTILE * 50, user_name=HOSTILE)
    registry.refresh_connection("acme", org)
    for path in (embed(), "/ui/channels/acme", "/ui"):
        html = operator.get(path, headers=HTML).text
        assert "<script>alert" not in html
        assert "\u202e" not in html


def test_every_chart_has_a_title_and_a_table(client: TestClient, embed: Embed) -> None:
    found = page(client, embed())
    charts = [attributes for tag, attributes in found.tags if tag == "svg" and attributes.get("role") == "img"]
    assert len(charts) > 6
    assert all(chart.get("aria-label") or chart.get("aria-labelledby") for chart in charts)
    tables = sum(1 for tag, _ in found.tags if tag == "table")
    figures = sum(1 for tag, _ in found.tags if tag == "figure")
    assert (figures, tables) == (5, 5 + 2)  # and the tables of content and leads
    assert sum(1 for tag, attributes in found.tags if attributes.get("class") == "bar bar--running") == 1


def test_small_samples_show_their_counts(client: TestClient, embed: Embed) -> None:
    found = page(client, embed("small"))
    assert "rate--uncertain" in " ".join(str(attributes.get("class")) for _, attributes in found.tags)
    assert "0 of 8" in found.text
    assert "With 95 % confidence, the rate lies between 0" in found.text
    row = found.text.rsplit("By source", 1)[1].split("Conversion by source as a table")[0]
    assert "to 32 % 0 of 8 0 to 32 % Each line" in row, "a range, and no rate that looks exact"
    assert "A dashed line has few leads" in row


def test_the_numbers_at_the_top(client: TestClient, embed: Embed) -> None:
    top = page(client, embed()).text.split("At a glance")[1].split("Insight")[0]
    labels = ("Leads this month", "Leads imported", "Waiting for a first contact", "Last sync")
    assert sorted(labels, key=top.index) == list(labels)
    assert re.search(r"not converted\. As of [^.]+\. \d+ the longest for 7\d days", top), top


def test_sources_that_have_no_row_are_counted_together(
    client: TestClient, embed: Embed, settings: Settings, world: Path
) -> None:
    more = """insert into marts.conversion_rate_earlier by name
        select * exclude fair replace ('Fair ' || fair as dimension_value, 4 as n_leads, 1 as n_converted)
        from (select * from marts.conversion_rate where channel_id = 'acme' and stage = 'deal'
              and definition = 'matured_30d' and dimension = 'lead_source' limit 1),
             (select unnest(range(10, 20)) as fair)"""
    put(world, settings.home, more)
    text = page(client, embed()).text
    by_source = text.split("By source", 1)[1].split("Conversion by source as a table")[0]
    named = len(set(re.findall(r"Fair \d\d", by_source)))
    assert 0 < named < 8
    assert f"{10 - named} other sources: {10 - named} of {4 * (10 - named)} {10 - named} of" in by_source


@pytest.mark.parametrize("name", ["never", "late"])
def test_never_synced_is_a_page(client: TestClient, embed: Embed, name: str) -> None:
    found = page(client, embed(name))
    assert "Never synced" in found.headings
    assert "The insight appears here after the first sync." in found.text
    assert "There are no leads to show yet." in found.text
    numbers = [text for text in found.text.split("At a glance")[1].split("Insight")[0].split() if text == "–"]
    assert len(numbers) == 4
    assert " 0 " not in found.text.split("Insight")[0]


def test_reconnect_wins_and_old_numbers_stay(client: TestClient, embed: Embed, registry: Registry) -> None:
    registry.set_reconnect_needed("acme", "Zoho refuses its token. Run zoho-pipeline connect acme.")
    path = embed()
    html = client.get(path, headers=HTML).text
    found = Page(html)
    assert "Reconnect needed" in found.headings
    assert "These are the numbers of" in found.text
    assert "261" in found.text
    assert "Sync Now" not in found.text
    assert "zoho-pipeline" not in found.text
    (link,) = [a for tag, a in found.tags if tag == "a" and a.get("class") == "button"]
    assert (link["target"], link["rel"]) == ("_blank", "noopener nofollow")
    answer = client.get(str(link["href"]), follow_redirects=False)
    assert answer.status_code == 303
    assert re.fullmatch(r"/zohoCrm/start\?session=[\w-]{20,}", answer.headers["Location"])


def test_reconnect_needs_the_scope_connect(client: TestClient, embed: Embed, registry: Registry) -> None:
    registry.set_reconnect_needed("acme", "Zoho refuses its token.")
    path = embed("acme", "read")
    found = page(client, path)
    assert "Somebody who may connect must do this." in found.text
    assert not [a for tag, a in found.tags if tag == "a" and a.get("class") == "button"]
    token = parse_qs(urlsplit(path).query)["t"][0]
    assert client.get("/embed/channels/acme/reconnect", params={"t": token}).status_code == 403


def test_stale_numbers_have_a_date(client: TestClient, embed: Embed, settings: Settings, world: Path) -> None:
    put(world, settings.home, "update marts.channel_insight set as_of_utc = as_of_utc - interval '40 hours'")
    found = page(client, embed())
    assert "Old numbers. These are the numbers of" in found.text


def test_a_lead_of_a_landing_page_says_so(client: TestClient, embed: Embed, settings: Settings, world: Path) -> None:
    assert "by your form" not in page(client, embed()).text
    put(world, settings.home, "update marts.recent_lead set captured_by = 'landing_page' where lead_rank = 1")
    assert page(client, embed()).text.count("by your form") == 1


def test_sync_now_is_a_form(client: TestClient, embed: Embed, registry: Registry) -> None:
    path = embed()
    token = parse_qs(urlsplit(path).query)["t"][0]
    before = len(history(registry, "acme", 10))
    answer = client.post("/embed/channels/acme/syncs", data={"t": token}, headers=HTML, follow_redirects=False)
    assert answer.status_code == 303
    assert len(history(registry, "acme", 10)) == before + 1
    found = page(client, answer.headers["Location"])
    assert "The sync was requested." in found.text
    assert "Syncing" in found.headings
    assert "Sync Now" not in found.text
    again = client.post("/embed/channels/acme/syncs", data={"t": token}, headers=HTML)
    assert "A sync was requested before" in again.text
    assert len(unfinished(registry, "acme")) == 1


def test_pause_and_resume_are_forms_and_audited(client: TestClient, embed: Embed, registry: Registry) -> None:
    token = parse_qs(urlsplit(embed()).query)["t"][0]
    done = client.post("/embed/channels/acme/pause", data={"t": token}, headers=HTML)
    assert registry.get("acme").status == "paused"
    assert "The channel is paused now." in done.text
    assert (
        "A sync is not possible now." in client.post("/embed/channels/acme/syncs", data={"t": token}, headers=HTML).text
    )
    assert "active again" in client.post("/embed/channels/acme/resume", data={"t": token}, headers=HTML).text
    assert registry.get("acme").status == "active"
    actions = [row["action"] for row in Audit(registry.database).rows("acme")]
    assert [action for action in actions if str(action).startswith("channel.")] == ["channel.paused", "channel.resumed"]


@pytest.mark.parametrize("form", ["syncs", "pause", "resume"])
def test_forms_need_their_scope_and_a_token(client: TestClient, embed: Embed, registry: Registry, form: str) -> None:
    token = parse_qs(urlsplit(embed("acme", "read")).query)["t"][0]
    before = len(history(registry, "acme", 10))
    for data, status in (({"t": token}, 403), ({"t": "x"}, 401), ({}, 401)):
        assert client.post(f"/embed/channels/acme/{form}", data=data).status_code == status
    assert registry.get("acme").status == "active"
    assert len(history(registry, "acme", 10)) == before


def test_a_link_opens_its_own_channel_alone(client: TestClient, embed: Embed) -> None:
    query = urlsplit(embed("acme")).query
    for name in ("small", "foreign", "nobody"):
        answer = client.get(f"/embed/channels/{name}?{query}", headers=HTML)
        assert answer.status_code == 404
        assert "There is no such page" in answer.text
    assert client.get("/embed/channels/acme?t=x", headers=HTML).status_code == 401
    assert client.get("/embed/channels/acme").json()["code"] == "unauthenticated"


def test_people_are_masked_without_pii(client: TestClient, embed: Embed) -> None:
    assert "Asha Rao 929" not in client.get(embed("acme", "read"), headers=HTML).text
    assert "Asha Rao 929" in client.get(embed("acme", "read", "pii"), headers=HTML).text


def test_the_operators_list(operator: TestClient) -> None:
    found = page(operator, "/ui")
    links = [a["href"] for tag, a in found.tags if tag == "a" and str(a.get("href")).startswith("/ui/channels/")]
    assert links == [f"/ui/channels/{name}" for name in ("acme", "foreign", "hidden", "late", "never", "small")]
    assert "Never synced" in found.text
    searched = page(operator, "/ui?q=FOREIGN-inc")
    assert "foreign" in searched.text
    assert "acme-inc" not in searched.text
    assert "No channel matches" in page(operator, "/ui?q=%25").text


def test_the_list_has_pages(operator: TestClient, add: Callable[..., object]) -> None:
    for number in range(60):
        add(f"many-{number:02}")
    first = page(operator, "/ui?q=many")
    (following,) = [str(a["href"]) for tag, a in first.tags if tag == "a" and "cursor=" in str(a.get("href"))]
    second = page(operator, following)
    names = [set(re.findall(r"many-\d\d", found.text)) for found in (first, second)]
    assert [len(found) for found in names] == [50, 10]
    assert not names[0] & names[1]


def test_the_operators_forms_need_their_token_and_origin(operator: TestClient, registry: Registry) -> None:
    html = operator.get("/ui/channels/acme", headers=HTML).text
    token = re.findall(r'name="form_token" value="([0-9a-f]+)"', html)[0]
    path = "/ui/channels/acme/pause"
    assert operator.post(path, data={"form_token": token}).status_code == 403
    assert operator.post(path, data={"form_token": "0" * 64}, headers=OWN).status_code == 403
    assert registry.get("acme").status == "active"
    assert operator.post(path, data={"form_token": token}, headers=OWN).status_code == 200
    assert registry.get("acme").status == "paused"


def test_the_list_needs_a_login(client: TestClient) -> None:
    answer = client.get("/ui", headers=HTML)
    assert answer.status_code == 401
    assert "Please log in" in answer.text


def test_static_files_are_kept_by_browsers(client: TestClient) -> None:
    for name, (content, kind) in static_files().items():
        answer = client.get(f"/static/{name}")
        assert (answer.content, answer.headers["Content-Type"].split(";")[0]) == (content, kind)
        assert "immutable" in answer.headers["Cache-Control"]
    assert client.get("/static/page.css").status_code == 404
    assert client.get("/static/..%2Froutes.py").status_code == 404


def test_the_module_of_the_page_is_small() -> None:
    (script,) = [content for name, (content, _) in static_files().items() if name.endswith(".js")]
    assert len(script) <= 6 * 1024


def imported(client: TestClient, path: str) -> str:
    """The number of imported leads on the page."""
    found = re.search(r'Leads imported.*?class="figure">([^<]*)<', client.get(path, headers=HTML).text, re.DOTALL)
    assert found
    return found.group(1)


def test_a_publication_is_on_the_page_at_once(
    client: TestClient, embed: Embed, world: Path, settings: Settings
) -> None:
    path = embed()
    assert [imported(client, path) for _ in range(2)] == ["261", "261"]
    put(world, settings.home, "delete from marts.lead where channel_id = 'acme' and zoho_lead_id > '5000000100'")
    assert imported(client, path) == "101"


def test_the_numbers_are_read_once_per_publication(client: TestClient, embed: Embed, registry: Registry) -> None:
    """A busy registry changes many times per second, and each change makes the page anew."""
    path = embed()
    state = client.app.state  # type: ignore[attr-defined]
    services: WebServices = state.services
    assert imported(client, path) == "261"
    read = state.page_numbers.get((services.published.publication(), "acme"))
    assert read is not None
    registry.pause("acme")
    assert "Paused" in page(client, path).text
    assert imported(client, path) == "261"
    assert state.page_numbers.get((services.published.publication(), "acme")) is read


def test_equal_weeks_are_one_number_and_a_running_week_is_none(
    client: TestClient, embed: Embed, settings: Settings, world: Path
) -> None:
    weeks = "channel_id = 'acme' and grain = 'week'"
    put(world, settings.home, f"update marts.lead_volume set n_leads = 1 where {weeks}")
    path = embed()
    assert "1 lead per full week." in page(client, path).text
    put(world, settings.home, f"delete from marts.lead_volume where {weeks} and not is_partial")
    assert "No week is over yet." in page(client, path).text
