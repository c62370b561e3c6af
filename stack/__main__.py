"""`python -m stack COMMAND`: run and look after the stack of this machine."""

import asyncio
import sys
from collections.abc import Awaitable, Callable

from stack.accounts import NoAccount
from stack.down import down, show
from stack.environment import EnvironmentFailed
from stack.ports import PortTaken
from stack.postgres import PostgresError
from stack.supervisor import StartFailed
from stack.temporal import TemporalError
from stack.up import up
from windlass.core.settings import Settings

COMMANDS: dict[str, Callable[[Settings], Awaitable[int]]] = {"up": up, "down": down, "status": show}
FAILURES = (NoAccount, EnvironmentFailed, PortTaken, PostgresError, StartFailed, TemporalError, OSError)


def main(arguments: list[str]) -> int:
    """Run one command; what went wrong is said in plain words."""
    if len(arguments) != 1 or arguments[0] not in COMMANDS:
        sys.stderr.write(f"usage: python -m stack {{{'|'.join(COMMANDS)}}}\n")
        return 2
    try:
        return asyncio.run(_run(COMMANDS[arguments[0]]))
    except FAILURES as error:
        sys.stderr.write(f"\n{error}\n")
        return 1


async def _run(command: Callable[[Settings], Awaitable[int]]) -> int:
    return await command(Settings.load())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
