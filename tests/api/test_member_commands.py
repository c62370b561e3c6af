"""`windlass member` against a real gateway: people are invited, added, given another role and taken out."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.api.people import FIRST_PASSWORD, PASSWORD, Gateway, Person, some_email
from tests.api.terminals import Terminal


@pytest.fixture
async def owner(gateway: Gateway) -> Person:
    """Somebody with an organisation of their own."""
    return await gateway.sign_up("Olga")


@pytest.fixture
def terminal(gateway: Gateway, owner: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Their terminal."""
    return Terminal.of(gateway, owner, monkeypatch, tmp_path, "member")


async def test_a_member_comes_gets_another_role_and_goes(gateway: Gateway, owner: Person, terminal: Terminal):
    email = some_email("grace")

    added = await terminal.run("add", "Grace", email, "--role", "viewer", "--password-stdin", say=f"{FIRST_PASSWORD}\n")
    assert added.out == f"Grace is a viewer now, and signs in as {email}.\n"
    grace = await gateway.sign_in(email, FIRST_PASSWORD)
    assert (await terminal.read("role", email.upper(), "operator"))["role"] == "operator"
    listed = (await terminal.read("list"))["items"]
    assert {each["email"]: each["role"] for each in listed} == {owner.email: "owner", email: "operator"}
    assert "Grace" in (await terminal.run("list")).out
    assert await terminal.read("remove", "grace") == {"id": str(grace.id), "removed": True}
    assert (await grace.http.get("/v1/me")).status_code == 401
    gone = await terminal.run("remove", "grace")
    assert (gone.code, "There is no member grace" in gone.err) == (3, True)


async def test_an_invitation_is_a_link_until_it_is_used_or_taken_back(gateway: Gateway, terminal: Terminal):
    first, second = some_email("ivy"), some_email("joe")

    link = (await terminal.run("invite", first, "--role", "builder")).out.strip()
    made = await terminal.read("invite", second, "--days", "2")
    assert (await terminal.run("invitations")).out.count("@example.org") == 2
    assert await terminal.read("uninvite", second) == {"id": made["id"], "removed": True}
    answers = [
        await (await gateway.browser()).post("/v1/auth/join", json={"code": code, "name": "New", "password": PASSWORD})
        for code in (urlsplit(link).fragment, made["code"])
    ]

    assert [answer.status_code for answer in answers] == [200, 422]
    assert answers[0].json()["role"] == "builder"
    assert (await terminal.read("invitations"))["items"] == []
    assert (await terminal.run("uninvite", second)).code == 2
