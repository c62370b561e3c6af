"""What processes use: processor time by the scheduler's own count, and memory by its proportional share."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import psutil

Thread = tuple[int, int]  # (process, thread)


def family(pid: int) -> dict[int, str]:
    """A process and all below it, each with a name a person knows."""
    root = psutil.Process(pid)
    found: dict[int, str] = {}
    for each in (root, *root.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):  # it has ended meanwhile
            found[each.pid] = _name(each)
    return found


def threads_s(pids: Iterable[int]) -> dict[Thread, float]:
    """Processor seconds that each living thread of these processes has used (schedstat)."""
    return {thread: seconds for pid in pids for thread, seconds in _threads_s(pid)}


def used_s(before: Mapping[Thread, float], after: Mapping[Thread, float]) -> dict[int, float]:
    """Processor seconds by process in between. What ended meanwhile is lost, what began counts whole."""
    used: dict[int, float] = {}
    for thread, seconds in after.items():
        used[thread[0]] = used.get(thread[0], 0.0) + seconds - before.get(thread, 0.0)
    return used


def pss_mib(pids: Iterable[int]) -> float:
    """Memory in MiB, shared pages divided by those who share them."""
    return sum(_pss_kib(pid) for pid in pids) / 1024


def _name(process: psutil.Process) -> str:
    words = process.cmdline()
    text = " ".join(words)
    for mark in (
        "windlass.host",
        "workers runs",
        "workers services",
        "stack.standin",
        "stack.forkserver",
        "start-dev",
        "postgres",
    ):
        if mark in text:
            return mark
    return "gateway" if "-m api" in text else "supervisor" if "stack" in text else text[:40]


def _threads_s(pid: int) -> Iterator[tuple[Thread, float]]:
    for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        try:
            yield (pid, int(task.parent.name)), int(task.read_text().split()[0]) / 1e9
        except (OSError, IndexError):
            continue


def _pss_kib(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
