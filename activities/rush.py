"""Many runs that start at the same moment: what nobody waits for waits until they have."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager, suppress

PATIENCE_S = 15.0


class Rush:
    """Says of one process whether many runs are being started in it."""

    def __init__(self) -> None:
        self._going = 0
        self._calm = asyncio.Event()
        self._calm.set()

    @contextmanager
    def going(self) -> Generator[None]:
        """Many are being started while the block runs."""
        self._going += 1
        self._calm.clear()
        try:
            yield
        finally:
            self._going -= 1
            if not self._going:
                self._calm.set()

    async def over(self, patience_s: float = PATIENCE_S) -> None:
        """Wait until it is calm, but not for ever."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                await self._calm.wait()
