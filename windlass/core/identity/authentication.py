"""Who is calling, by what they show: an access token, a cookie or an API key; trusted for five seconds at most."""

import hashlib
import hmac
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from uuid import UUID

from windlass.contracts.ids import PersonId, TenantId
from windlass.core.callers import Caller, Origin, RunLife
from windlass.core.database import Database, Row
from windlass.core.errors import Unauthenticated
from windlass.core.identity.run_tokens import RunTokens
from windlass.core.identity.sessions import caller_of, fingerprint
from windlass.core.identity.tokens import Tokens, derive
from windlass.core.permissions import OF_A_RUN, PERSONAL, ROLES, Permission, Role

TRUSTED_S = 3.0  # a revocation elsewhere holds after this; the promise is five seconds
KEPT = 5_000
KEY_MARK = "wl"
RUN = """
select created_by, created_by_name from run
where id = $1 and attempt = $2 and host_boot = $3 and not is_terminal(status)
"""


@dataclass(frozen=True, slots=True)
class Known:
    """What the database said, and until when that is believed (seconds of a steady clock)."""

    row: Row
    until: float


class Authentication:
    """Finds the caller behind a request and remembers the answer for a moment."""

    def __init__(
        self, database: Database, tokens: Tokens, secret: bytes, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._tokens = tokens
        self._runs = RunTokens(secret)
        self._pepper = derive(secret, "api-key")
        self._csrf = derive(secret, "csrf")
        self._now = now
        self._known: OrderedDict[Hashable, Known] = OrderedDict()
        self._changes = 0

    async def by_token(self, token: str, origin: Origin) -> Caller:
        """The caller behind an access token. Raises Unauthenticated."""
        claims = self._tokens.read(token)
        row = await self._look("select * from identity_session($1, null)", claims.session_id)
        if row is None or row["tenant_id"] != claims.tenant_id or row["person_id"] != claims.person_id:
            raise Unauthenticated("The session is over. Sign in again.")
        return caller_of(row, origin)

    async def by_cookie(self, secret: str, origin: Origin) -> Caller:
        """The caller behind a web session's cookie. Raises Unauthenticated."""
        row = await self._look("select * from identity_session(null, $1)", fingerprint(secret))
        if row is None:
            raise Unauthenticated("The session is over. Sign in again.")
        return caller_of(row, origin)

    async def by_key(self, key: str, origin: Origin) -> Caller:
        """The caller behind an API key. Raises Unauthenticated."""
        mark, _, rest = key.partition("_")
        key_id, _, secret = rest.partition("_")
        row = await self._look("select * from identity_key($1)", key_id) if mark == KEY_MARK else None
        known = row["hash"] if row else bytes(hashlib.sha256().digest_size)
        if not hmac.compare_digest(known, self.key_hash(key_id, secret)) or row is None:
            raise Unauthenticated("The API key is not known, has expired or was revoked.")
        return _key_caller(row, origin)

    async def by_run(self, token: str, life: str, origin: Origin) -> Caller:
        """A run, as long as it lives where the token says. Raises Unauthenticated."""
        claim = self._runs.read(token)
        async with self._database.tenant(claim.tenant_id) as connection:
            row = await connection.fetchrow(RUN, claim.run_id, claim.attempt, claim.boot_id)
        if row is None:
            raise Unauthenticated("The run has ended, or goes on elsewhere.")
        return Caller(
            tenant_id=claim.tenant_id,
            person_id=PersonId(row["created_by"] or UUID(int=0)),
            name=row["created_by_name"],
            role=Role.VIEWER,
            permissions=OF_A_RUN,
            address=origin.address,
            request_id=origin.request_id,
            life=RunLife(claim.run_id, claim.attempt, claim.boot_id, life[:64]),
        )

    async def still(self, caller: Caller) -> bool:
        """Whether a caller let in earlier would be let in now with the same permissions, for streams that stay open."""
        origin = Origin(caller.address, "", caller.request_id)
        if caller.key_id is not None:
            row = await self._look("select * from identity_key($1)", caller.key_id)
            now = _key_caller(row, origin) if row else None
        else:
            row = await self._look("select * from identity_session($1, null)", caller.session_id)
            now = caller_of(row, origin) if row else None
        return now is not None and now.tenant_id == caller.tenant_id and caller.permissions <= now.permissions

    def forget(self) -> None:
        """Believe nothing any more: something about people, sessions or keys was changed here."""
        self._known.clear()
        self._changes += 1

    def key_hash(self, key_id: str, secret: str) -> bytes:
        """What is stored of an API key: useless without the installation's secret key."""
        return hmac.digest(self._pepper, f"{key_id}_{secret}".encode(), "sha256")

    def csrf_token(self, caller: Caller) -> str:
        """What the pages of a session send back to prove that they are ours."""
        return hmac.new(self._csrf, str(caller.session_id).encode(), "sha256").hexdigest()

    async def _look(self, query: str, key: UUID | bytes | str | None) -> Row | None:
        known = self._known.get(key)
        if known is not None and known.until > self._now():
            return known.row
        asked, changes = self._now(), self._changes
        async with self._database.open() as connection:
            row = await connection.fetchrow(query, key)
        if row is not None and changes == self._changes:
            self._known[key] = Known(row, asked + TRUSTED_S)
            self._known.move_to_end(key)
            if len(self._known) > KEPT:
                self._known.popitem(last=False)
        return row


def _key_caller(row: Row, origin: Origin) -> Caller:
    role = Role(row["role"])
    granted = frozenset(permission for permission in Permission if permission in row["permissions"])
    return Caller(
        tenant_id=TenantId(row["tenant_id"]),
        person_id=PersonId(row["person_id"]),
        name=row["name"],
        role=role,
        permissions=(granted & ROLES[role]) - PERSONAL,
        email=row["email"],
        tenant_name=row["tenant_name"],
        key_id=row["key_id"],
        address=origin.address,
        request_id=origin.request_id,
    )
