"""The members of the tenant you work in."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, status
from pydantic import BaseModel

from api.bodies import Body, Email, Name, Password
from api.dependencies import CursorsDep, requires
from api.paging import ListQuery, PageOf
from windlass.core.callers import Caller
from windlass.core.identity import Member, MemberChange, Members, NewMember
from windlass.core.permissions import Permission, Role

router = APIRouter(prefix="/v1/members", tags=["members"])

MemberReader = Annotated[Caller, Depends(requires(Permission.MEMBERS_READ))]
MemberWriter = Annotated[Caller, Depends(requires(Permission.MEMBERS_WRITE))]
LIST = "members"


class AddMember(Body):
    """A person, the password to give them (they must change it) and their role here."""

    name: Name
    email: Email
    password: Password
    role: Role


class ChangeMember(Body):
    """What to change about a member; a password given here must be changed by them."""

    role: Role | None = None
    active: bool | None = None
    password: Password | None = None


class MemberView(BaseModel):
    """A person as a member of this tenant."""

    id: UUID
    name: str
    email: str
    role: Role
    active: bool
    must_change_password: bool
    created_at: datetime
    last_seen_at: datetime | None


async def get_members(request: Request) -> Members:
    """The people of a tenant."""
    members: Members = request.state.members
    return members


MembersDep = Annotated[Members, Depends(get_members)]


@router.post("", status_code=status.HTTP_201_CREATED)
async def add_member(body: AddMember, caller: MemberWriter, members: MembersDep) -> MemberView:
    """Add a person; one who has an account already keeps their own name and password."""
    return view(await members.add(caller, NewMember(body.name, body.email, body.password, body.role)))


@router.get("")
async def list_members(
    query: Annotated[ListQuery, Query()], caller: MemberReader, members: MembersDep, cursors: CursorsDep
) -> PageOf[MemberView]:
    """The members by name."""
    place = cursors.read(caller, LIST, query)
    after = (place[0], UUID(place[1])) if place else None
    found = await members.by_name(caller, limit=query.limit + 1, after=after)
    items, next_ = cursors.page(caller, LIST, query, found, lambda member: (member.name, member.id))
    return PageOf(items=[view(member) for member in items], next=next_)


@router.get("/{person_id}")
async def get_member(person_id: UUID, caller: MemberReader, members: MembersDep) -> MemberView:
    """One member."""
    return view(await members.get(caller, person_id))


@router.patch("/{person_id}")
async def change_member(person_id: UUID, body: ChangeMember, caller: MemberWriter, members: MembersDep) -> MemberView:
    """Change role, access or password of a member below your own role."""
    change = MemberChange(body.role, body.active, body.password)
    return view(await members.change(caller, person_id, change))


@router.delete("/{person_id}", status_code=status.HTTP_204_NO_CONTENT)
async def remove_member(person_id: UUID, caller: MemberWriter, members: MembersDep) -> None:
    """Take a member out of this tenant; their keys and sessions here end."""
    await members.remove(caller, person_id)


def view(member: Member) -> MemberView:
    """A member as JSON shows them."""
    return MemberView.model_validate(member, from_attributes=True)
