"""A cleaner that stands still once the bytes are gone, for a test that kills it there: `DATABASE FOLDER DUE_AT`."""

import asyncio
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from windlass.core.database import JOBS_ROLE, Database
from windlass.core.leftovers import Leftovers
from windlass.core.maintenance import Maintenance
from windlass.core.storage.local import LocalObjects


class Stopping(LocalObjects):
    """A store that says when it has removed something, and does not come back."""

    async def delete(self, keys: Sequence[str]) -> None:
        """Remove, say so, and stay."""
        await super().delete(keys)
        if keys:
            sys.stdout.write("removed\n")
            sys.stdout.flush()
            await asyncio.Event().wait()


async def main(url: str, folder: str, due_at: str) -> None:
    """Clean up."""
    jobs = await Database.connect(url, role=JOBS_ROLE)
    occasion = Maintenance(jobs, "UTC").occasion("cleanup", datetime.fromisoformat(due_at))
    await Leftovers(jobs, Stopping(Path(folder))).remove(occasion)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
