"""Start a worker process: `python -m workers ROLE`, where ROLE is `runs`, `services` or `all`."""

import asyncio
import sys
from collections.abc import Awaitable, Callable

import uvloop

from windlass.core.settings import Settings
from workers import runs, services

ROLES: dict[str, tuple[Callable[[Settings], Awaitable[None]], ...]] = {
    "runs": (runs.serve,),
    "services": (services.serve,),
    "all": (runs.serve, services.serve),
}


def main() -> None:
    """Serve the roles named on the command line until told to stop."""
    roles = sys.argv[1:]
    if len(roles) != 1 or roles[0] not in ROLES:
        sys.exit(f"usage: python -m workers {{{'|'.join(ROLES)}}}")
    uvloop.run(_serve(roles[0], Settings.load()))


async def _serve(role: str, settings: Settings) -> None:
    await asyncio.gather(*(serve(settings) for serve in ROLES[role]))


if __name__ == "__main__":
    main()
