"""Start the stack in the foreground and keep it up until somebody says stop."""

import asyncio
import os
import signal
import sys
import time
from contextlib import suppress
from datetime import datetime

from stack import banner, home, plan, rotation
from stack.forks import Forks
from stack.plan import Plan
from stack.supervisor import Supervisor
from windlass.core import supervision
from windlass.core.settings import Settings
from windlass.core.supervision import StackStatus
from windlass.core.tidying import tidy

LOOK_AROUND_S = 10.0


async def up(settings: Settings, forks: Forks) -> int:
    """Run the stack of this home until SIGINT or SIGTERM; say so when it runs already."""
    try:
        taken = home.lock(settings.home)
    except home.HomeTaken as error:
        status = supervision.read(settings.home)
        say(banner.running(status) if status else str(error))
        return 0
    with taken:
        left = await home.end_leftovers(settings.home)
        if left:
            say(f"Ended what an earlier stack left behind: {', '.join(left)}.")
        try:
            return await _run(await plan.make(settings, _secret(settings), forks))
        finally:
            forks.close()


def say(line: str) -> None:
    """Write to the person in front of us, at once."""
    with suppress(BrokenPipeError):
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


async def _run(stack: Plan) -> int:
    begun = time.monotonic()
    recorder = _Recorder(stack)
    supervisor = Supervisor(stack.parts(), stack.settings.home / "logs", recorder.record, _announce)
    recorder.supervisor = supervisor
    stopping = _stop_on_signals(supervisor)
    ended = asyncio.create_task(stopping.wait())
    starting = asyncio.create_task(supervisor.start())
    is_shown = False
    try:
        await asyncio.wait([starting, ended], return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            await starting
            say(f"\n{banner.page(stack)}\n\nStarted in {time.monotonic() - begun:.1f} s.\n")
            is_shown = True
            tidy()
        await _look_around(stack, supervisor, ended)
    finally:
        if stack.bootstrapped.password and not is_shown:  # it is made once: a start that fails must not swallow it
            say(f"  sign in  {banner.sign_in(stack)}")
        starting.cancel()
        await supervisor.stop()
        (stack.settings.home / supervision.FILE).unlink(missing_ok=True)
    say("Stopped.")
    return 0


async def _look_around(stack: Plan, supervisor: Supervisor, ended: asyncio.Task[bool]) -> None:
    """Wait for the end, rotating logs meanwhile. Raises when keeping a part failed."""
    while not ended.done():
        rotation.rotate(stack.settings.home / "logs")
        await asyncio.wait([ended, supervisor.failed], timeout=LOOK_AROUND_S, return_when=asyncio.FIRST_COMPLETED)
        if supervisor.failed.done():
            supervisor.failed.result()


class _Recorder:
    """Writes the status file at every change."""

    def __init__(self, stack: Plan) -> None:
        self._home, self._addresses = stack.settings.home, banner.addresses(stack)
        self._self = supervision.identify(os.getpid())
        self._is_failing = False
        self.supervisor: Supervisor | None = None

    def record(self) -> None:
        """Write what is now. A full disk is said once, and never stops the stack."""
        children = self.supervisor.children if self.supervisor else ()
        try:
            supervision.write(self._home, StackStatus(self._self, self._addresses, children))
        except OSError as error:
            if not self._is_failing:
                _announce(f"The status file cannot be written ({error.strerror}); everything else goes on.")
            self._is_failing = True
        else:
            self._is_failing = False


def _secret(settings: Settings) -> str:
    given = settings.secret_key
    return given.get_secret_value() if given else home.secret(settings.home)


def _announce(line: str) -> None:
    say(f"{datetime.now().astimezone():%H:%M:%S}  {line}")


def _stop_on_signals(supervisor: Supervisor) -> asyncio.Event:
    """The first signal asks for an orderly end, a second one ends everything at once."""
    stopping = asyncio.Event()

    def stop() -> None:
        if stopping.is_set():
            supervisor.kill()
        else:
            say("Stopping… (again: at once)")
        stopping.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    return stopping
