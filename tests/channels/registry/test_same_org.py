"""One org under two channel ids, and ids that differ only in case: what is refused, what is accepted knowingly."""

from collections.abc import Callable
from dataclasses import replace
from threading import Barrier, Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.channels.conftest import CONNECTION, REFRESH
from zoho_pipeline.channels.errors import IdConflict, OrgTaken, OtherOrg
from zoho_pipeline.channels.registry.identity import Owner, channels_of_one_org, check_free_id
from zoho_pipeline.channels.registry.model import Channel, OrgConnection
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.settings import Secret

OTHER_ORG = replace(CONNECTION, org_id="7000", org_name="Bolt", user_id="71", user_name="Bea")
NO_ORG = replace(CONNECTION, org_id=None, org_name=None, edition=None, currency=None)
TOKENS = [Secret(f"1000.{n:032x}.{n:032x}") for n in range(1, 5)]


@pytest.mark.parametrize(
    "second",
    [
        CONNECTION,
        replace(CONNECTION, user_id="62", user_name="Another admin"),
        NO_ORG,  # the scopes of the second token hide the org, but the user is the same
    ],
)
def test_a_second_channel_of_an_org_is_refused_and_the_cure_works(registry: Registry, second: OrgConnection) -> None:
    first = registry.add("acme", REFRESH, CONNECTION)
    with pytest.raises(OrgTaken, match=r"channel acme.*--again") as refused:
        registry.add("acme2", TOKENS[0], second)
    assert "Nothing was registered" in str(refused.value)
    assert registry.list() == (first,), "nothing was stored"
    assert registry.add("acme2", TOKENS[0], second, again=True).same_org == ("acme",)
    assert registry.get("acme").same_org == ("acme2",)
    assert [channel.same_org for channel in registry.list()] == [("acme2",), ("acme",)]


def test_the_org_that_the_first_channel_hides_is_found_by_the_user(registry: Registry) -> None:
    registry.add("acme", REFRESH, NO_ORG)
    with pytest.raises(OrgTaken, match="channel acme"):
        registry.add("acme2", TOKENS[0], CONNECTION)


@pytest.mark.parametrize(
    "another",
    [
        OTHER_ORG,
        replace(CONNECTION, data_center="eu", api_domain="https://www.zohoapis.eu"),  # equal ids mean nothing there
        replace(CONNECTION, api_domain="https://sandbox.zohoapis.in"),
        replace(NO_ORG, user_id="62"),  # the org cannot be known
    ],
)
def test_another_org_is_no_second_channel(registry: Registry, another: OrgConnection) -> None:
    registry.add("acme", REFRESH, CONNECTION)
    assert registry.add("bolt", TOKENS[0], another).same_org == ()


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("other", ["Acme", "ACME", "acmE"])
def test_an_id_that_differs_only_in_case_is_always_refused(registry: Registry, other: str, again: bool) -> None:
    registry.add("acme", REFRESH, CONNECTION)
    for connection in (CONNECTION, OTHER_ORG):
        with pytest.raises(IdConflict, match="there is a channel acme already"):
            registry.add(other, TOKENS[0], connection, again=again)
    assert [channel.id for channel in registry.list()] == ["acme"]


def test_one_channel_knows_the_same_others_as_the_list_of_all(registry: Registry) -> None:
    """One channel is read without the rows of those that cannot have its org."""
    apart = [OTHER_ORG, NO_ORG, replace(NO_ORG, user_id="71"), replace(CONNECTION, user_id="71"), CONNECTION]
    apart += [replace(CONNECTION, api_domain="https://sandbox.zohoapis.in"), replace(OTHER_ORG, user_id=None)]
    for number, connection in enumerate(apart):
        registry.add(f"c{number}", Secret(f"1000.{number:032x}.{number:032x}"), connection, again=True)
    together = {channel.id: channel.same_org for channel in registry.list()}
    assert sum(map(len, together.values())) > 6
    assert {channel_id: registry.get(channel_id).same_org for channel_id in together} == together


