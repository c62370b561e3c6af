"""The wall between desktops and the machine they run on: they may answer it, and never call."""

import asyncio
import shutil

PREFIX = "windl"  # of every bridge of a desktop; an interface has at most 15 characters
RULE = ("INPUT", "-i", f"{PREFIX}+", "-m", "conntrack", "--ctstate", "NEW", "-j", "DROP")
MISSING = "no firewall ({}): desktops can reach services of this machine that listen on all addresses"


async def close() -> str | None:
    """Have the rule in force, in front of all others; answers why it is not, if so. The second time it is there."""
    program = shutil.which("iptables", path="/usr/sbin:/sbin:/usr/bin")
    if program is None:
        return MISSING.format("iptables is not installed")
    if await _run(program, "-C", *RULE) is None:
        return None
    problem = await _run(program, "-I", *RULE)
    return None if problem is None else MISSING.format(problem)


async def _run(program: str, *words: str) -> str | None:
    """Run it; answers what it said when it failed."""
    process = await asyncio.create_subprocess_exec(
        program, "-w", "5", *words, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate()
    return said.decode(errors="replace").strip().splitlines()[0][:200] if process.returncode else None
