"""An object store for tests, and what is really kept in it."""

import hashlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

from windlass.core.storage import Objects


@dataclass(frozen=True, slots=True)
class Shelf:
    """A store, and the folder in which its whole objects are files."""

    objects: Objects
    root: Path

    def names(self) -> list[str]:
        """The keys of everything that is whole."""
        found = (path.relative_to(self.root) for path in self.root.rglob("*") if path.is_file())
        return sorted(str(path) for path in found if not path.parts[0].startswith("."))

    def unfinished(self) -> list[str]:
        """What is not whole yet, or was left behind."""
        return [path.name for path in (self.root / ".incoming").rglob("*") if path.is_file()]


async def stream(content: bytes, size: int = 100_000) -> AsyncGenerator[bytes]:
    """The bytes in chunks."""
    for start in range(0, len(content), size):
        yield content[start : start + size]


def digest_of(content: bytes) -> str:
    """The name under which content is kept."""
    return hashlib.sha256(content).hexdigest()
