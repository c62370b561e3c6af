"""The wall between desktops and the machine they run on: they may answer it, and never call, but for one gate each."""

import asyncio
import re
import shlex
import shutil
from dataclasses import dataclass

PREFIX = "windl"  # of every bridge of a desktop; an interface has at most 15 characters
RULE = ("INPUT", "-i", f"{PREFIX}+", "-m", "conntrack", "--ctstate", "NEW", "-j", "DROP")
MISSING = "no firewall ({}): desktops can reach services of this machine that listen on all addresses"
MARK = re.compile(r'--comment "?windlass:([0-9a-f-]{36}):([0-9a-f-]{36})"?(?: |$)')


@dataclass(frozen=True, slots=True)
class Hole:
    """Where one desktop may call the machine: one port at the machine's end of the desktop's own network."""

    installation: str
    desktop_id: str
    bridge: str
    address: str
    port: int

    @property
    def rule(self) -> tuple[str, ...]:
        """The rule that lets it through."""
        where = ("-i", self.bridge, "-d", f"{self.address}/32", "-p", "tcp", "--dport", str(self.port))
        whose = ("-m", "comment", "--comment", f"windlass:{self.installation}:{self.desktop_id}")
        return ("INPUT", *where, *whose, "-j", "ACCEPT")


async def close() -> str | None:
    """Have the wall in force, in front of all other rules; answers why it is not, if so. The second time it is there.

    Holes that were in front of an earlier one are behind it now, and are gone: whoever needs them makes them again.
    """
    program = _program()
    if program is None:
        return MISSING.format("iptables is not installed")
    if await _run(program, "-C", *RULE) is None:
        return None
    problem = await _run(program, "-I", *RULE)
    for line in await _holes(program) if problem is None else ():
        await _run(program, "-D", *shlex.split(line)[1:])
    return None if problem is None else MISSING.format(problem)


async def pierce(hole: Hole) -> None:
    """Have a hole in the wall. The second time it is there; without a firewall there is no wall."""
    program = _program()
    if program is not None and await _run(program, "-C", *hole.rule) is not None:
        await _run(program, "-I", *hole.rule)


async def holes(installation: str) -> list[str]:
    """The desktops for which there is a hole."""
    program = _program()
    marks = [MARK.search(line) for line in await _holes(program)] if program is not None else []
    return [mark[2] for mark in marks if mark is not None and mark[1] == installation]


async def mend(desktop_id: str) -> None:
    """Leave no hole of a desktop. The second time there is none."""
    program = _program()
    for line in await _holes(program) if program is not None else ():
        mark = MARK.search(line)
        if mark is not None and mark[2] == desktop_id:
            await _run(program or "", "-D", *shlex.split(line)[1:])


def _program() -> str | None:
    return shutil.which("iptables", path="/usr/sbin:/sbin:/usr/bin")


async def _holes(program: str) -> list[str]:
    """The rules of all holes, as the program prints them."""
    process = await asyncio.create_subprocess_exec(
        program, "-w", "5", "-S", "INPUT", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    written, _ = await process.communicate()
    return [line for line in written.decode(errors="replace").splitlines() if MARK.search(line)]


async def _run(program: str, *words: str) -> str | None:
    """Run it; answers what it said when it failed."""
    process = await asyncio.create_subprocess_exec(
        program, "-w", "5", *words, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate()
    return (said.decode(errors="replace").strip().splitlines() or ["?"])[0][:200] if process.returncode else None
