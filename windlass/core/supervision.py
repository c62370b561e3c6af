"""What the supervisor of this machine says about its children, for `/ready`, `make status` and the next start."""

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

FILE = "stack.json"


class ChildState(StrEnum):
    """Where a child is in its life."""

    WAITING = "waiting"
    STARTING = "starting"
    RUNNING = "running"
    RESTARTING = "restarting"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class ProcessId:
    """A process for sure: pids are reused, a pid with its start time is not."""

    pid: int
    started: str

    @property
    def is_alive(self) -> bool:
        """Whether that very process still runs."""
        return self.started != "" and started(self.pid) == self.started


@dataclass(frozen=True, slots=True)
class ChildStatus:
    """One child: its state since when, its process, its restarts, and where it can be reached and read."""

    name: str
    state: ChildState = ChildState.WAITING
    since: str = ""
    process: ProcessId | None = None
    restarts: int = 0
    address: str = ""
    log: str = ""
    death_signal: int = 9


@dataclass(frozen=True, slots=True)
class StackStatus:
    """The supervisor, its children in start order, and the addresses it announced."""

    supervisor: ProcessId
    addresses: dict[str, str]
    children: tuple[ChildStatus, ...]

    @property
    def is_alive(self) -> bool:
        """Whether this supervisor still runs; after its death the file describes leftovers."""
        return self.supervisor.is_alive

    @property
    def ailing(self) -> tuple[ChildStatus, ...]:
        """The children that are not running."""
        return tuple(child for child in self.children if child.state is not ChildState.RUNNING)


def read(home: Path) -> StackStatus | None:
    """The last status written in this home; None when there is none or it cannot be read."""
    try:
        document = json.loads((home / FILE).read_text())
        children = tuple(_child(each) for each in document["children"])
        return StackStatus(ProcessId(**document["supervisor"]), document["addresses"], children)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write(home: Path, status: StackStatus) -> None:
    """Replace the status in one step, so that a reader never sees half of it."""
    half = home / f"{FILE}.half"
    half.write_text(json.dumps(asdict(status), indent=1))
    half.rename(home / FILE)


def identify(pid: int) -> ProcessId:
    """Remember a process so that it can be told from a later one with the same pid."""
    return ProcessId(pid, started(pid))


def started(pid: int) -> str:
    """When a process started, in the kernel's ticks of this boot; empty when there is none, or only a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return "" if sys.platform == "linux" else _started_by_ps(pid)
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] in "ZX" else f"{_boot()}/{fields[19]}"


def _child(document: dict[str, Any]) -> ChildStatus:
    process = document.pop("process")
    status = replace(ChildStatus(**document), state=ChildState(document["state"]))
    return replace(status, process=ProcessId(**process)) if process else status


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text()[:8]
    except OSError:
        return str(os.stat("/proc/1").st_ctime_ns)


def _started_by_ps(pid: int) -> str:
    answer = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], check=False, capture_output=True, text=True)  # noqa: S603, S607 - a number
    return answer.stdout.strip()
