"""What a route may ask for in its signature: the caller with a permission, and the parts of the process.

All of it is `async`: the framework sends a plain function to a thread, which costs more than most routes do.
"""

from typing import Annotated, TypedDict
from uuid import UUID

from fastapi import Depends, Request
from starlette.requests import HTTPConnection

from api.authentication import authenticate
from api.engine import Engine
from api.paging import Cursors
from windlass.contracts.ids import new_id
from windlass.core.allowances import Allowances
from windlass.core.audit import Audit
from windlass.core.callers import Caller
from windlass.core.database import Database
from windlass.core.errors import Forbidden
from windlass.core.health import Part
from windlass.core.idempotency import Idempotency
from windlass.core.identity import (
    Authentication,
    Invitations,
    Keys,
    Members,
    PasswordChangeRequired,
    Passwords,
    Sessions,
    SignIn,
)
from windlass.core.maintenance import Maintenance
from windlass.core.multiplex import Multiplexer
from windlass.core.permissions import Permission
from windlass.core.pulses import Pulses
from windlass.core.settings import Settings
from windlass.core.tenants import Tenants


class State(TypedDict):
    """What the process hands to every request, as `request.state.<name>`."""

    settings: Settings
    database: Database
    jobs: Database
    passwords: Passwords
    sessions: Sessions
    sign_in: SignIn
    authentication: Authentication
    allowances: Allowances
    keys: Keys
    members: Members
    invitations: Invitations
    tenants: Tenants
    idempotency: Idempotency
    cursors: Cursors
    health: list[Part]
    pulses: Pulses
    maintenance: Maintenance
    engine: Engine
    multiplexer: Multiplexer


class Requires:
    """A dependency that lets a caller through who holds the permission, and says which one that is."""

    def __init__(self, permission: Permission, *, any_password: bool = False) -> None:
        self.permission = permission
        self.any_password = any_password

    async def __call__(self, request: HTTPConnection) -> Caller:
        """The caller. Raises Unauthenticated, Forbidden, PasswordChangeRequired."""
        caller = await authenticate(request)
        if not caller.may(self.permission):
            raise Forbidden(f"This needs the permission {self.permission}.")
        if caller.must_change_password and not self.any_password:
            raise PasswordChangeRequired("Choose a password of your own first: POST /v1/auth/password.")
        return caller


def requires(permission: Permission, *, any_password: bool = False) -> Requires:
    """Declare what a route needs; `any_password` opens it to people who must first change theirs."""
    return Requires(permission, any_password=any_password)


async def public() -> None:
    """Declare that a route needs nobody to be signed in."""


Public = Depends(public)


async def get_settings(request: Request) -> Settings:
    """The settings of this process."""
    settings: Settings = request.state.settings
    return settings


async def get_database(request: Request) -> Database:
    """The pool that sees one tenant at a time."""
    database: Database = request.state.database
    return database


async def get_audit(request: Request) -> Audit:
    """The audit log."""
    return Audit(request.state.database)


async def get_sign_in(request: Request) -> SignIn:
    """The way in."""
    sign_in: SignIn = request.state.sign_in
    return sign_in


async def get_sessions(request: Request) -> Sessions:
    """Sign-in sessions."""
    sessions: Sessions = request.state.sessions
    return sessions


async def get_authentication(request: Request) -> Authentication:
    """What is believed about callers."""
    authentication: Authentication = request.state.authentication
    return authentication


async def get_cursors(request: Request) -> Cursors:
    """Makes and reads the cursors of lists."""
    cursors: Cursors = request.state.cursors
    return cursors


async def get_maintenance(request: Request) -> Maintenance:
    """What the installation does by itself."""
    maintenance: Maintenance = request.state.maintenance
    return maintenance


async def get_engine(request: Request) -> Engine:
    """What makes runs."""
    engine: Engine = request.state.engine
    return engine


MaintenanceDep = Annotated[Maintenance, Depends(get_maintenance)]
EngineDep = Annotated[Engine, Depends(get_engine)]


async def get_request_uuid(request: Request) -> UUID:
    """An id for what this request makes: the same when it is tried again with its Idempotency-Key."""
    known: UUID | None = getattr(request.state, "request_uuid", None)
    return known or new_id()


SettingsDep = Annotated[Settings, Depends(get_settings)]
DatabaseDep = Annotated[Database, Depends(get_database)]
AuditDep = Annotated[Audit, Depends(get_audit)]
SignInDep = Annotated[SignIn, Depends(get_sign_in)]
SessionsDep = Annotated[Sessions, Depends(get_sessions)]
AuthenticationDep = Annotated[Authentication, Depends(get_authentication)]
CursorsDep = Annotated[Cursors, Depends(get_cursors)]
RequestUuid = Annotated[UUID, Depends(get_request_uuid)]

Me = Annotated[Caller, Depends(requires(Permission.ME_READ, any_password=True))]
"""Whoever is signed in, also with a password that must be changed."""
MeChanging = Annotated[Caller, Depends(requires(Permission.ME_WRITE, any_password=True))]
"""A person who signed in, also with a password that must be changed."""
Myself = Annotated[Caller, Depends(requires(Permission.ME_WRITE))]
"""A person who signed in; API keys do not hold this."""
AuditReader = Annotated[Caller, Depends(requires(Permission.AUDIT_READ))]
PlatformReader = Annotated[Caller, Depends(requires(Permission.PLATFORM_READ))]
