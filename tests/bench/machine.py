"""What processes use: processor time by the scheduler's own count, and memory by its proportional share."""

from collections.abc import Iterable
from pathlib import Path

import psutil


def family(pid: int) -> dict[int, str]:
    """A process and all below it, each with a name a person knows."""
    root = psutil.Process(pid)
    return {each.pid: _name(each) for each in (root, *root.children(recursive=True))}


def cpu_s(pids: Iterable[int]) -> float:
    """Processor seconds used until now by these processes and all their threads (schedstat; ended threads are lost)."""
    return sum(_cpu_s(pid) for pid in pids)


def pss_mib(pids: Iterable[int]) -> float:
    """Memory in MiB, shared pages divided by those who share them."""
    return sum(_pss_kib(pid) for pid in pids) / 1024


def _name(process: psutil.Process) -> str:
    words = process.cmdline()
    text = " ".join(words)
    for mark in ("windlass.host", "workers runs", "workers services", "stack.standin", "start-dev", "postgres"):
        if mark in text:
            return mark
    return "gateway" if "-m api" in text else "supervisor" if "stack" in text else text[:40]


def _cpu_s(pid: int) -> float:
    total = 0
    for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        try:
            total += int(task.read_text().split()[0])
        except (OSError, IndexError):
            continue
    return total / 1e9


def _pss_kib(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
