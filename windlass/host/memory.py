"""How much memory the process of a service may use; beyond that it is replaced, and its runs resume."""

import asyncio
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from windlass.contracts.hosts import MEMORY_VARIABLE, memory_mib

EVERY_S = 0.5
HIGH = 0.8
MIB = 2**20
FIRST_TO_GO = "500"  # of 1000: when the machine itself runs out, the kernel ends a host, not the database


def limit_bytes(environment: Mapping[str, str]) -> int:
    """What a process may use: as set, else half of the machine or of the container."""
    given = memory_mib(environment)
    if given is not None:
        return given * MIB
    whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with suppress(OSError, ValueError):  # ValueError: "max", the container has no limit
        whole = min(whole, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return whole // 2


def used_bytes() -> int:
    """What this process uses now; 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def offer_to_the_kernel() -> None:
    """Be the first to end when the machine has no memory left."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(FIRST_TO_GO)


async def watch(limit: int, warn: Callable[[str], None], replace: Callable[[], None]) -> None:
    """Until the limit is passed: `warn` tells once that much is used, and why the process is replaced."""
    has_warned = False
    while (used := used_bytes()) < limit:
        if used > limit * HIGH and not has_warned:
            has_warned = True
            warn(f"The process of this service uses {used // MIB} of the {limit // MIB} MiB it may have.")
        await asyncio.sleep(EVERY_S)
    warn(
        f"The process of this service used {used // MIB} MiB, more than the {limit // MIB} MiB it may have. "
        f"It is replaced and its runs resume from their steps. The limit is set by {MEMORY_VARIABLE}."
    )
    replace()
