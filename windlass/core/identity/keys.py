"""API keys: what programs show instead of a password; a part of what their maker may, until they are revoked."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from windlass.core.audit import record
from windlass.core.callers import Caller
from windlass.core.database import Connection, Database, Row
from windlass.core.errors import FieldError, Invalid, NotFound
from windlass.core.identity.authentication import KEY_MARK, Authentication
from windlass.core.permissions import PERSONAL, Permission

ID_BYTES, SECRET_BYTES = 8, 32
COLUMNS = "id, person_id, name, permissions, created_at, expires_at, last_used_at"
MINE = "revoked_at is null and ($1::uuid is null or person_id = $1)"
LIST = f"""
select {COLUMNS} from api_key where {MINE} and ($2::timestamptz is null or (created_at, id) < ($2, $3))
order by created_at desc, id desc limit $4
"""  # noqa: S608 - constants


@dataclass(frozen=True, slots=True)
class NewKey:
    """The wish for a key; without permissions it gets all that a key may have."""

    name: str
    permissions: frozenset[Permission] | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is shown; the secret half is known to its holder alone."""

    id: str
    person_id: UUID
    name: str
    permissions: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


class Keys:
    """The API keys of a tenant; people see their own, administrators all."""

    def __init__(self, database: Database, authentication: Authentication) -> None:
        self._database = database
        self._authentication = authentication

    async def create(self, caller: Caller, wish: NewKey) -> tuple[ApiKey, str]:
        """Make a key and answer it with the text to show once. Raises Invalid."""
        permissions = _granted(caller, wish.permissions)
        key_id, secret = secrets.token_hex(ID_BYTES), secrets.token_urlsafe(SECRET_BYTES)
        query = (
            "insert into api_key (id, tenant_id, person_id, name, hash, permissions, expires_at) "  # noqa: S608 - constants
            f"values ($1, $2, $3, $4, $5, $6, $7) returning {COLUMNS}"
        )
        async with self._database.tenant(caller.tenant_id) as connection:
            if wish.expires_at and await connection.fetchval("select $1::timestamptz <= now()", wish.expires_at):
                raise Invalid("The key was not made.", (FieldError("expires_at", "must be in the future"),))
            row = await connection.fetchrow(
                query, key_id, caller.tenant_id, caller.person_id, wish.name,
                self._authentication.key_hash(key_id, secret), permissions, wish.expires_at,
            )  # fmt: skip
            assert row is not None  # noqa: S101 - an insert returns its row
            facts = {"name": wish.name, "permissions": permissions}
            await record(connection, caller, "key.create", f"key:{key_id}", after=facts)
        return _key(row), f"{KEY_MARK}_{key_id}_{secret}"

    async def newest(
        self, caller: Caller, *, limit: int = 50, after: tuple[datetime, str] | None = None
    ) -> Sequence[ApiKey]:
        """The newest keys that are not revoked."""
        async with self._database.tenant(caller.tenant_id) as connection:
            rows = await connection.fetch(LIST, _owner(caller), *(after or (None, None)), limit)
        return [_key(row) for row in rows]

    async def get(self, caller: Caller, key_id: str) -> ApiKey:
        """One key. Raises NotFound."""
        async with self._database.tenant(caller.tenant_id) as connection:
            return await _get(connection, caller, key_id)

    async def rename(self, caller: Caller, key_id: str, name: str) -> ApiKey:
        """Give a key another name. Raises NotFound."""
        async with self._database.tenant(caller.tenant_id) as connection:
            before = await _get(connection, caller, key_id)
            await connection.execute("update api_key set name = $2 where id = $1", key_id, name)
            facts = {"before": {"name": before.name}, "after": {"name": name}}
            await record(connection, caller, "key.rename", f"key:{key_id}", **facts)
            return await _get(connection, caller, key_id)

    async def revoke(self, caller: Caller, key_id: str) -> None:
        """End a key; it is refused everywhere within five seconds. Raises NotFound."""
        async with self._database.tenant(caller.tenant_id) as connection:
            key = await _get(connection, caller, key_id)
            await connection.execute("update api_key set revoked_at = now() where id = $1", key_id)
            await record(connection, caller, "key.revoke", f"key:{key_id}", before={"name": key.name})
        self._authentication.forget()


def _granted(caller: Caller, wanted: frozenset[Permission] | None) -> list[str]:
    grantable = caller.permissions - PERSONAL
    excess = (wanted or frozenset()) - grantable
    if excess:
        names = ", ".join(sorted(excess))
        raise Invalid("The key was not made.", (FieldError("permissions", f"you cannot give away: {names}"),))
    return sorted(grantable if wanted is None else wanted)


def _owner(caller: Caller) -> UUID | None:
    """Whose keys the caller may see: None means everybody's."""
    return None if caller.may(Permission.KEYS_ALL) else caller.person_id


async def _get(connection: Connection, caller: Caller, key_id: str) -> ApiKey:
    query = f"select {COLUMNS} from api_key where {MINE} and id = $2"  # noqa: S608 - constants
    row = await connection.fetchrow(query, _owner(caller), key_id)
    if row is None:
        raise NotFound("API key", key_id)
    return _key(row)


def _key(row: Row) -> ApiKey:
    values: dict[str, Any] = {**row, "permissions": tuple(row["permissions"])}
    return ApiKey(**values)
