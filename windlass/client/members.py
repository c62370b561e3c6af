"""The people of an organisation and those invited into it, as both clients offer them."""

from datetime import datetime
from typing import Any

from windlass.client.calls import Call, fresh_key, nothing, segment
from windlass.client.desktops import Sends, SendsAsync
from windlass.client.records import Json, Member, Page, Record

PATH, INVITATIONS = "/v1/members", "/v1/invitations"


class Invitation(Record):
    """Who may join as what; `code` and `url` are only in the answer that made it."""

    id: str
    email: str = ""
    role: str = ""
    created_by_name: str = ""
    created_at: datetime | None = None
    expires_at: datetime | None = None
    code: str | None = None
    url: str | None = None


def list_members(limit: int, cursor: str | int | None) -> Call[Page[Member]]:
    """The people of the organisation."""
    return Call("GET", PATH, Page[Member].model_validate, query={"limit": limit, "after": cursor})


def get_member(member_id: str) -> Call[Member]:
    """A person of the organisation."""
    return Call("GET", f"{PATH}/{segment(member_id)}", Member.model_validate)


def add_member(name: str, email: str, password: str, role: str) -> Call[Member]:
    """Add a person to the organisation."""
    body = {"name": name, "email": email, "password": password, "role": role}
    return Call("POST", PATH, Member.model_validate, body, key=fresh_key())


def change_member(member_id: str, changes: Json) -> Call[Member]:
    """Change a member's role, password or whether they are active."""
    return Call("PATCH", f"{PATH}/{segment(member_id)}", Member.model_validate, changes)


def remove_member(member_id: str) -> Call[None]:
    """Take a person out of the organisation."""
    return Call("DELETE", f"{PATH}/{segment(member_id)}", nothing)


def invite(email: str, role: str, days: int) -> Call[Invitation]:
    """Invite somebody; the answer is the only one with the code."""
    body: Json = {"email": email, "role": role, "days": days}
    return Call("POST", INVITATIONS, Invitation.model_validate, body, key=fresh_key())


def list_invitations() -> Call[Page[Invitation]]:
    """The invitations that can still be used."""
    return Call("GET", INVITATIONS, Page[Invitation].model_validate)


def take_back(invitation_id: str) -> Call[None]:
    """Take an invitation back."""
    return Call("DELETE", f"{INVITATIONS}/{segment(invitation_id)}", nothing)


class Members:
    """The people of the organisation."""

    def __init__(self, client: Sends) -> None:
        self._client = client

    def list(self, *, limit: int = 100, cursor: str | int | None = None) -> Page[Member]:
        """Everybody."""
        return self._client.send(list_members(limit, cursor))

    def get(self, member_id: str) -> Member:
        """One of them."""
        return self._client.send(get_member(member_id))

    def add(self, name: str, email: str, password: str, role: str) -> Member:
        """Add a person."""
        return self._client.send(add_member(name, email, password, role))

    def change(self, member_id: str, **changes: Any) -> Member:
        """Change `role`, `active` or `password`."""
        return self._client.send(change_member(member_id, changes))

    def remove(self, member_id: str) -> None:
        """Take a person out."""
        self._client.send(remove_member(member_id))

    def invite(self, email: str, role: str, days: int = 7) -> Invitation:
        """Invite somebody; code and address are in this answer only."""
        return self._client.send(invite(email, role, days))

    def invitations(self) -> Page[Invitation]:
        """The invitations that can still be used."""
        return self._client.send(list_invitations())

    def uninvite(self, invitation_id: str) -> None:
        """Take an invitation back."""
        self._client.send(take_back(invitation_id))


class AsyncMembers:
    """The people of the organisation."""

    def __init__(self, client: SendsAsync) -> None:
        self._client = client

    async def list(self, *, limit: int = 100, cursor: str | int | None = None) -> Page[Member]:
        """Everybody."""
        return await self._client.send(list_members(limit, cursor))

    async def get(self, member_id: str) -> Member:
        """One of them."""
        return await self._client.send(get_member(member_id))

    async def add(self, name: str, email: str, password: str, role: str) -> Member:
        """Add a person."""
        return await self._client.send(add_member(name, email, password, role))

    async def change(self, member_id: str, **changes: Any) -> Member:
        """Change `role`, `active` or `password`."""
        return await self._client.send(change_member(member_id, changes))

    async def remove(self, member_id: str) -> None:
        """Take a person out."""
        await self._client.send(remove_member(member_id))

    async def invite(self, email: str, role: str, days: int = 7) -> Invitation:
        """Invite somebody; code and address are in this answer only."""
        return await self._client.send(invite(email, role, days))

    async def invitations(self) -> Page[Invitation]:
        """The invitations that can still be used."""
        return await self._client.send(list_invitations())

    async def uninvite(self, invitation_id: str) -> None:
        """Take an invitation back."""
        await self._client.send(take_back(invitation_id))
