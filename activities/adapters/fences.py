"""Fences for commands: bubblewrap's namespaces; or none, where the operator says so."""

import asyncio
import os
import resource
import shutil
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from activities.shells import Ran, Watch
from windlass.core.mortality import dying_with_us

INSIDE = "/work"
KEPT_BYTES = 1 << 20  # of what a command writes
MEMORY_BYTES, FILE_BYTES, OPEN_FILES, PROCESSES = 4 << 30, 1 << 30, 1024, 4096
TMP_BYTES = 256 << 20
PATHS = "/usr/local/bin:/usr/bin:/bin"
ENVIRONMENT = {"PATH": PATHS, "HOME": INSIDE, "LANG": "C.UTF-8", "TERM": "dumb"}
SEEN = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/alternatives", "/etc/ld.so.cache")
TRIED = "true"
LAST_WORDS_S, LOOK_S = 2.0, 0.05
AGAIN_S = 60.0  # after this a fence that did not stand is tried again


class Bubblewrap:
    """Namespaces of its own for each command: no network, no other process, no file but programs and its folder."""

    is_closed = True

    def __init__(self, program: str = "bwrap") -> None:
        self._program = program
        self._found: tuple[float, str] | None = None

    async def why_not(self) -> str:
        """Why no fence stands here; it is tried once, and after a failure again from time to time."""
        now = asyncio.get_running_loop().time()
        if self._found is None or (self._found[1] and now > self._found[0] + AGAIN_S):
            self._found = (now, await self._tried())
        return self._found[1]

    async def run(self, folder: Path, command: str, limits: Watch) -> Ran:
        """Run a command behind the fence; killing the fence kills everything behind it."""
        return await run((*self._words(folder), "/bin/sh", "-c", command), folder, limits, {})

    async def _tried(self) -> str:
        program = shutil.which(self._program)
        if program is None:
            return "bubblewrap is not installed where the worker runs. The operator may install it."
        words = (*self._words(Path("/tmp")), "/bin/sh", "-c", TRIED)  # noqa: S108 - nothing is written there
        process = await asyncio.create_subprocess_exec(
            *words, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE, env={"PATH": PATHS}
        )
        _, problem = await process.communicate()
        if process.returncode == 0:
            return ""
        said = problem.decode(errors="replace").strip()[:300]
        return f"the machine of the worker does not let bubblewrap make namespaces ({said})."

    def _words(self, folder: Path) -> Sequence[str]:
        seen = [word for place in SEEN for word in ("--ro-bind-try", place, place)]
        given = [word for name, value in ENVIRONMENT.items() for word in ("--setenv", name, value)]
        return (
            *(self._program, "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL"),
            *seen,
            *("--proc", "/proc", "--dev", "/dev", "--size", str(TMP_BYTES), "--tmpfs", "/tmp"),  # noqa: S108 - inside
            *("--bind", str(folder), INSIDE, "--chdir", INSIDE, "--hostname", "workspace", "--clearenv", *given),
            "--",
        )


class Unfenced:
    """No fence at all: a command may do whatever the worker may."""

    is_closed = False

    async def why_not(self) -> str:
        """Nothing is in the way."""
        return ""

    async def run(self, folder: Path, command: str, limits: Watch) -> Ran:
        """Run a command in the folder, without any of our environment."""
        return await run(("/bin/sh", "-c", command), folder, limits, ENVIRONMENT | {"HOME": str(folder)})


class NoFence:
    """What stands where the operator wants no shell."""

    is_closed = True

    async def why_not(self) -> str:
        """Why nothing can be run."""
        return "the operator has switched it off."

    async def run(self, folder: Path, command: str, limits: Watch) -> Ran:
        """Never."""
        raise AssertionError(command)


async def run(words: Sequence[str], folder: Path, limits: Watch, environment: dict[str, str]) -> Ran:
    """Run a program to its end or to a limit, whatever it does; its whole process group ends with it."""
    process = await asyncio.create_subprocess_exec(
        *words,
        cwd=folder,
        env=environment or {"PATH": PATHS},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=_bounded(),
    )
    written = Written()
    reading = asyncio.create_task(written.read(process.stdout))
    ending, breaking = asyncio.create_task(_ended(process)), asyncio.create_task(limits.broken())
    try:
        await asyncio.wait((ending, breaking), return_when=asyncio.FIRST_COMPLETED)
        stopped = breaking.result() if breaking.done() and not ending.done() else ""
    finally:
        breaking.cancel()
        ending.cancel()
        _kill(process)
        await _ended(process)
        await asyncio.wait((reading,), timeout=LAST_WORDS_S)  # what got away may hold the pipe for ever
        reading.cancel()
    return Ran(None if stopped else process.returncode, written.text, stopped)


class Written:
    """What a command writes: the beginning and the end of it."""

    def __init__(self) -> None:
        self._first, self._last, self._left_out = bytearray(), bytearray(), 0

    @property
    def text(self) -> str:
        """All of it, or what was kept."""
        between = f"\n… {self._left_out} bytes left out …\n".encode() if self._left_out else b""
        return bytes(self._first + between + self._last).decode(errors="replace")

    async def read(self, stream: asyncio.StreamReader | None) -> None:
        """Read to the end."""
        while stream is not None and (piece := await stream.read(65_536)):
            room = max(0, KEPT_BYTES // 2 - len(self._first))
            self._first += piece[:room]
            self._last += piece[room:]
            if len(self._last) > KEPT_BYTES:
                self._left_out += len(self._last) - KEPT_BYTES // 2
                del self._last[: -KEPT_BYTES // 2]


async def _ended(process: asyncio.subprocess.Process) -> None:
    """Wait for the end of a process; its own `wait` waits for whoever holds its pipe too."""
    while process.returncode is None:  # noqa: ASYNC110 - the loop is told by the kernel and tells nobody
        await asyncio.sleep(LOOK_S)


def _kill(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _bounded() -> Callable[[], None]:
    """What a child does before its program starts: dies with us, and has bounds."""
    die = dying_with_us()

    def bound() -> None:
        die()
        for kind, most in (
            (resource.RLIMIT_AS, MEMORY_BYTES),
            (resource.RLIMIT_FSIZE, FILE_BYTES),
            (resource.RLIMIT_NOFILE, OPEN_FILES),
            (resource.RLIMIT_NPROC, PROCESSES),
            (resource.RLIMIT_CORE, 0),
        ):
            resource.setrlimit(kind, (most, most))

    return bound
