"""`windlass member` against a real gateway: people are invited, added, given another role and taken out."""

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import typer

from tests.api.people import FIRST_PASSWORD, PASSWORD, Gateway, Person, some_email
from windlass.cli import screen
from windlass.cli.app import app


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


class Terminal:
    """The command line in this process: what the gateway in it logs meanwhile is not taken for its answer."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch

    async def run(self, *words: str, say: str = "") -> Ran:
        """Run a command."""
        return await asyncio.to_thread(self._run, words, say)

    async def read(self, *words: str) -> Any:
        """Run a command and read its JSON."""
        ran = await self.run(*words, "--json")
        assert ran.code == 0, ran
        return json.loads(ran.out)

    def _run(self, words: Sequence[str], say: str) -> Ran:
        out, err, code = StringIO(), StringIO(), 0
        with self._patch.context() as patch:
            patch.setattr(screen.console, "_file", out)
            patch.setattr(screen.errors, "_file", err)
            patch.setattr(sys, "stdin", StringIO(say))
            try:
                code = app(["member", *words], standalone_mode=False) or 0
            except typer.BadParameter as wrong:
                code = wrong.exit_code
        return Ran(code, out.getvalue(), err.getvalue())


@pytest.fixture
async def owner(gateway: Gateway) -> Person:
    """Somebody with an organisation of their own."""
    return await gateway.sign_up("Olga")


@pytest.fixture
def terminal(gateway: Gateway, owner: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Their terminal."""
    for name, text in (("URL", gateway.url), ("API_KEY", owner.token), ("CONFIG", str(tmp_path))):
        monkeypatch.setenv(f"WINDLASS_{name}", text)
    return Terminal(monkeypatch)


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
