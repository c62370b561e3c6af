"""Memory that nobody needs any more is given back, but not while there is work."""

import asyncio
import sys

import pytest

from windlass.core import tidying

ALL_BUT_THE_LAST = """
from pathlib import Path
from windlass.core.tidying import tidy

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1])

held = [bytes(600) for _ in range(100_000)]
del held[:-1]  # the last one keeps the C library from giving back what lies before it
before = resident()
tidy()
print(before, resident())
"""


async def test_it_is_tidied_after_the_start_and_once_after_each_burst_of_work(monkeypatch: pytest.MonkeyPatch):
    used_s = [0.2, 0.3, 4.0, 9.0, 9.1, 9.2, 12.0, 12.1]  # of processor time, by each look
    looks, tidied, is_over = iter(used_s), list[float](), asyncio.Event()
    last = 0.0

    def process_time() -> float:
        nonlocal last
        last = next(looks, last)
        if last == used_s[-1]:
            is_over.set()
        return last

    monkeypatch.setattr(tidying, "EVERY_S", 0.0)
    monkeypatch.setattr(tidying, "BUSY_S", 1.0)
    monkeypatch.setattr(tidying.time, "process_time", process_time)
    monkeypatch.setattr(tidying, "tidy", lambda: tidied.append(last))
    tidying_up = asyncio.create_task(tidying.tidy_for_ever())
    await is_over.wait()
    tidying_up.cancel()

    assert tidied == [0.2, 9.1, 12.1]


async def test_what_was_freed_goes_back_to_the_system():
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", ALL_BUT_THE_LAST, stdout=asyncio.subprocess.PIPE
    )

    printed, _ = await process.communicate()

    before, after = map(int, printed.split())
    assert after < before / 2
