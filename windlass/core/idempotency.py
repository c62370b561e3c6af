"""Requests that are sent twice and done once: the answer is kept for a day, sealed, for the same caller."""

import asyncio
import hashlib
import secrets
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from windlass.contracts.ids import new_id
from windlass.core.callers import Caller
from windlass.core.database import OUTAGES, Away, Database
from windlass.core.identity.tokens import derive

LEASE = timedelta(seconds=3)  # after this a request whose gateway died may be tried again
NONCE_BYTES = 12


class ClaimState(StrEnum):
    """What is known about a key: ours to run, answered, in flight elsewhere, or used for another request."""

    MINE = "mine"
    DONE = "done"
    BUSY = "busy"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Claim:
    """A key as this request found it; `id` is the same at every try of one request."""

    state: ClaimState
    id: UUID
    status: int | None = None
    answer: bytes | None = None


class Idempotency:
    """Remembers what callers asked for under a key, and the answer."""

    def __init__(self, database: Database, secret: bytes) -> None:
        self._database = database
        self._cipher = AESGCM(derive(secret, "idempotency"))

    async def claim(self, caller: Caller, key: str, request: bytes) -> Claim:
        """Take the key for a request (method, path, query and body), or learn who has it."""
        async with self._database.open() as connection:
            row = await connection.fetchrow(
                "select * from idempotency_claim($1, $2, $3, $4, $5, $6)",
                *(caller.tenant_id, caller.id, key, new_id(), hashlib.sha256(request).digest(), LEASE),
            )
        assert row is not None  # noqa: S101 - the function always answers one row
        state, answer = ClaimState(row["state"]), row["answer"]
        if answer is not None:
            answer = self._open(caller, key, answer)
        return Claim(state, row["id"], row["status"], answer)

    async def hold(self, caller: Caller, key: str) -> None:
        """Keep the claim of a request that takes its time, until cancelled; when its gateway dies the lease ends."""
        query = "update idempotency set leased_until = clock_timestamp() + $3 where caller = $1 and key = $2"
        while True:
            await asyncio.sleep(LEASE.total_seconds() / 3)
            with suppress(Away, *OUTAGES):
                async with self._database.tenant(caller.tenant_id) as connection:
                    await connection.execute(f"{query} and status is null", caller.id, key, LEASE)

    async def keep(self, caller: Caller, key: str, status: int, answer: bytes) -> None:
        """Keep the answer; from now on it is given to whoever repeats the request."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = nonce + self._cipher.encrypt(nonce, answer, _bound(caller, key))
        await self._finish(caller, key, status, sealed)

    async def release(self, caller: Caller, key: str) -> None:
        """Let the request be tried again: it did nothing."""
        await self._finish(caller, key, None, None)

    async def _finish(self, caller: Caller, key: str, status: int | None, answer: bytes | None) -> None:
        query = "select idempotency_finish($1, $2, $3, $4, $5)"
        async with self._database.open() as connection:
            await connection.execute(query, caller.tenant_id, caller.id, key, status, answer)

    def _open(self, caller: Caller, key: str, sealed: bytes) -> bytes | None:
        """The kept answer; None when the secret key was changed since."""
        try:
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _bound(caller, key))
        except InvalidTag:
            return None


def _bound(caller: Caller, key: str) -> bytes:
    return f"{caller.tenant_id}\0{caller.id}\0{key}".encode()
