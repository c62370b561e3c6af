"""Passwords: hashed with argon2id, two at a time, away from the event loop."""

import asyncio
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from argon2 import DEFAULT_MEMORY_COST, DEFAULT_PARALLELISM, DEFAULT_TIME_COST
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from windlass.core.errors import FieldError, Invalid

SHORTEST, LONGEST = 8, 256
AT_ONCE = 2  # one hash costs 64 MiB and about 140 ms of four threads
COST = f"m={DEFAULT_MEMORY_COST},t={DEFAULT_TIME_COST},p={DEFAULT_PARALLELISM}"
NOBODY = f"$argon2id$v=19${COST}${'A' * 22}${'A' * 43}"  # no password has this hash, and to check one costs the same


class Passwords:
    """Hashes and checks passwords; hashes made with older parameters are renewed at sign-in."""

    def __init__(self) -> None:
        self._hasher = PasswordHash((Argon2Hasher(),))
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def hash(self, password: str) -> str:
        """Hash a new password."""
        async with self.slot():
            return await asyncio.to_thread(self._hasher.hash, password)

    @asynccontextmanager
    async def slot(self) -> AsyncGenerator[None]:
        """Wait for one of the places where hashing is done."""
        async with self._slots:
            yield

    async def verify(self, password: str, known: str | None) -> tuple[bool, str | None]:
        """Check a password inside a `slot`: is it right, and the hash to store instead if that aged.

        Without a known hash the work is the same and the answer is no.
        """
        return await asyncio.to_thread(self._verify, password, known)

    def _verify(self, password: str, known: str | None) -> tuple[bool, str | None]:
        is_right, renewed = self._hasher.verify_and_update(password, known or NOBODY)
        return is_right and known is not None, renewed


def check_new_password(password: str, email: str, field: str = "password") -> None:
    """Refuse a password that is too short, too long or the e-mail address itself."""
    if not SHORTEST <= len(password) <= LONGEST:
        problem = f"A password has {SHORTEST} to {LONGEST} characters."
    elif password.casefold() == email.casefold():
        problem = "The password must not be the e-mail address."
    else:
        return
    raise Invalid("The password cannot be used.", (FieldError(field, problem),))


def generate_password() -> str:
    """A random password of 120 bits that can be read out and typed."""
    alphabet = "abcdefghjkmnpqrstuvwxyz23456789"
    return "-".join("".join(secrets.choice(alphabet) for _ in range(6)) for _ in range(4))
