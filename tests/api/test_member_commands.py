"""`windlass member` against a real gateway: people are invited, added, given another role and taken out."""

import asyncio
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from typer.testing import CliRunner, Result

from tests.api.people import FIRST_PASSWORD, PASSWORD, Gateway, Person, some_email
from windlass.cli.app import app


class Terminal:
    """The command line as somebody uses it."""

    def __init__(self, url: str, person: Person, home: Path) -> None:
        self._environment = {"WINDLASS_URL": url, "WINDLASS_API_KEY": person.token, "WINDLASS_CONFIG": str(home)}

    async def run(self, *words: str, say: str = "") -> Result:
        """Run a command."""
        return await asyncio.to_thread(CliRunner().invoke, app, ["member", *words], say, self._environment)

    async def read(self, *words: str, say: str = "") -> Any:
        """Run a command and read its JSON."""
        ran = await self.run(*words, "--json", say=say)
        assert ran.exit_code == 0, ran.output
        return json.loads(ran.stdout)


@pytest.fixture
async def owner(gateway: Gateway) -> Person:
    """Somebody with an organisation of their own."""
    return await gateway.sign_up("Olga")


@pytest.fixture
def terminal(gateway: Gateway, owner: Person, tmp_path: Path) -> Terminal:
    """Their terminal."""
    return Terminal(gateway.url, owner, tmp_path)


async def test_a_member_comes_gets_another_role_and_goes(gateway: Gateway, owner: Person, terminal: Terminal):
    email = some_email("Grace")

    added = await terminal.run("add", "Grace", email, "--role", "viewer", "--password-stdin", say=f"{FIRST_PASSWORD}\n")
    assert added.stdout == f"Grace is a viewer now, and signs in as {email}.\n"
    grace = await gateway.sign_in(email, FIRST_PASSWORD)
    assert (await terminal.read("role", email.upper(), "operator"))["role"] == "operator"
    listed = (await terminal.read("list"))["items"]
    assert {each["email"]: each["role"] for each in listed} == {owner.email: "owner", email.lower(): "operator"}
    assert "Grace" in (await terminal.run("list")).stdout
    assert await terminal.read("remove", "grace") == {"id": str(grace.id), "removed": True}
    assert (await grace.http.get("/v1/me")).status_code == 401
    gone = await terminal.run("remove", "grace")
    assert (gone.exit_code, "There is no member grace" in gone.stderr) == (3, True)


async def test_an_invitation_is_a_link_until_it_is_used_or_taken_back(gateway: Gateway, terminal: Terminal):
    first, second = some_email("Ivy"), some_email("Joe")

    link = (await terminal.run("invite", first, "--role", "builder")).stdout.strip()
    made = await terminal.read("invite", second, "--days", "2")
    assert (await terminal.run("invitations")).stdout.count("@example.org") == 2
    assert await terminal.read("uninvite", second) == {"id": made["id"], "removed": True}
    answers = [
        await (await gateway.browser()).post("/v1/auth/join", json={"code": code, "name": "New", "password": PASSWORD})
        for code in (urlsplit(link).fragment, made["code"])
    ]

    assert [answer.status_code for answer in answers] == [200, 422]
    assert answers[0].json()["role"] == "builder"
    assert (await terminal.read("invitations"))["items"] == []
    assert (await terminal.run("uninvite", second)).exit_code == 2
