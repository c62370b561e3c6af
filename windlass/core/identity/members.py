"""The members of a tenant: who belongs to it and as what; roles below one's own are one's to give and take."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from windlass.contracts.ids import PersonId, new_id
from windlass.core.audit import record
from windlass.core.callers import Caller
from windlass.core.database import Connection, Database, Row
from windlass.core.errors import Conflict, Forbidden, NotFound
from windlass.core.identity.authentication import Authentication
from windlass.core.identity.passwords import Passwords, check_new_password
from windlass.core.identity.sessions import Sessions
from windlass.core.identity.sign_in import find_person
from windlass.core.permissions import Role

COLUMNS = "p.id, p.name, p.email, m.role, m.active, p.must_change_password, m.created_at, p.last_seen_at"
SESSIONS = "select * from identity_sessions_in(current_tenant())"
FROM = "membership m join person p on p.id = m.person_id"
LIST = f"""
select {COLUMNS} from {FROM} where $1::text is null or (lower(p.name), p.id) > (lower($1), $2)
order by lower(p.name), p.id limit $3
"""  # noqa: S608 - constants


@dataclass(frozen=True, slots=True)
class NewMember:
    """The wish to add a person; who has an account already keeps their own name and password."""

    name: str
    email: str
    password: str
    role: Role


@dataclass(frozen=True, slots=True)
class MemberChange:
    """What is to change about a member; None leaves it."""

    role: Role | None = None
    active: bool | None = None
    password: str | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """A person as a member of this tenant."""

    id: PersonId
    name: str
    email: str
    role: Role
    active: bool
    must_change_password: bool
    created_at: datetime
    last_seen_at: datetime | None


class Members:
    """The people of a tenant."""

    def __init__(
        self, database: Database, sessions: Sessions, passwords: Passwords, authentication: Authentication
    ) -> None:
        self._database = database
        self._sessions = sessions
        self._passwords = passwords
        self._authentication = authentication

    async def by_name(
        self, caller: Caller, *, limit: int = 50, after: tuple[str, UUID] | None = None
    ) -> Sequence[Member]:
        """The members by name, those after a name and an id."""
        async with self._database.tenant(caller.tenant_id) as connection:
            rows = await connection.fetch(LIST, *(after or (None, None)), limit)
        return [_member(row) for row in rows]

    async def sessions(self, caller: Caller) -> Mapping[UUID, int]:
        """In how many places members are signed in here; who is in none is left out."""
        async with self._database.tenant(caller.tenant_id) as connection:
            return {row["person_id"]: row["sessions"] for row in await connection.fetch(SESSIONS)}

    async def get(self, caller: Caller, person_id: UUID) -> Member:
        """One member. Raises NotFound."""
        async with self._database.tenant(caller.tenant_id) as connection:
            return await _get(connection, person_id)

    async def add(self, caller: Caller, wish: NewMember) -> Member:
        """Add a person; a new one must change the given password first. Raises Forbidden, Conflict, Invalid."""
        _check_rank(caller, wish.role)
        person_id = await self._person(wish)
        async with self._database.tenant(caller.tenant_id) as connection:
            added = await connection.fetchval(
                "insert into membership (tenant_id, person_id, role) values ($1, $2, $3) "
                "on conflict do nothing returning true",
                *(caller.tenant_id, person_id, wish.role),
            )
            if not added:
                raise Conflict("This person is a member already. Nothing was changed.")
            member = await _get(connection, person_id)
            facts = {"email": member.email, "role": member.role}
            await record(connection, caller, "member.add", f"person:{person_id}", after=facts)
        return member

    async def change(self, caller: Caller, person_id: UUID, change: MemberChange) -> Member:
        """Change role, access or password of a member below one's own rank. Raises Forbidden, NotFound, Invalid."""
        async with self._database.tenant(caller.tenant_id) as connection:
            before = await _below(connection, caller, person_id)
            if change.role is not None:
                _check_rank(caller, change.role)
            await connection.execute(
                "update membership set role = coalesce($2, role), active = coalesce($3, active) where person_id = $1",
                *(person_id, change.role, change.active),
            )
            member = await _get(connection, person_id)
            if (before.role, before.active) != (member.role, member.active):
                facts = {"before": _facts(before), "after": _facts(member)}
                await record(connection, caller, "member.change", f"person:{person_id}", **facts)
        if change.password is not None:
            await self._reset_password(caller, member, change.password)
        if change.active is False or change.password is not None:
            await self._sessions.end_in(caller.tenant_id, member.id, "ended by an administrator")
        self._authentication.forget()
        return await self.get(caller, person_id)

    async def remove(self, caller: Caller, person_id: UUID) -> None:
        """Take a member out; their keys here are revoked and their sessions here end. Raises Forbidden, NotFound."""
        async with self._database.tenant(caller.tenant_id) as connection:
            member = await _below(connection, caller, person_id)
            query = "update api_key set revoked_at = now() where person_id = $1 and revoked_at is null"
            await connection.execute(query, person_id)
            await connection.execute("delete from membership where person_id = $1", person_id)
            before = {"email": member.email, **_facts(member)}
            await record(connection, caller, "member.remove", f"person:{person_id}", before=before)
        await self._sessions.end_in(caller.tenant_id, member.id, "removed by an administrator")
        self._authentication.forget()

    async def hand_over(self, caller: Caller, person_id: UUID) -> Member:
        """Make another active member the owner; the owner becomes an admin. Raises NotFound, Conflict."""
        query = "update membership set role = $2 where person_id = $1"
        async with self._database.tenant(caller.tenant_id) as connection:
            await connection.fetch("select from membership for update")
            heir = await _get(connection, person_id)
            if not heir.active or heir.id == caller.person_id:
                raise Conflict("Ownership goes to another member who may sign in. Nothing was changed.")
            await connection.execute(query, caller.person_id, Role.ADMIN)
            await connection.execute(query, person_id, Role.OWNER)
            facts = {"before": {"owner": str(caller.person_id)}, "after": {"owner": str(person_id)}}
            await record(connection, caller, "tenant.hand-over", f"tenant:{caller.tenant_id}", **facts)
            member = await _get(connection, person_id)
        self._authentication.forget()
        return member

    async def _person(self, wish: NewMember) -> PersonId:
        known = await find_person(self._database, wish.email)
        if known is not None:
            return PersonId(known["id"])
        person_id = PersonId(new_id())
        check_new_password(wish.password, wish.email)
        hashed = await self._passwords.hash(wish.password)
        async with self._database.open() as connection:
            added = await connection.fetchval(
                "select identity_add_person($1, $2, $3, $4, true)", person_id, wish.email.lower(), wish.name, hashed
            )
        if not added:
            raise Conflict("Somebody made an account with this e-mail address just now. Try again.")
        return person_id

    async def _reset_password(self, caller: Caller, member: Member, password: str) -> None:
        check_new_password(password, member.email)
        hashed = await self._passwords.hash(password)
        async with self._database.open() as connection:
            query = "select identity_reset_password($1, $2, $3)"
            changed = await connection.fetchval(query, member.id, caller.tenant_id, hashed)
        if not changed:
            raise Forbidden("This person belongs to other organisations too; only they can change their password.")
        async with self._database.tenant(caller.tenant_id) as connection:
            await record(connection, caller, "member.password", f"person:{member.id}")


def _check_rank(caller: Caller, role: Role) -> None:
    if not caller.role.outranks(role):
        raise Forbidden(f"A member with the role {caller.role} cannot give or take the role {role}.")


async def _below(connection: Connection, caller: Caller, person_id: UUID) -> Member:
    """The member, locked, if the caller outranks them."""
    await connection.fetch("select from membership where person_id = $1 for update", person_id)
    member = await _get(connection, person_id)
    _check_rank(caller, member.role)
    return member


async def _get(connection: Connection, person_id: UUID) -> Member:
    row = await connection.fetchrow(f"select {COLUMNS} from {FROM} where p.id = $1", person_id)  # noqa: S608 - constants
    if row is None:
        raise NotFound("member", person_id)
    return _member(row)


def _member(row: Row) -> Member:
    values: dict[str, Any] = {**row, "role": Role(row["role"])}
    return Member(**values)


def _facts(member: Member) -> dict[str, object]:
    return {"role": member.role, "active": member.active}