def test_a_pair_that_the_registry_holds_already_goes_on_working(registry: Registry) -> None:
    registry.add("acme", REFRESH, CONNECTION)
    registry.add("twin", TOKENS[0], CONNECTION, again=True)
    assert registry.add("acme", TOKENS[1], CONNECTION).same_org == ("twin",)
    assert registry.refresh_connection("twin", CONNECTION).status == "active"
    assert registry.token_store.refresh_token("acme") == TOKENS[1]
    assert any("acme, twin have the same Zoho org" in hint for hint in registry.get("twin").hints)
    registry.remove("twin")
    assert registry.get("acme").same_org == ()


def test_a_removed_channel_leaves_its_org_and_its_id_free(registry: Registry) -> None:
    registry.add("acme", REFRESH, CONNECTION)
    registry.remove("acme")
    assert registry.add("Acme", TOKENS[0], CONNECTION).id == "Acme"


def test_a_known_channel_still_stays_with_its_org(registry: Registry) -> None:
    """`again` is about a second channel. It does not let a channel move to another org."""
    registry.add("acme", REFRESH, CONNECTION)
    with pytest.raises(OtherOrg):
        registry.add("acme", TOKENS[0], OTHER_ORG, again=True)


@pytest.mark.parametrize(
    ("ids", "connections", "refusal"),
    [
        (["one", "two", "three", "four"], [CONNECTION] * 4, OrgTaken),
        (
            ["acme", "Acme", "aCme", "ACME"],
            [replace(CONNECTION, org_id=str(n), user_id=str(n)) for n in range(4)],
            IdConflict,
        ),
    ],
)
def test_of_several_registrations_at_once_one_wins(
    registry: Registry, ids: list[str], connections: list[OrgConnection], refusal: type[Exception]
) -> None:
    barrier, won, refused = Barrier(len(ids)), list[Channel](), list[Exception]()

    def register(number: int) -> None:
        own = Registry(registry.settings)  # as another process has it
        barrier.wait()
        try:
            won.append(own.add(ids[number], TOKENS[number], connections[number]))
        except Exception as error:
            refused.append(error)

    threads = [Thread(target=register, args=(n,)) for n in range(len(ids))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [type(error) for error in refused] == [refusal] * (len(ids) - 1)
    assert registry.list() == tuple(won)


names = st.text("aAbB", min_size=1, max_size=3)


@given(names, st.sets(names, max_size=4))
def test_an_id_is_free_if_it_is_known_or_unlike_every_known_one(new: str, known: set[str]) -> None:
    try:
        check_free_id(new, known)
        free = True
    except IdConflict:
        free = False
    assert free == (new in known or new.lower() not in {name.lower() for name in known})


owners = st.lists(
    st.tuples(st.sampled_from("xy"), st.sampled_from([None, "1", "2"]), st.sampled_from([None, "u", "v"])), max_size=6
)


@given(owners)
def test_the_groups_are_those_of_the_definition(rows: list[tuple[str, str | None, str | None]]) -> None:
    known = [Owner(str(n), *row) for n, row in enumerate(rows)]

    def same(a: Owner, b: Owner) -> bool:
        if a is b or a.api_domain != b.api_domain:
            return False
        if a.org_id is not None and b.org_id is not None:
            return a.org_id == b.org_id
        return a.user_id is not None and a.user_id == b.user_id

    expected = {a.channel_id: tuple(b.channel_id for b in known if same(a, b)) for a in known}
    assert channels_of_one_org(known) == expected


def test_a_test_double_of_a_connection_needs_no_org(add: Callable[..., Channel]) -> None:
    """Two channels that hide both org and user are never taken for one org."""
    add("a", org_id=None, user_id=None)
    assert add("b", TOKENS[0], org_id=None, user_id=None).same_org == ()
