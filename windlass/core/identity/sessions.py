"""Sign-in sessions: opened with a password, kept alive by refresh tokens or a cookie, ended at once."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from windlass.contracts.ids import PersonId, TenantId, new_id
from windlass.core.callers import Caller, Origin
from windlass.core.database import Database, Row
from windlass.core.errors import Forbidden, NotFound, Unauthenticated
from windlass.core.identity.tokens import Claims, Tokens
from windlass.core.permissions import OPERATOR_OF_PLATFORM, ROLES, Role

SECRET_BYTES = 32
AGENT_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long a session lasts unused, however much it is used, and how long two refreshes count as one."""

    unused: timedelta = timedelta(days=7)
    longest: timedelta = timedelta(days=30)
    grace: timedelta = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Grant:
    """What a person gets who signed in: an access token, and a refresh token or a cookie to keep the session."""

    caller: Caller
    access_token: str
    lifetime: timedelta
    refresh_token: str | None = None
    cookie: str | None = None


@dataclass(frozen=True, slots=True)
class LoginSession:
    """One place where a person is signed in."""

    id: UUID
    tenant_name: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    address: str
    agent: str
    is_web: bool


class Sessions:
    """Opens, renews, lists and ends the sign-in sessions of people."""

    def __init__(self, database: Database, tokens: Tokens, lifetimes: Lifetimes) -> None:
        self._database = database
        self._tokens = tokens
        self._lifetimes = lifetimes

    async def open(self, tenant_id: TenantId, person_id: PersonId, origin: Origin, *, web: bool = False) -> Grant:
        """Sign a person in to one of their tenants. Raises Forbidden."""
        session_id, secret = new_id(), secrets.token_urlsafe(SECRET_BYTES)
        times = self._lifetimes
        async with self._database.open() as connection:
            opened = await connection.fetchval(
                "select identity_open_session($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                *(session_id, person_id, tenant_id, fingerprint(secret) if web else None),
                *(None if web else fingerprint(secret), times.unused, times.longest),
                *(origin.address, origin.agent[:AGENT_LENGTH]),
            )
        if not opened:
            raise Forbidden("You are not a member of this organisation.")
        caller = await self._known(session_id, origin)
        return self._grant(caller, cookie=secret) if web else self._grant(caller, refresh=secret)

    async def refresh(self, token: str, origin: Origin) -> Grant:
        """Exchange a refresh token for a new pair. Raises Unauthenticated; a replayed token ends its session."""
        secret = secrets.token_urlsafe(SECRET_BYTES)
        times = self._lifetimes
        async with self._database.open() as connection:
            row = await connection.fetchrow(
                "select * from identity_refresh($1, $2, $3, $4, $5)",
                *(fingerprint(token), fingerprint(secret), times.unused, times.grace, origin.address),
            )
        if row is None or row["outcome"] != "rotated":
            raise Unauthenticated("The refresh token is no longer good. Sign in again.")
        return self._grant(await self._known(row["session_id"], origin), refresh=secret)

    async def switch(self, caller: Caller, tenant_id: TenantId, origin: Origin) -> Grant:
        """Work in another tenant with the same session; the old access token ends. Raises NotFound."""
        if caller.session_id is None:
            raise Forbidden("An API key belongs to one organisation. Sign in to switch.")
        async with self._database.open() as connection:
            switched = await connection.fetchval(
                "select identity_switch($1, $2, $3)", caller.session_id, caller.person_id, tenant_id
            )
        if not switched:
            raise NotFound("tenant", tenant_id)
        return self._grant(await self._known(caller.session_id, origin))

    async def live(self, caller: Caller) -> Sequence[LoginSession]:
        """Where the caller is signed in, the latest use first."""
        async with self._database.open() as connection:
            rows = await connection.fetch("select * from identity_sessions($1)", caller.person_id)
        return [LoginSession(*row.values()) for row in rows]

    async def end(self, caller: Caller, session_id: UUID, reason: str) -> None:
        """End one session of the caller. Raises NotFound."""
        if not await self._end(caller.person_id, only=session_id, reason=reason):
            raise NotFound("session", session_id)

    async def end_others(self, caller: Caller, reason: str) -> int:
        """End every session of the caller but this one; answers how many."""
        return await self._end(caller.person_id, but=caller.session_id, reason=reason)

    async def end_in(self, tenant_id: TenantId, person_id: PersonId, reason: str) -> int:
        """End a person's sessions in one tenant; answers how many."""
        return await self._end(person_id, tenant=tenant_id, reason=reason)

    async def _end(
        self,
        person_id: PersonId,
        *,
        reason: str,
        only: UUID | None = None,
        tenant: TenantId | None = None,
        but: UUID | None = None,
    ) -> int:
        query = "select identity_end_sessions($1, $2, $3, $4, $5)"
        async with self._database.open() as connection:
            return int(await connection.fetchval(query, person_id, only, tenant, but, reason))

    async def _known(self, session_id: UUID, origin: Origin) -> Caller:
        async with self._database.open() as connection:
            row = await connection.fetchrow("select * from identity_session($1, null)", session_id)
        if row is None:
            raise Unauthenticated("The session is over. Sign in again.")
        return caller_of(row, origin)

    def _grant(self, caller: Caller, *, refresh: str | None = None, cookie: str | None = None) -> Grant:
        assert caller.session_id is not None  # noqa: S101 - a session made this caller
        claims = Claims(caller.session_id, caller.person_id, caller.tenant_id)
        return Grant(caller, self._tokens.issue(claims), self._tokens.lifetime, refresh, cookie)


def fingerprint(secret: str) -> bytes:
    """What is stored of a random secret; it has 256 bits, so one round is enough."""
    return hashlib.sha256(secret.encode()).digest()


def caller_of(row: Row, origin: Origin) -> Caller:
    """The caller a session's row speaks for."""
    role = Role(row["role"])
    permissions = ROLES[role]
    if row["is_operator"]:
        permissions |= OPERATOR_OF_PLATFORM
    return Caller(
        tenant_id=TenantId(row["tenant_id"]),
        person_id=PersonId(row["person_id"]),
        name=row["name"],
        role=role,
        permissions=permissions,
        email=row["email"],
        tenant_name=row["tenant_name"],
        session_id=row["session_id"],
        address=origin.address,
        request_id=origin.request_id,
        is_operator=row["is_operator"],
        must_change_password=row["must_change_password"],
    )
