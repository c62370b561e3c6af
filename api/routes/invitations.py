"""Invitations: a code by which somebody may join the tenant, once."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, status
from pydantic import BaseModel, Field

from api.authentication import origin_of
from api.bodies import Body, Email, Name, Password
from api.dependencies import Public
from api.routes.members import MemberReader, MemberWriter
from windlass.core.identity import Invitation, Invitations, Invited, NewAccount
from windlass.core.permissions import Role

router = APIRouter(tags=["members"])

Code = Annotated[str, Field(min_length=1, max_length=200)]
DAYS = 7


class Invite(Body):
    """Who may join as what, and for how many days."""

    email: Email
    role: Role
    days: int = Field(DAYS, ge=1, le=30)


class InvitationView(BaseModel):
    """An invitation that can still be used."""

    id: UUID
    email: str
    role: Role
    created_by_name: str
    created_at: datetime
    expires_at: datetime


class NewInvitationView(InvitationView):
    """A new one: its code is in this answer and nowhere else; `url` carries it behind a `#`, which no server sees."""

    code: str
    url: str


class InvitationList(BaseModel):
    """All of them, the oldest first, at most 50."""

    items: Sequence[InvitationView]
    next: None = None


class Join(Body):
    """The code; who has no account yet chooses a name and a password."""

    code: Code
    name: Name | None = None
    password: Password | None = None


class JoinedView(BaseModel):
    """Where one is a member now, as what, and with which address to sign in."""

    tenant_name: str
    email: str
    role: Role


async def get_invitations(request: Request) -> Invitations:
    """The invitations of a tenant."""
    invitations: Invitations = request.state.invitations
    return invitations


InvitationsDep = Annotated[Invitations, Depends(get_invitations)]


@router.post("/v1/invitations", status_code=status.HTTP_201_CREATED)
async def invite(
    body: Invite, request: Request, caller: MemberWriter, invitations: InvitationsDep
) -> NewInvitationView:
    """Invite somebody; an earlier invitation of the same address ends."""
    made, code = await invitations.invite(caller, body.email, body.role, timedelta(days=body.days))
    return NewInvitationView(**view(made).model_dump(), code=code, url=join_url(request, code))


@router.get("/v1/invitations")
async def list_invitations(caller: MemberReader, invitations: InvitationsDep) -> InvitationList:
    """The invitations that can still be used."""
    return InvitationList(items=[view(each) for each in await invitations.live(caller)])


@router.delete("/v1/invitations/{invitation_id}", status_code=status.HTTP_204_NO_CONTENT)
async def take_back(invitation_id: UUID, caller: MemberWriter, invitations: InvitationsDep) -> None:
    """Take an invitation back."""
    await invitations.take_back(caller, invitation_id)


@router.post("/v1/auth/join", dependencies=[Public])
async def join(body: Join, request: Request, invitations: InvitationsDep) -> JoinedView:
    """Join by a code, then sign in; who has an account already keeps their own name and password."""
    account = NewAccount(body.name, body.password) if body.name and body.password else None
    return joined(await invitations.join(body.code, account, origin_of(request)))


def join_url(request: Request, code: str) -> str:
    """The address to hand over."""
    return f"{request.url.scheme}://{request.url.netloc}/join#{code}"


def view(invitation: Invitation) -> InvitationView:
    """An invitation as JSON shows it."""
    return InvitationView.model_validate(invitation, from_attributes=True)


def joined(invited: Invited) -> JoinedView:
    """The end of an invitation as JSON shows it."""
    return JoinedView.model_validate(invited, from_attributes=True)
