"""Start a process that cannot outlive us."""

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from windlass.core.mortality import dying_with_us

NEEDED_BY_PROGRAMS = ("PATH", "HOME", "LANG", "TMPDIR", "TZ")


@dataclass(frozen=True, slots=True)
class Account:
    """A user of this machine that a process can run as."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Command:
    """Everything needed to start one process, again and again."""

    argv: Sequence[str]
    env: Mapping[str, str] | None = None
    cwd: Path | None = None
    account: Account | None = None
    pass_fds: tuple[int, ...] = ()
    death_signal: signal.Signals = field(default=signal.SIGKILL)


class Process(Protocol):
    """A child that was started: `asyncio.subprocess.Process`, or a fork."""

    @property
    def pid(self) -> int:
        """Its process id."""
        ...

    @property
    def returncode(self) -> int | None:
        """How it ended: an exit code, or minus a signal; None while it lives."""
        ...

    async def wait(self) -> int:
        """Wait for its end."""
        ...

    def send_signal(self, signal: int, /) -> None:
        """Send it a signal. Raises ProcessLookupError when it has ended."""
        ...


def program_environment() -> dict[str, str]:
    """What programs that are not ours are told: no secret of ours."""
    return {name: os.environ[name] for name in NEEDED_BY_PROGRAMS if name in os.environ}


async def spawn(command: Command, log: Path) -> asyncio.subprocess.Process:
    """Start a child, its output appended to `log`."""
    with log.open("ab") as output:
        return await _start(command, output.fileno())


async def run(command: Command) -> tuple[int, str]:
    """Run a short-lived child to its end and answer its exit code and what it printed."""
    child = await _start(command, asyncio.subprocess.PIPE)
    output, _ = await child.communicate()
    return child.returncode or 0, output.decode(errors="replace")


async def _start(command: Command, output: int) -> asyncio.subprocess.Process:
    """Start a child in a session of its own that gets its death signal when we die.

    Call it from the main thread: the signal is sent when the spawning *thread* ends.
    """
    account = command.account
    if account is None or account.uid == os.geteuid():
        account = Account("", -1, -1)
    return await asyncio.create_subprocess_exec(
        *command.argv,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=output,
        stderr=asyncio.subprocess.STDOUT,
        env=None if command.env is None else dict(command.env),
        cwd=command.cwd,
        start_new_session=True,
        pass_fds=command.pass_fds,
        preexec_fn=dying_with_us(command.death_signal),
        user=None if account.uid < 0 else account.uid,
        group=None if account.uid < 0 else account.gid,
        extra_groups=None if account.uid < 0 else [],
    )
