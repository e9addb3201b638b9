"""The commands `web endpoints …`: an endpoint is added, tested, listed and removed."""

from collections.abc import Callable, Iterator

import pytest
from standardwebhooks import Webhook

from tests.cli.conftest import Answer
from tests.cli.conftest import runner as make_runner
from tests.worker.conftest import Listener
from zoho_pipeline.channels.platform.audit import Audit
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.settings import load_settings

Run = Callable[..., Answer]


@pytest.fixture
def run(settings_env: Callable[..., dict[str, str]]) -> Run:
    return make_runner(settings_env())


@pytest.fixture
def listener() -> Iterator[Listener]:
    made = Listener()
    yield made
    made.close()


def test_the_life_of_an_endpoint(run: Run, listener: Listener, settings_env: Callable[..., dict[str, str]]) -> None:
    registry = Registry(load_settings(settings_env()))
    added = run("web", "endpoints", "add", listener.url, "--tenant", "t1", "--event", "sync.failed", "--format", "json")
    assert added.code == 0, added.err
    endpoint = added.json
    assert endpoint["events"] == ["sync.failed"]
    assert (endpoint["tenant"], endpoint["state"], endpoint["url"]) == ("t1", "active", listener.url)
    tested = run("web", "endpoints", "test", endpoint["id"], "--format", "json")
    assert (tested.code, tested.json) == (0, {"id": endpoint["id"], "delivered": True, "detail": "HTTP 204"})
    (received,) = listener.received
    Webhook(endpoint["secret"]).verify(received.body, received.headers)
    listener.status = 500
    refused = run("web", "endpoints", "test", endpoint["id"])
    assert (refused.code, "HTTP 500" in refused.err, refused.out) == (1, True, "")
    listed = run("web", "endpoints", "list", "--format", "json")
    assert [found["id"] for found in listed.json] == [endpoint["id"]]
    assert endpoint["secret"] not in listed.out
    assert "secret" not in listed.json[0]
    assert endpoint["id"] in run("web", "endpoints", "list").out
    removed = run("web", "endpoints", "remove", endpoint["id"])
    assert removed.out == f"Endpoint {endpoint['id']} is removed.\n"
    assert run("web", "endpoints", "list", "--format", "json").json == []
    again = run("web", "endpoints", "remove", endpoint["id"])
    assert (again.code, "web endpoints list" in again.err) == (1, True)
    rows = [(row["action"], row["tenant"], row["detail"]) for row in Audit(registry.database).rows()]
    assert rows == [
        ("endpoint.added", "t1", endpoint["id"]),
        ("endpoint.tested", "t1", f"{endpoint['id']}: HTTP 204"),
        ("endpoint.tested", "t1", f"{endpoint['id']}: HTTP 500"),
        ("endpoint.removed", "t1", endpoint["id"]),
    ]


def test_the_secret_is_printed_once_for_people_too(run: Run, listener: Listener) -> None:
    added = run("web", "endpoints", "add", listener.url, "--all-tenants")
    assert added.code == 0
    assert "gets the events of all tenants: all types." in added.out
    assert added.out.count("whsec_") == 1
    assert "whsec_" not in run("web", "endpoints", "list").out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("https://platform.example/",), "exactly one of --tenant and --all-tenants"),
        (("https://platform.example/", "--tenant", "t", "--all-tenants"), "exactly one"),
        (("http://platform.example/", "--all-tenants"), "https://host"),
        (("https://10.1.2.3/", "--all-tenants"), "not a public address"),
        (("https://localhost./", "--all-tenants"), "another name of this machine"),
        (("https://a.LOCALHOST/", "--all-tenants"), "another name of this machine"),
        (("https://platform.example/", "--all-tenants", "--event", "sync.progress"), "no event 'sync.progress'"),
    ],
)
def test_wrong_use(run: Run, arguments: tuple[str, ...], message: str) -> None:
    refused = run("web", "endpoints", "add", *arguments)
    assert refused.code == 2
    assert message in refused.err
    assert len(refused.err.strip().splitlines()) == 1
    assert run("web", "endpoints", "list").out.startswith("There is no endpoint.")


def test_an_endpoint_on_this_machine_needs_a_platform_on_it(run: Run, listener: Listener) -> None:
    env = {"ZOHO_PIPELINE_PUBLIC_URL": "https://zoho.example"}
    refused = run("web", "endpoints", "add", listener.url, "--all-tenants", **env)
    assert (refused.code, "ZOHO_PIPELINE_PUBLIC_URL" in refused.err) == (2, True)
