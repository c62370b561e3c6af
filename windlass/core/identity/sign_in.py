"""Coming in: sign-in by password, registration, and changing one's password."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from windlass.contracts.ids import PersonId, TenantId, new_id
from windlass.core.audit import Audit
from windlass.core.callers import Caller, Origin
from windlass.core.database import Database, Row
from windlass.core.errors import Conflict, FieldError, Forbidden, Invalid, Unauthenticated
from windlass.core.identity.passwords import Passwords, check_new_password
from windlass.core.identity.refusals import Refusals
from windlass.core.identity.sessions import Grant, Sessions
from windlass.core.limiter import Failures, Limit, Limiter
from windlass.core.permissions import Role

REGISTRATIONS = Limit("register", 5, timedelta(hours=1))
TAKEN = "There is an account with this e-mail address. Sign in instead."
WRONG = "The e-mail address or the password is wrong."


class PasswordChangeRequired(Forbidden):
    """The password was made by somebody else; the person chooses their own first."""

    title = "Password change required"


@dataclass(frozen=True, slots=True)
class TenantOfPerson:
    """A tenant a person may enter, and as what."""

    id: TenantId
    name: str
    role: Role
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Registration:
    """A person who signs up for an organisation of their own."""

    name: str
    email: str
    password: str
    tenant: str


class SignIn:
    """Lets people in who know their password, and nobody who guesses."""

    def __init__(self, database: Database, sessions: Sessions, passwords: Passwords) -> None:
        self._database = database
        self._sessions = sessions
        self._passwords = passwords
        self._failures = Failures(database)
        self._limiter = Limiter(database)
        self._refusals = Refusals(database)
        self._audit = Audit(database)

    async def login(
        self, email: str, password: str, origin: Origin, *, tenant: str | None = None, web: bool = False
    ) -> Grant:
        """Sign in to a tenant (id or name), else to the one used last. Raises Unauthenticated, TooMany, Forbidden."""
        person = await self._proven(email, password, origin)
        tenants = await tenants_of(self._database, person["id"])
        chosen = next((t for t in tenants if tenant is None or tenant in (str(t.id), t.name)), None)
        if chosen is None and tenant is None:
            raise Unauthenticated("You belong to no organisation, or may not sign in to it any more.")
        if chosen is None:
            raise Forbidden("You are not a member of this organisation.")
        grant = await self._sessions.open(chosen.id, PersonId(person["id"]), origin, web=web)
        await self._audit.note(grant.caller, "session.open", f"session:{grant.caller.session_id}")
        return grant

    async def is_fresh(self) -> bool:
        """Whether nobody has ever signed in."""
        async with self._database.open() as connection:
            return bool(await connection.fetchval("select identity_is_fresh()"))

    async def register(self, wish: Registration, origin: Origin, *, web: bool = False) -> Grant:
        """Make a person with a tenant of their own and sign them in. Raises Conflict, Invalid, TooMany."""
        await self._limiter.take(REGISTRATIONS, origin.address)
        check_new_password(wish.password, wish.email)
        person_id, tenant_id = PersonId(new_id()), TenantId(new_id())
        hashed = await self._passwords.hash(wish.password)
        async with self._database.open() as connection:
            added = await connection.fetchval(
                "select identity_register($1, $2, $3, $4, false, $5, $6)",
                *(person_id, wish.email.lower(), wish.name, hashed, tenant_id, wish.tenant),
            )
        if not added:
            raise Conflict(TAKEN)
        grant = await self._sessions.open(tenant_id, person_id, origin, web=web)
        await self._audit.note(grant.caller, "person.register", f"person:{person_id}", after={"email": wish.email})
        return grant

    async def change_password(self, caller: Caller, current: str, new: str) -> None:
        """Choose a new password; every other session of the person ends. Raises Invalid, TooMany."""
        check_new_password(new, caller.email, "new_password")
        try:
            person = await self._proven(caller.email, current, Origin(caller.address, request_id=caller.request_id))
        except Unauthenticated as wrong:
            error = FieldError("current_password", "is wrong")
            raise Invalid("The password was not changed.", (error,)) from wrong
        if current == new:
            error = FieldError("new_password", "must differ from the current one")
            raise Invalid("The password was not changed.", (error,))
        hashed = await self._passwords.hash(new)
        async with self._database.open() as connection:
            await connection.execute("select identity_set_password($1, $2, false)", person["id"], hashed)
        ended = await self._sessions.end_others(caller, "password changed")
        await self._audit.note(caller, "person.password", f"person:{caller.person_id}", after={"sessions_ended": ended})

    async def rename(self, caller: Caller, name: str) -> Caller:
        """Change the caller's own name; answers the caller as they are now."""
        async with self._database.open() as connection:
            await connection.execute("select identity_rename($1, $2)", caller.person_id, name)
        facts = {"before": {"name": caller.name}, "after": {"name": name}}
        await self._audit.note(caller, "person.rename", f"person:{caller.person_id}", **facts)
        return replace(caller, name=name)

    async def _proven(self, email: str, password: str, origin: Origin) -> Row:
        """The person, if the password is theirs. Unknown people cost the same time and give the same answer."""
        async with self._passwords.slot():
            await self._failures.check(email, origin.address)
            person = await find_person(self._database, email)
            is_right, renewed = await self._passwords.verify(password, person["password_hash"] if person else None)
        if not is_right or person is None:
            await self._failures.count(email, origin.address)
            await self._refusals.note(person["id"] if person else None, email, origin)
            raise Unauthenticated(WRONG)
        await self._failures.forgive(email)
        if renewed:
            async with self._database.open() as connection:
                must_change = person["must_change_password"]
                await connection.execute("select identity_set_password($1, $2, $3)", person["id"], renewed, must_change)
        return person


async def find_person(database: Database, email: str) -> Row | None:
    """The person with this e-mail address, with their hash."""
    async with database.open() as connection:
        return await connection.fetchrow("select * from identity_person(null, $1)", email.lower())


async def tenants_of(database: Database, person_id: UUID) -> Sequence[TenantOfPerson]:
    """The tenants a person may enter, the one used last first."""
    async with database.open() as connection:
        rows = await connection.fetch("select * from identity_tenants($1)", person_id)
    return [TenantOfPerson(row["tenant_id"], row["name"], Role(row["role"]), row["created_at"]) for row in rows]


async def add_tenant(database: Database, tenant_id: TenantId, name: str, owner: PersonId) -> None:
    """Make a tenant with its owner."""
    async with database.tenant(tenant_id) as connection:
        await connection.execute("insert into tenant (id, name) values ($1, $2)", tenant_id, name)
        await connection.execute(
            "insert into membership (tenant_id, person_id, role) values ($1, $2, 'owner')", tenant_id, owner
        )
