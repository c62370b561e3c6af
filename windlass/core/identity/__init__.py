"""Identity: people, their sign-in sessions, passwords, tokens and keys."""

from windlass.contracts.ids import new_id
from windlass.core.database import Database
from windlass.core.identity.authentication import Authentication
from windlass.core.identity.invitations import Invitation, Invitations, Invited, NewAccount
from windlass.core.identity.keys import ApiKey, Keys, NewKey
from windlass.core.identity.members import Member, MemberChange, Members, NewMember
from windlass.core.identity.passwords import Passwords, check_new_password, generate_password
from windlass.core.identity.refusals import Refusal, Refusals
from windlass.core.identity.run_tokens import RunClaim, RunTokens
from windlass.core.identity.sessions import Grant, Lifetimes, LoginSession, Sessions
from windlass.core.identity.sign_in import PasswordChangeRequired, Registration, SignIn, TenantOfPerson
from windlass.core.identity.tokens import Tokens, WeakSecret

__all__ = [
    "ApiKey",
    "Authentication",
    "Grant",
    "Invitation",
    "Invitations",
    "Invited",
    "Keys",
    "Lifetimes",
    "LoginSession",
    "Member",
    "MemberChange",
    "Members",
    "NewAccount",
    "NewKey",
    "NewMember",
    "PasswordChangeRequired",
    "Passwords",
    "Refusal",
    "Refusals",
    "Registration",
    "RunClaim",
    "RunTokens",
    "Sessions",
    "SignIn",
    "TenantOfPerson",
    "Tokens",
    "WeakSecret",
    "ensure_first_administrator",
]

FIRST_TENANT = "Main"


async def ensure_first_administrator(
    database_url: str, email: str, password: str | None, tenant: str = FIRST_TENANT
) -> str | None:
    """Make the first person of an installation: owner of its first tenant and operator of the platform.

    Answers the generated password, which must be changed at the first sign-in; None when one was given.
    The second time nothing changes and the answer is None.
    """
    database = await Database.connect(database_url, max_size=1, name="windlass first administrator")
    try:
        async with database.open() as connection:
            if not await connection.fetchval("select identity_is_empty()"):
                return None
        chosen = password or generate_password()
        check_new_password(chosen, email)
        hashed = await Passwords().hash(chosen)
        name = email.partition("@")[0]
        async with database.open() as connection:
            made = await connection.fetchval(
                "select identity_first($1, $2, $3, $4, $5, $6, $7)",
                *(new_id(), email.lower(), name, hashed, password is None, new_id(), tenant),
            )
        return chosen if made and password is None else None
    finally:
        await database.close()
