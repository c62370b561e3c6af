"""Start a worker process: `python -m workers ROLE…`, where each ROLE is `runs`, `services`, `desktops` or `all`."""

import asyncio
import sys
from collections.abc import Sequence
from importlib import import_module

import uvloop

from windlass.core.settings import Settings
from windlass.core.tidying import collect_often
from workers.parts import opened

ALL = ("runs", "services", "desktops")


def main() -> None:
    """Serve the roles named on the command line until told to stop."""
    named = sys.argv[1:]
    if not named or not {*named} <= {*ALL, "all"}:
        sys.exit(f"usage: python -m workers {{{'|'.join((*ALL, 'all'))}}}…")
    collect_often()
    uvloop.run(_serve(ALL if "all" in named else tuple(dict.fromkeys(named)), Settings.load()))


async def _serve(roles: Sequence[str], settings: Settings) -> None:
    """Serve them together: one that loses its place stops all, one that fails ends the process, to be started again."""
    modules = [import_module(f"workers.{name}") for name in roles]  # no role waits for what another imports
    async with opened(settings, " ".join(roles)) as parts, asyncio.TaskGroup() as serving:
        for module in modules:
            serving.create_task(module.serve(parts))


if __name__ == "__main__":
    main()
