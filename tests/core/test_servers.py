"""MCP servers on record: who may go where, what is sealed, and whose they are. And the way out (control E1)."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pytest

from tests.core.records import somebody
from windlass.contracts.agents import ServerUse
from windlass.contracts.ids import TenantId, new_id
from windlass.contracts.servers import Tool, digest
from windlass.core.callers import Caller
from windlass.core.database import Database
from windlass.core.errors import Conflict, Invalid, NotFound
from windlass.core.outbound import AddressRefused, Outbound
from windlass.core.server_checks import ServerChecks
from windlass.core.server_uses import Offers
from windlass.core.servers import NewServer, Servers, Way
from windlass.core.vault import SecretSealed, Vault
from windlass.core.wakeup import PollOnly

SECRET = b"a secret of the tests, long enough: 0123456789"
PUBLIC = "https://tools.example.com/mcp"
COMMANDS = {"files": ("/usr/bin/files",)}


async def nowhere(host: str, port: int) -> Sequence[str]:
    raise OSError("there is no net here")


@pytest.fixture
def servers(database: Database) -> Servers:
    return Servers(database, PollOnly(), Vault(SECRET), Outbound([], nowhere), COMMANDS)


@pytest.fixture
def caller() -> Caller:
    return somebody()


async def test_tools_are_offered_by_names_that_models_can_call_and_what_servers_say_counts_where_trusted(
    servers: Servers, database: Database, caller: Caller
):
    said = {"read_only_hint": True}, {"idempotent_hint": True}
    tools = [Tool("wiki.find", annotations=said[0]), Tool("wiki_find", annotations=said[1]), Tool("x" * 90)]
    added = await servers.create(caller, NewServer("wiki", Way(command="files")))
    async with database.tenant(caller.tenant_id) as connection:
        query = "update mcp_server set taken = $2 where id = $1"
        await connection.execute(query, added.id, [asdict(tool) for tool in tools])

    trusting = await Offers(database).of(caller.tenant_id, [ServerUse("wiki", trust=True), ServerUse("gone")])
    wary = await Offers(database).of(caller.tenant_id, [ServerUse("wiki", ("wiki.find",))])

    names = ["wiki__wiki_find", "wiki__wiki_find_2", f"wiki__{'x' * 58}"]
    assert [offer.name for offer in trusting] == names
    assert [offer.tool.name for offer in trusting] == [tool.name for tool in tools]
    assert [(offer.only_reads, offer.repeats) for offer in trusting] == [(True, True), (False, True), (False, False)]
    assert [(offer.name, offer.only_reads, offer.repeats) for offer in wary] == [(names[0], False, False)]


PRIVATE = (
    "127.0.0.1", "0x7f.1", "2130706433", "017700000001", "127.1", "[::1]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]",
    "[fd00:ec2::254]", "169.254.169.254", "10.1.2.3", "100.64.0.1", "[2002:7f00:1::]", "localhost", "224.0.0.1",
)  # fmt: skip


@pytest.mark.parametrize("host", PRIVATE)
async def test_what_is_not_on_the_public_net_is_not_spoken_to(host: str):
    """E1: however it is written."""
    with pytest.raises(AddressRefused):
        await Outbound().check_now(f"https://{host}/mcp")


@pytest.mark.parametrize(
    "url", ["ftp://a.example/x", "/mcp", "https://", "https://u:p@a.example/", "https://a.example:99999/", "https://a.example/#x",
     "http://[x/mcp"]
)  # fmt: skip
def test_what_is_no_address_is_refused(url: str):
    """E2."""
    with pytest.raises(AddressRefused):
        Outbound().check(url)


async def test_one_address_that_is_not_spoken_to_refuses_the_host():
    async def both(host: str, port: int) -> Sequence[str]:
        return ["93.184.216.34", "10.0.0.1"]

    with pytest.raises(AddressRefused):
        await Outbound([], both).address("tools.example.com", 443, "https")


async def test_ports_and_plain_http_are_for_what_the_operator_allows():
    async def public(host: str, port: int) -> Sequence[str]:
        return ["93.184.216.34"]

    outbound = Outbound(["127.0.0.0/8", "inside.example.com"], public)
    assert await outbound.address("tools.example.com", 443, "https") == "93.184.216.34"
    assert await outbound.address("inside.example.com", 9000, "http") == "93.184.216.34"
    for port, scheme in ((22, "https"), (80, "http")):
        with pytest.raises(AddressRefused):
            await outbound.address("tools.example.com", port, scheme)


@pytest.mark.parametrize(
    ("way", "field"),
    [
        (Way(), ""),
        (Way(PUBLIC, "files"), ""),
        (Way(command="rm"), "command"),
        (Way("http://127.0.0.1:1/mcp"), "url"),
        (Way(PUBLIC, headers={"Host": "other"}), "headers.Host"),
        (Way(PUBLIC, headers={"X": "a\r\nY: b"}), "headers.X"),
        (Way(command="files", headers={"X": "a"}), "headers"),
    ],
)
async def test_a_way_nobody_may_go_is_refused_and_not_saved(servers: Servers, caller: Caller, way: Way, field: str):
    with pytest.raises(Invalid) as refused:
        await servers.create(caller, NewServer("web", way))

    assert [error.field for error in refused.value.errors] == ([field] if field else [])
    assert await servers.catalogue(caller) == []


async def test_secrets_are_sealed_kept_and_do_not_follow_to_another_address(
    database: Database, jobs: Database, servers: Servers, caller: Caller
):
    """I1: a dump has no plaintext."""
    await servers.create(caller, NewServer("web", Way(PUBLIC, headers={"Authorization": "Bearer canary"})))
    checks = ServerChecks(database, jobs, Vault(SECRET), COMMANDS)

    async def headers() -> Any:
        known = await checks.find(caller.tenant_id, "web")
        assert known is not None
        return known.reach.headers

    assert await headers() == {"Authorization": "Bearer canary"}
    async with database.tenant(caller.tenant_id) as connection:
        assert "canary" not in str(dict(await connection.fetchrow("select * from mcp_server") or {}))
    await servers.change(caller, "web", None, "for files")
    assert await headers() == {"Authorization": "Bearer canary"}
    moved = await servers.change(caller, "web", Way("https://elsewhere.example.com/mcp"))
    assert (await headers(), moved.header_names, moved.description) == ({}, (), "for files")


def test_a_secret_opens_for_its_tenant_its_thing_and_its_key_only():
    """I1: a row moved to another tenant fails to decrypt."""
    mine, vault = TenantId(new_id()), Vault(SECRET)
    sealed = vault.seal(mine, "a", {"X": "1"})

    assert vault.open(mine, "a", sealed) == {"X": "1"}
    for other, name, key in ((TenantId(new_id()), "a", SECRET), (mine, "b", SECRET), (mine, "a", SECRET[::-1])):
        with pytest.raises(SecretSealed):
            Vault(key).open(other, name, sealed)


async def test_a_name_is_taken_once_and_the_same_wish_is_one_server(servers: Servers, caller: Caller):
    wish = NewServer("web", Way(PUBLIC), id=new_id())
    first = await servers.create(caller, wish)

    assert (await servers.create(caller, wish)).id == first.id
    with pytest.raises(Conflict):
        await servers.create(caller, NewServer("web", Way(PUBLIC)))


async def test_another_tenant_sees_nothing_of_it(servers: Servers, caller: Caller):
    await servers.create(caller, NewServer("web", Way(PUBLIC)))
    other = somebody()

    assert await servers.catalogue(other) == []
    for act in (servers.get(other, "web"), servers.look_again(other, "web"), servers.take(other, "web", "")):
        with pytest.raises(NotFound):
            await act
    with pytest.raises(NotFound):
        await servers.delete(other, "web")
    await servers.delete(caller, "web")
    assert await servers.catalogue(caller) == []


async def test_only_what_was_seen_is_taken(servers: Servers, caller: Caller):
    await servers.create(caller, NewServer("web", Way(PUBLIC)))

    with pytest.raises(Conflict, match="other tools than you saw"):
        await servers.take(caller, "web", "0" * 64)


def test_another_word_is_another_digest_and_another_order_is_none():
    one, two = Tool("a", "x", {"type": "object"}), Tool("b")

    assert digest([one, two]) == digest([two, one])
    assert len({digest([one]), digest([Tool("a", "y", {"type": "object"})]), digest([Tool("a", "x")]), digest([])}) == 4
