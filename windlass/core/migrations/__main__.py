"""`python -m windlass.core.migrations upgrade|current`: the schema of WINDLASS_DATABASE_URL."""

import asyncio
import sys

from windlass.core.migrations import newest
from windlass.core.migrations.schema import current, upgrade
from windlass.core.settings import Settings


def main(arguments: list[str]) -> int:
    """Run one command and print the revision."""
    if arguments not in (["upgrade"], ["current"]):
        print("usage: python -m windlass.core.migrations upgrade|current", file=sys.stderr)  # noqa: T201 - a command
        return 2
    url = Settings.load().require_database_url()
    if arguments == ["upgrade"]:
        print(asyncio.run(upgrade(url)))  # noqa: T201 - a command
        return 0
    print(f"{asyncio.run(current(url)) or 'empty'} (newest: {newest()})")  # noqa: T201 - a command
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
