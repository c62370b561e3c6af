"""Signing in, in the words of the services that these paths replace."""

from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

from api.bodies import Body, Email, Password
from windlass.core.callers import Caller
from windlass.core.identity import Grant


class Credentials(Body):
    """An e-mail address and its password."""

    email: Email
    password: Password


class RefreshBody(Body):
    """The refresh token of the last answer; it is good once."""

    refresh_token: str = Field(min_length=1, max_length=200)


class TokenPair(BaseModel):
    """What opens the other routes, and what renews it."""

    access_token: str
    refresh_token: str | None
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - the name of a scheme
    expires_in: int


class UserProfile(BaseModel):
    """Who one is."""

    id: UUID
    email: str
    name: str


class Healthy(BaseModel):
    """The gateway answers."""

    status: Literal["ok"] = "ok"


def token_pair(grant: Grant) -> TokenPair:
    """The tokens of somebody who has just signed in."""
    return TokenPair(
        access_token=grant.access_token,
        refresh_token=grant.refresh_token,
        expires_in=int(grant.lifetime.total_seconds()),
    )


def user_profile(caller: Caller) -> UserProfile:
    """The caller."""
    return UserProfile(id=caller.person_id, email=caller.email, name=caller.name)
