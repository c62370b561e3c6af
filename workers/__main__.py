"""Start a worker process: `python -m workers ROLE`, where ROLE is `runs`, `services`, `desktops` or `all`."""

import asyncio
import sys
from importlib import import_module

import uvloop

from windlass.core.settings import Settings

ALL = ("runs", "services", "desktops")
ROLES = {**{role: (role,) for role in ALL}, "all": ALL}


def main() -> None:
    """Serve the roles named on the command line until told to stop."""
    roles = sys.argv[1:]
    if len(roles) != 1 or roles[0] not in ROLES:
        sys.exit(f"usage: python -m workers {{{'|'.join(ROLES)}}}")
    uvloop.run(_serve(roles[0], Settings.load()))


async def _serve(role: str, settings: Settings) -> None:
    modules = [import_module(f"workers.{name}") for name in ROLES[role]]  # no role waits for what another imports
    await asyncio.gather(*(module.serve(settings) for module in modules))


if __name__ == "__main__":
    main()
