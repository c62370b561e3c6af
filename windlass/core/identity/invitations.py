"""Invitations: whoever holds the code may join a tenant once, with an account of their own choosing."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from windlass.contracts.ids import new_id
from windlass.core.audit import record
from windlass.core.callers import Caller, Origin
from windlass.core.database import Database, Row
from windlass.core.errors import Conflict, FieldError, Forbidden, Invalid, NotFound
from windlass.core.identity.passwords import Passwords, check_new_password
from windlass.core.identity.sessions import fingerprint
from windlass.core.limiter import Limit, Limiter
from windlass.core.permissions import Role

CODE_BYTES = 32
MOST = 50  # live invitations of a tenant
JOINS = Limit("join", 30, timedelta(hours=1))
GONE = "The invitation is no longer good: it was used, taken back, or its time is over. Ask for another one."

COLUMNS = "id, email, role, created_by_name, created_at, expires_at"
LIVE = "ended_at is null and expires_at > now()"
ADD = f"""
insert into invitation (id, tenant_id, email, role, hash, created_by, created_by_name, expires_at)
select $1, $2, $3, $4, $5, $6, $7, now() + $8 where (select count(*) from invitation where {LIVE}) < {MOST}
returning {COLUMNS}
"""  # noqa: S608 - constants
LIST = f"select {COLUMNS} from invitation where {LIVE} order by created_at, id"  # noqa: S608 - constants
REPLACE = f"update invitation set ended_at = now() where email = $1 and {LIVE}"  # noqa: S608 - constants
TAKE_BACK = f"update invitation set ended_at = now() where id = $1 and {LIVE} returning email"  # noqa: S608 - constants


@dataclass(frozen=True, slots=True)
class Invitation:
    """Who may join, as what, until when, and who says so."""

    id: UUID
    email: str
    role: Role
    created_by_name: str
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Invited:
    """What the holder of a code is told; `has_account`: they join with the account they have."""

    tenant_id: UUID
    tenant_name: str
    email: str
    role: Role
    invited_by: str
    has_account: bool


@dataclass(frozen=True, slots=True)
class NewAccount:
    """The name and the password that somebody new chooses."""

    name: str
    password: str


class Invitations:
    """The invitations of a tenant, and the way in for those who hold one."""

    def __init__(self, database: Database, passwords: Passwords) -> None:
        self._database = database
        self._passwords = passwords
        self._limiter = Limiter(database)

    async def invite(self, caller: Caller, email: str, role: Role, lifetime: timedelta) -> tuple[Invitation, str]:
        """A new invitation and its code, which is kept nowhere; an earlier one of the address ends.

        Raises Forbidden (rank), Conflict (a member already, too many).
        """
        if not caller.role.outranks(role):
            raise Forbidden(f"A member with the role {caller.role} cannot give the role {role}.")
        code, invitation_id = secrets.token_urlsafe(CODE_BYTES), new_id()
        facts = (invitation_id, caller.tenant_id, email.lower(), role, fingerprint(code))
        async with self._database.tenant(caller.tenant_id) as connection:
            known = "select exists (select from membership m join person p on p.id = m.person_id where p.email = $1)"
            if await connection.fetchval(known, email.lower()):
                raise Conflict("This person is a member already. Nobody was invited.")
            await connection.execute(REPLACE, email.lower())
            row = await connection.fetchrow(ADD, *facts, caller.person_id, caller.name, lifetime)
            if row is None:
                raise Conflict(f"There are {MOST} invitations already. Take one back first; nobody was invited.")
            after = {"email": email.lower(), "role": role}
            await record(connection, caller, "member.invite", f"invitation:{invitation_id}", after=after)
        return _invitation(row), code

    async def live(self, caller: Caller) -> Sequence[Invitation]:
        """The invitations that can still be used, the oldest first."""
        async with self._database.tenant(caller.tenant_id) as connection:
            rows = await connection.fetch(LIST)
        return [_invitation(row) for row in rows]

    async def take_back(self, caller: Caller, invitation_id: UUID) -> None:
        """End an invitation before it is used. Raises NotFound."""
        async with self._database.tenant(caller.tenant_id) as connection:
            email = await connection.fetchval(TAKE_BACK, invitation_id)
            if email is None:
                raise NotFound("invitation", invitation_id)
            before = {"email": email}
            await record(connection, caller, "member.uninvite", f"invitation:{invitation_id}", before=before)

    async def look(self, code: str, origin: Origin) -> Invited:
        """What a code is for. Raises Invalid (no longer good), TooMany."""
        await self._limiter.take(JOINS, origin.address)
        return await self._look(code)

    async def join(self, code: str, account: NewAccount | None, origin: Origin) -> Invited:
        """Join, once: with a new account, or with the one that the address has. Raises Invalid, TooMany.

        The second time the code is no longer good, and nothing changes.
        """
        await self._limiter.take(JOINS, origin.address)
        invited = await self._look(code)
        name, hashed = "", None
        if not invited.has_account:
            if account is None:
                raise Invalid("Nobody has joined.", (FieldError("password", "must be chosen"),))
            check_new_password(account.password, invited.email)
            name, hashed = account.name, await self._passwords.hash(account.password)
        async with self._database.open() as connection:
            joined = await connection.fetchval(
                "select identity_join($1, $2, $3, $4, $5, $6)",
                *(fingerprint(code), new_id(), name, hashed, origin.address, origin.request_id),
            )
        if not joined:
            raise Invalid(GONE, (FieldError("code", "is no longer good"),))
        return invited

    async def _look(self, code: str) -> Invited:
        async with self._database.open() as connection:
            row = await connection.fetchrow("select * from identity_invitation($1)", fingerprint(code))
        if row is None:
            raise Invalid(GONE, (FieldError("code", "is no longer good"),))
        return Invited(
            row["tenant_id"], row["tenant_name"], row["email"], Role(row["role"]), row["invited_by"], row["has_account"]
        )


def _invitation(row: Row) -> Invitation:
    values: dict[str, Any] = {**row, "role": Role(row["role"])}
    return Invitation(**values)
