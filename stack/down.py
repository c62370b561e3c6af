"""Stop the stack of a home from outside, and say what runs there."""

import asyncio
import os
import signal
import time

from stack import banner, home
from stack.up import say
from windlass.core import supervision
from windlass.core.settings import Settings

PATIENCE_S = 40.0


async def down(settings: Settings) -> int:
    """Stop the stack and wait until it has stopped; end leftovers of one that was killed."""
    status = supervision.read(settings.home)
    if status is None:
        say(f"Nothing runs in {settings.home}.")
        return 0
    if not status.is_alive:
        left = await home.end_leftovers(settings.home)
        say(f"The supervisor was gone already; ended what it left: {', '.join(left) or 'nothing'}.")
        return 0
    os.kill(status.supervisor.pid, signal.SIGTERM)
    deadline = time.monotonic() + PATIENCE_S
    while status.supervisor.is_alive:
        if time.monotonic() > deadline:
            say(f"The supervisor (pid {status.supervisor.pid}) does not end; see {settings.home / 'logs'}.")
            return 1
        await asyncio.sleep(0.02)
    say("Stopped.")
    return 0


async def show(settings: Settings) -> int:
    """Say what runs; the exit code is 0 when everything does."""
    status = supervision.read(settings.home)
    if status is None or not status.is_alive:
        say(f"Nothing runs in {settings.home}.")
        return 3
    say(banner.running(status))
    return 1 if status.ailing else 0
