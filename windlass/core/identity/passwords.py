"""Passwords: hashed with argon2id, two at a time, away from the event loop."""

import asyncio
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from argon2 import DEFAULT_MEMORY_COST, DEFAULT_PARALLELISM, DEFAULT_TIME_COST
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from windlass.core.errors import FieldError, Invalid

SHORTEST, LONGEST = 8, 256
AT_ONCE = 2  # one hash costs 64 MiB and about 140 ms of four threads


@dataclass(frozen=True, slots=True)
class Cost:
    """What a hash costs: passes over memory, by threads."""

    passes: int = DEFAULT_TIME_COST
    memory_kib: int = DEFAULT_MEMORY_COST
    threads: int = DEFAULT_PARALLELISM

    @property
    def hasher(self) -> Argon2Hasher:
        """What hashes at this cost."""
        return Argon2Hasher(self.passes, self.memory_kib, self.threads)

    @property
    def nobody(self) -> str:
        """A hash that no password has; to check one against it costs the same."""
        return f"$argon2id$v=19$m={self.memory_kib},t={self.passes},p={self.threads}${'A' * 22}${'A' * 43}"


COST = Cost()


class Passwords:
    """Hashes and checks passwords; hashes made with older parameters are renewed at sign-in."""

    def __init__(self) -> None:
        self._hasher, self._nobody = PasswordHash((COST.hasher,)), COST.nobody
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
        is_right, renewed = self._hasher.verify_and_update(password, known or self._nobody)
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
