"""Signing in and out, and the places where a person is signed in."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

from fastapi import APIRouter, Request, Response, status
from pydantic import BaseModel, Field

from api.authentication import check_same_site, csrf_token, origin_of
from api.bodies import Body, Email, Name, Password
from api.cookies import check_transport, clear_session_cookie, set_session_cookie
from api.dependencies import (
    AuthenticationDep,
    MeChanging,
    Public,
    SessionsDep,
    SettingsDep,
    SignInDep,
)
from windlass.contracts.ids import TenantId
from windlass.core.callers import Caller
from windlass.core.errors import NotFound
from windlass.core.identity import Grant, Registration
from windlass.core.permissions import Role

router = APIRouter(prefix="/v1/auth", tags=["auth"])


class Login(Body):
    """A person's e-mail address and password; `tenant` (id or name) where they have several."""

    email: Email
    password: Password
    tenant: str | None = Field(None, max_length=100)
    web: bool = Field(False, description="Keep the session in a cookie instead of a refresh token.")


class Register(Body):
    """A person and the name of their organisation."""

    name: Name
    email: Email
    password: Password
    tenant: Name
    web: bool = False


class Refresh(Body):
    """The refresh token of the last answer; it is good once."""

    refresh_token: str = Field(min_length=1, max_length=200)


class Switch(Body):
    """The tenant to work in from now on."""

    tenant_id: UUID


class ChangePassword(Body):
    """The old and the new password."""

    current_password: Password
    new_password: Password


class TenantView(BaseModel):
    """The tenant a session works in, and as what."""

    id: UUID
    name: str
    role: Role


class PersonView(BaseModel):
    """Who signed in."""

    id: UUID
    name: str
    email: str
    is_operator: bool


class SignedIn(BaseModel):
    """An access token for one tenant, and what keeps the session alive."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the name of a scheme
    expires_in: int = Field(description="Seconds until the access token ends.")
    refresh_token: str | None
    csrf_token: str | None = Field(description="With a cookie: send it back as X-CSRF-Token.")
    must_change_password: bool
    tenant: TenantView
    person: PersonView


class LoginSessionView(BaseModel):
    """One place where you are signed in."""

    id: UUID
    tenant: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    address: str
    agent: str
    is_web: bool
    is_current: bool


class LoginSessionList(BaseModel):
    """Every place where you are signed in."""

    items: Sequence[LoginSessionView]
    next: None = None


@router.post("/login", dependencies=[Public])
async def login(body: Login, request: Request, response: Response, sign_in: SignInDep) -> SignedIn:
    """Sign in by password."""
    _check_page(request, web=body.web)
    origin = origin_of(request)
    grant = await sign_in.login(body.email, body.password, origin, tenant=body.tenant, web=body.web)
    return _signed_in(request, response, grant)


@router.post("/register", status_code=status.HTTP_201_CREATED, dependencies=[Public])
async def register(
    body: Register, request: Request, response: Response, sign_in: SignInDep, settings: SettingsDep
) -> SignedIn:
    """Sign up with an organisation of your own, where the installation allows it."""
    if settings.signup != "open":
        raise NotFound("page at", "this address")
    _check_page(request, web=body.web)
    wish = Registration(body.name, body.email, body.password, body.tenant)
    grant = await sign_in.register(wish, origin_of(request), web=body.web)
    return _signed_in(request, response, grant)


@router.post("/refresh", dependencies=[Public])
async def refresh(body: Refresh, request: Request, response: Response, sessions: SessionsDep) -> SignedIn:
    """Exchange a refresh token for a new pair."""
    grant = await sessions.refresh(body.refresh_token, origin_of(request))
    return _signed_in(request, response, grant)


@router.post("/switch")
async def switch(
    body: Switch,
    caller: MeChanging,
    request: Request,
    response: Response,
    sessions: SessionsDep,
    known: AuthenticationDep,
) -> SignedIn:
    """Work in another of your tenants; the access token you came with ends."""
    grant = await sessions.switch(caller, TenantId(body.tenant_id), origin_of(request))
    known.forget()
    return _signed_in(request, response, grant)


@router.post("/password", status_code=status.HTTP_204_NO_CONTENT)
async def change_password(
    body: ChangePassword, caller: MeChanging, sign_in: SignInDep, known: AuthenticationDep
) -> None:
    """Choose a new password; your other sessions end."""
    await sign_in.change_password(caller, body.current_password, body.new_password)
    known.forget()


@router.post("/logout", status_code=status.HTTP_204_NO_CONTENT)
async def logout(
    caller: MeChanging, request: Request, response: Response, sessions: SessionsDep, known: AuthenticationDep
) -> None:
    """End the session you came with."""
    await sessions.end(caller, _own_session(caller), "signed out")
    known.forget()
    clear_session_cookie(request, response)


@router.get("/sessions")
async def list_sessions(caller: MeChanging, sessions: SessionsDep) -> LoginSessionList:
    """Where you are signed in."""
    live = await sessions.live(caller)
    return LoginSessionList(
        items=[
            LoginSessionView(
                id=session.id,
                tenant=session.tenant_name,
                created_at=session.created_at,
                last_used_at=session.last_used_at,
                expires_at=session.expires_at,
                address=session.address,
                agent=session.agent,
                is_web=session.is_web,
                is_current=session.id == caller.session_id,
            )
            for session in live
        ]
    )


@router.delete("/sessions", status_code=status.HTTP_204_NO_CONTENT)
async def end_other_sessions(caller: MeChanging, sessions: SessionsDep, known: AuthenticationDep) -> None:
    """Sign out everywhere but here."""
    await sessions.end_others(caller, "signed out from another session")
    known.forget()


@router.delete("/sessions/{session_id}", status_code=status.HTTP_204_NO_CONTENT)
async def end_session(session_id: UUID, caller: MeChanging, sessions: SessionsDep, known: AuthenticationDep) -> None:
    """Sign out in one place."""
    await sessions.end(caller, session_id, "signed out from another session")
    known.forget()


def _check_page(request: Request, *, web: bool) -> None:
    """A cookie is only given to a page of ours, over a transport that keeps it."""
    if web:
        check_transport(request)
        check_same_site(request)


def _own_session(caller: Caller) -> UUID:
    assert caller.session_id is not None  # noqa: S101 - no API key holds me:write
    return caller.session_id


def _signed_in(request: Request, response: Response, grant: Grant) -> SignedIn:
    caller = grant.caller
    if grant.cookie:
        set_session_cookie(request, response, grant.cookie)
    return SignedIn(
        access_token=grant.access_token,
        expires_in=int(grant.lifetime.total_seconds()),
        refresh_token=grant.refresh_token,
        csrf_token=csrf_token(request, caller) if grant.cookie else None,
        must_change_password=caller.must_change_password,
        tenant=TenantView(id=caller.tenant_id, name=caller.tenant_name, role=caller.role),
        person=PersonView(id=caller.person_id, name=caller.name, email=caller.email, is_operator=caller.is_operator),
    )
