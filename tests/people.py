"""People of any number of organisations, who talk to a gateway over HTTP, wherever it runs."""

import asyncio
import secrets
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx

from windlass.core.permissions import Role

PASSWORD = "a passphrase of one's own"  # noqa: S105
FIRST_PASSWORD = "given by somebody else"  # noqa: S105
TLS = httpx.create_ssl_context()  # made once: it reads every root certificate


def some_address() -> str:
    """A loopback address of one's own, so that limits by address do not meet."""
    return f"127.{secrets.randbelow(254) + 1}.{secrets.randbelow(254) + 1}.{secrets.randbelow(254) + 1}"


def some_email(name: str = "ada") -> str:
    """An address nobody has."""
    return f"{name}-{secrets.token_hex(6)}@example.org"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is signed in; `http` sends their access token."""

    http: httpx.AsyncClient
    email: str
    password: str
    signed_in: Mapping[str, Any]

    @property
    def id(self) -> UUID:
        """Who they are."""
        return UUID(self.signed_in["person"]["id"])

    @property
    def tenant_id(self) -> UUID:
        """Where they work."""
        return UUID(self.signed_in["tenant"]["id"])

    @property
    def token(self) -> str:
        """Their access token."""
        return self.signed_in["access_token"]


@dataclass(frozen=True, slots=True)
class Organisation:
    """A tenant with one person of every role."""

    people: Mapping[Role, Person]

    @property
    def id(self) -> UUID:
        """The tenant."""
        return self.owner.tenant_id

    @property
    def owner(self) -> Person:
        """Who may everything here."""
        return self.people[Role.OWNER]

    @property
    def admin(self) -> Person:
        """Who runs it."""
        return self.people[Role.ADMIN]

    @property
    def builder(self) -> Person:
        """Who makes services."""
        return self.people[Role.BUILDER]

    @property
    def operator(self) -> Person:
        """Who starts runs and sees their own."""
        return self.people[Role.OPERATOR]

    @property
    def viewer(self) -> Person:
        """Who looks."""
        return self.people[Role.VIEWER]


@dataclass(frozen=True, slots=True)
class Door:
    """A gateway as people find it: its address, and the clients that were opened."""

    url: str
    clients: AsyncExitStack

    async def browser(self, **options: Any) -> httpx.AsyncClient:
        """A client that nobody is signed in with, at an address of its own."""
        transport = httpx.AsyncHTTPTransport(local_address=options.pop("address", some_address()), verify=TLS)
        client = httpx.AsyncClient(base_url=self.url, transport=transport, timeout=30, **options)
        return await self.clients.enter_async_context(client)

    async def sign_in(self, email: str, password: str, **more: Any) -> Person:
        """Sign somebody in."""
        http = await self.browser()
        answer = await http.post("/v1/auth/login", json={"email": email, "password": password, **more})
        assert answer.status_code == 200, answer.text
        return await self._person(http, email, password, answer)

    async def sign_up(self, name: str = "Ada") -> Person:
        """Somebody new with an organisation of their own."""
        http, email = await self.browser(), some_email(name.lower())
        wish = {"name": name, "email": email, "password": PASSWORD, "tenant": f"{name} {secrets.token_hex(3)}"}
        answer = await http.post("/v1/auth/register", json=wish)
        assert answer.status_code == 201, answer.text
        return await self._person(http, email, PASSWORD, answer)

    async def hire(self, boss: Person, role: Role) -> Person:
        """A new member of the boss's organisation, with a password of their own."""
        email = some_email(role)
        wish = {"name": role.title(), "email": email, "password": FIRST_PASSWORD, "role": role}
        added = await boss.http.post("/v1/members", json=wish)
        assert added.status_code == 201, added.text
        person = await self.sign_in(email, FIRST_PASSWORD)
        change = {"current_password": FIRST_PASSWORD, "new_password": PASSWORD}
        changed = await person.http.post("/v1/auth/password", json=change)
        assert changed.status_code == 204, changed.text
        return Person(person.http, email, PASSWORD, person.signed_in)

    async def organisation(self, name: str) -> Organisation:
        """A tenant with one person of every role."""
        owner = await self.sign_up(name)
        others = [role for role in Role if role is not Role.OWNER]
        hired = await asyncio.gather(*(self.hire(owner, role) for role in others))
        return Organisation({Role.OWNER: owner, **dict(zip(others, hired, strict=True))})

    async def _person(self, http: httpx.AsyncClient, email: str, password: str, answer: httpx.Response) -> Person:
        signed_in = answer.json()
        http.headers["authorization"] = f"Bearer {signed_in['access_token']}"
        return Person(http, email, password, signed_in)
