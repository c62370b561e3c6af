"""`python -m stack COMMAND`: run and look after the stack of this machine."""

import argparse
import asyncio
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from stack import forkserver, home
from stack.errors import StackError
from stack.forks import Forks
from stack.up import up
from windlass.core.settings import Settings

EPILOGUE = "Settings come from the environment and .env; see .env.example."


def main(arguments: list[str]) -> int:
    """Run one command; what went wrong is said in plain words."""
    chosen = _parser().parse_args(arguments)
    settings = Settings.load()
    if chosen.command != "up":
        return _finish(_look_after(chosen, settings))
    forks = Forks()
    try:
        home.create(settings.home)
        is_server = forkserver.begin(forks, settings.home / "logs" / "forkserver.log")
    except OSError as error:
        return _refuse(error)
    if is_server:
        forkserver.serve(forks.server)
        return 0
    return _finish(up(settings, forks))


def _finish(work: Coroutine[Any, Any, int]) -> int:
    try:
        return asyncio.run(work)
    except (StackError, OSError) as error:
        return _refuse(error)


def _refuse(error: Exception) -> int:
    sys.stderr.write(f"\n{error}\n")
    return 1


async def _look_after(chosen: argparse.Namespace, settings: Settings) -> int:
    """The commands that end by themselves, loaded only when asked for: the supervisor stays small."""
    from stack import archive, doctor, down, reset  # noqa: PLC0415 - see the docstring

    match chosen.command:
        case "down":
            return await down.down(settings)
        case "status":
            return await down.show(settings)
        case "backup":
            return await archive.backup(settings, chosen.file)
        case "restore":
            return await archive.restore(settings, chosen.file)
        case "reset":
            return await reset.reset(settings, is_sure=chosen.yes)
        case _:
            return await doctor.doctor(settings)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m stack", description=__doc__, epilog=EPILOGUE)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="start everything and stay in front")
    commands.add_parser("down", help="stop it from another terminal")
    commands.add_parser("status", help="what runs, and where")
    commands.add_parser("doctor", help="what this machine lacks, and how to get it")
    for name, does in (("backup", "save everything into one archive"), ("restore", "put an archive back")):
        commands.add_parser(name, help=does).add_argument("file", type=Path)
    commands.add_parser("reset", help="throw the data away").add_argument("--yes", action="store_true")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
