"""The table of data centers, and what it refuses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoho_pipeline.zoho.accounts.data_centers import BUILT_IN, DataCenters, origin
from zoho_pipeline.zoho.errors import ForeignApiDomain, UnknownDataCenter

TABLE = {
    "us": ("https://accounts.zoho.com", "https://www.zohoapis.com"),
    "eu": ("https://accounts.zoho.eu", "https://www.zohoapis.eu"),
    "in": ("https://accounts.zoho.in", "https://www.zohoapis.in"),
    "au": ("https://accounts.zoho.com.au", "https://www.zohoapis.com.au"),
    "jp": ("https://accounts.zoho.jp", "https://www.zohoapis.jp"),
    "cn": ("https://accounts.zoho.com.cn", "https://www.zohoapis.com.cn"),
    "ca": ("https://accounts.zohocloud.ca", "https://www.zohoapis.ca"),
    "sa": ("https://accounts.zoho.sa", "https://www.zohoapis.sa"),
    "uk": ("https://accounts.zoho.uk", "https://www.zohoapis.uk"),
    "ae": ("https://accounts.zoho.ae", "https://www.zohoapis.ae"),
    "sg": ("https://accounts.zoho.sg", "https://www.zohoapis.sg"),
}
SIM = DataCenters.with_added({"sim": "http://127.0.0.1:9000"})


def test_the_table_is_whole() -> None:
    assert {c.name: (c.accounts_server, c.api_domain) for c in BUILT_IN} == TABLE


@pytest.mark.parametrize("name", TABLE)
def test_each_centre_is_found_by_name_and_server(name: str) -> None:
    centers = DataCenters()
    server, api = TABLE[name]
    assert centers.get(name.upper()).accounts_server == server
    assert centers.by_accounts_server(server + "/").name == name
    assert centers.by_accounts_server(server.upper().replace("HTTPS", "https") + ":443").name == name
    for label in ("www", "sandbox", "developer"):
        host = api.replace("www", label)
        assert centers.get(name).check_api_domain(host + "/") == host


def test_environments() -> None:
    canada = DataCenters().get("ca")
    assert canada.api_for("sandbox") == "https://sandbox.zohoapis.ca"
    assert canada.api_for("developer") == "https://developer.zohoapis.ca"
    assert SIM.get("sim").api_for("sandbox") == "http://127.0.0.1:9000"


FORGED_SERVERS = [
    "https://accounts.zoho.com.evil.example",
    "https://evil.example/accounts.zoho.com",
    "https://accounts.zoho.com@evil.example",
    "https://user:pw@accounts.zoho.com",
    "https://accounts.zoho.com:8443",
    "http://accounts.zoho.com",
    "https://accounts.zoho.com/path",
    "https://accounts.zoho.com?x=1",
    "https://accounts.zoho.com#x",
    "https://accounts.zoho.com\\@evil.example",
    "https://accounts.zohocloud.com",
    "https://accounts.zoho.ca",
    "accounts.zoho.com",
    "//accounts.zoho.com",
    "javascript:alert(1)",
    "https://accounts.zoho.com\n.evil.example",
    "https://[::1",
    "https://accounts.zoho.com:99999",
    "",
]


@pytest.mark.parametrize("server", FORGED_SERVERS)
def test_forged_accounts_servers_are_refused(server: str) -> None:
    with pytest.raises(UnknownDataCenter):
        DataCenters().by_accounts_server(server)


@pytest.mark.parametrize(
    "domain",
    [
        "https://www.zohoapis.com",  # the server of another data center
        "https://www.zohoapis.in.evil.example",
        "https://evil.example",
        "http://www.zohoapis.in",
        "https://www.zohoapis.in:444",
        "https://api.zohoapis.in",
        "https://zohoapis.in",
        "https://www.zohoapis.in/crm",
        "",
    ],
)
def test_foreign_api_domains_are_refused(domain: str) -> None:
    with pytest.raises(ForeignApiDomain, match="data center in"):
        DataCenters().get("in").check_api_domain(domain)


def test_an_added_centre_keeps_to_its_own_origin() -> None:
    assert SIM.get("sim").check_api_domain("http://127.0.0.1:9000/") == "http://127.0.0.1:9000"
    for foreign in ("http://127.0.0.1:9001", "http://localhost:9000", "https://www.zohoapis.com"):
        with pytest.raises(ForeignApiDomain):
            SIM.get("sim").check_api_domain(foreign)


@pytest.mark.parametrize(
    ("name", "server", "says"),
    [
        ("mine", "http://example.com", "loopback"),
        ("mine", "ftp://127.0.0.1", "https"),
        ("mine", "https://example.com/path", "https origin"),
        ("mine", "nonsense", "https origin"),
        ("us", "http://127.0.0.1:1", "Choose another name"),
        ("two words", "http://127.0.0.1:1", "two words"),
    ],
)
def test_what_cannot_be_added(name: str, server: str, says: str) -> None:
    with pytest.raises(UnknownDataCenter, match=says) as caught:
        DataCenters.with_added({name: server})
    assert caught.value.exit_code == 2


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UnknownDataCenter, match=r"'moon'.*us, eu, in.*sim"):
        SIM.get("moon")


@given(st.text(max_size=60))
def test_no_text_slips_through(text: str) -> None:
    """Only an exact member of the table passes, and no other exception than the refusal is raised."""
    servers = {c.accounts_server for c in BUILT_IN}
    for candidate in (text, "https://" + text, "https://accounts.zoho.com" + text):
        try:
            found = DataCenters().by_accounts_server(candidate)
        except UnknownDataCenter:
            continue
        assert origin(candidate) == found.accounts_server
        assert found.accounts_server in servers


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "http://localhost", "http://[::1]:8", "http://127.8.8.8"])
def test_plain_http_is_for_loopback(url: str) -> None:
    assert DataCenters.with_added({"mine": url}).get("mine").accounts_server == url


@pytest.mark.parametrize("url", ["http://127.0.0.1.evil.example", "http://0.0.0.0", "http://10.0.0.1", "http://[::2]"])
def test_plain_http_is_for_loopback_alone(url: str) -> None:
    with pytest.raises(UnknownDataCenter, match="loopback"):
        DataCenters.with_added({"mine": url})
