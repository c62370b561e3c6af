"""The person who is signed in."""

from collections.abc import Sequence
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from api.authentication import csrf_token_of_page
from api.bodies import Body, Name
from api.dependencies import AuthenticationDep, Me, Myself, SignInDep
from api.routes.auth import PersonView, TenantView
from windlass.core.callers import Caller
from windlass.core.permissions import Permission

router = APIRouter(prefix="/v1/me", tags=["me"])


class Profile(BaseModel):
    """Who you are here, where you work and what you may do."""

    person: PersonView
    tenant: TenantView
    permissions: Sequence[Permission]
    session_id: UUID | None
    key_id: str | None
    must_change_password: bool
    csrf_token: str | None = Field(description="With a cookie: send it back as X-CSRF-Token.")


class ChangeProfile(Body):
    """What you may change about yourself."""

    name: Name


@router.get("")
async def get_me(caller: Me, request: Request) -> Profile:
    """Who you are."""
    return _profile(caller, request)


@router.patch("")
async def change_me(
    body: ChangeProfile, caller: Myself, request: Request, sign_in: SignInDep, known: AuthenticationDep
) -> Profile:
    """Change your name."""
    renamed = await sign_in.rename(caller, body.name)
    known.forget()
    return _profile(renamed, request)


def _profile(caller: Caller, request: Request) -> Profile:
    return Profile(
        person=PersonView(id=caller.person_id, name=caller.name, email=caller.email, is_operator=caller.is_operator),
        tenant=TenantView(id=caller.tenant_id, name=caller.tenant_name, role=caller.role),
        permissions=sorted(caller.permissions),
        session_id=caller.session_id,
        key_id=caller.key_id,
        must_change_password=caller.must_change_password,
        csrf_token=csrf_token_of_page(request, caller),
    )
