"""Environments of services: what a service's folder asks for, installed by uv beside the SDK.

An environment begins as a copy of the base environment (hard links), so that only what a service adds is installed, and
is kept under a hash of everything that went into it. It is built in a folder of its own and renamed when it is whole.
"""

import asyncio
import fcntl
import hashlib
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from activities.adapters.halves import HALF, begin, remove, size_of
from activities.adapters.requirements import asked_for
from activities.failures import DeployFailed
from activities.services import Say
from windlass.core.logging import clean
from windlass.core.mortality import dying_with_us
from windlass.core.wanted import WantedService

STAMP = "service-environment"  # its time says when the environment was used last
DIGEST_CHARACTERS = 24
WHEEL = "wheel"
TURN_S, MEASURE_S = 0.2, 2.0
BUILT_AT_ONCE = 4
SHORT_S = 60.0  # for what uv does without installing anything
NOT_FOUND = "No interpreter found"  # as uv says it
TAIL_LINES, LINE_CHARACTERS = 20, 500
PASSED_ON = re.compile(
    r"PATH|HOME|LANG|LC_ALL|TZ|TMPDIR|SSL_CERT_\w+|UV_\w+|XDG_\w+|(?:https?|no|all)_proxy", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Limits:
    """How long an installation may take, how much it may bring, and how long an unused environment is kept."""

    seconds: float = 1800.0
    size_bytes: int = 8 * 1024**3
    kept_days: float = 30.0


@dataclass(frozen=True, slots=True)
class Wish:
    """What an environment is made of: the base one or another Python, and the files that say what to install."""

    base: Path
    interpreter: str | None
    asked: list[Path]


class Environments:
    """The environments of the services of this machine; `base` is the interpreter where none is asked for."""

    def __init__(self, folder: Path, base: str, limits: Limits | None = None) -> None:
        self._folder = folder
        self._base = base
        self._limits = limits or Limits()
        self._building = asyncio.Semaphore(BUILT_AT_ONCE)  # what is there already waits for none of them

    async def prepare(self, service: WantedService, say: Say) -> str:
        """The interpreter for a service: its own, or the base one when it asks for nothing. Raises DeployFailed.

        The second time the environment is there already; two that need the same take turns.
        """
        try:
            return await self._prepared(service, say)
        except OSError as error:  # a full disk, say: without a reason its service would look as if nothing was wrong
            raise DeployFailed(f"Its environment could not be made: {error}") from error

    async def _prepared(self, service: WantedService, say: Say) -> str:
        asked = await asyncio.to_thread(asked_for, Path(service.project))
        base = _place(self._base)
        interpreter = await self._interpreter(service.python) if service.python else None
        if asked is None and interpreter is None:
            return self._base
        wish = Wish(base, interpreter, asked or [])
        digest = await asyncio.to_thread(_digest, wish, Path(service.project))
        whole = self._folder / digest
        await asyncio.to_thread(self._folder.mkdir, parents=True, exist_ok=True)
        async with _turn(self._folder / f"{digest}.lock", say):
            if not (whole / STAMP).exists():
                async with self._building:
                    await self._build(wish, whole, say)
            else:
                await say(f"{asked[0].name if asked else service.python} is unchanged, its environment is used again")
            (whole / STAMP).touch()
        return str(whole / "bin" / Path(self._base).name)

    async def sweep(self) -> None:
        """Remove what a killed worker left half-made, and what no service has used for long."""
        await asyncio.to_thread(self._sweep)

    def _sweep(self) -> None:
        in_use = _in_use()
        for path in self._folder.glob("*") if self._folder.is_dir() else ():
            digest = path.name.partition(HALF)[0]
            if not path.is_dir() or len(digest) != DIGEST_CHARACTERS or str(path) in in_use:
                continue
            if self._is_old(path) and (lock := _try_lock(self._folder / f"{digest}.lock")) is not None:
                with os.fdopen(lock):
                    if self._is_old(path):  # still: nobody has used it since
                        remove(path)

    def _is_old(self, path: Path) -> bool:
        return HALF in path.name or _days_since(path / STAMP) > self._limits.kept_days

    async def _build(self, wish: Wish, whole: Path, say: Say) -> None:
        half = begin(whole)
        try:
            if wish.interpreter is not None:
                await self._uv("venv", "--allow-existing", "--relocatable", "--python", wish.interpreter, str(half))
            wishes = await asyncio.to_thread(_begin, wish, half)
            await self._install(wish, wishes, half, say)
            await asyncio.to_thread(_complete, half, whole)
        finally:
            await asyncio.to_thread(shutil.rmtree, half, ignore_errors=True)

    async def _install(self, wish: Wish, wishes: Path, half: Path, say: Say) -> None:
        """Have uv install what is asked for, with the SDK itself as a further wish: nothing may break it."""
        python = half / "bin" / Path(self._base).name
        words = ["-m", "uv", "pip", "install", "--python", str(python), "--compile-bytecode", "--color", "never"]
        for asked in (*wish.asked[:1], wishes):
            words += ["-r", str(asked)]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, *words),
            cwd=wish.asked[0].parent if wish.asked else half,
            env=_environment(self._folder),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            limit=1 << 20,
            start_new_session=True,
            preexec_fn=dying_with_us(),
        )
        lines: list[str] = []
        try:
            await self._within_limits(process, half, lines, say)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # and what it builds with, also where that outlived it
            await process.wait()
        if process.returncode != 0:
            name = wish.asked[0].name if wish.asked else "The SDK"
            raise DeployFailed(f"{name} could not be installed.\n{_tail(lines)}")

    async def _within_limits(self, process: asyncio.subprocess.Process, half: Path, lines: list[str], say: Say) -> None:
        reading = asyncio.create_task(_read(process, lines, say))
        measuring = asyncio.create_task(self._measure(half))
        try:
            async with asyncio.timeout(self._limits.seconds):
                await asyncio.wait({reading, measuring}, return_when=asyncio.FIRST_COMPLETED)
                if measuring.done():
                    most = f"more than {self._limits.size_bytes // 1024**2} MiB, the most an environment may"
                    raise DeployFailed(f"What it asks for takes {most}.\n{_tail(lines)}")
                await reading
                await process.wait()
        except TimeoutError as error:
            raise DeployFailed(f"Installing took longer than {self._limits.seconds:.0f} s.\n{_tail(lines)}") from error
        finally:
            for task in (reading, measuring):
                task.cancel()

    async def _measure(self, half: Path) -> None:
        """Return when the packages that come in have become too many bytes."""
        loop = asyncio.get_running_loop()
        before = await asyncio.to_thread(size_of, self._folder / "cache")
        while True:
            began = loop.time()
            grown = await asyncio.to_thread(size_of, self._folder / "cache") - before
            if max(grown, await asyncio.to_thread(size_of, half)) > self._limits.size_bytes:
                return
            await asyncio.sleep(max(MEASURE_S, 10 * (loop.time() - began)))

    async def _interpreter(self, version: str) -> str | None:
        """The Python of that version on this machine; None: it is that of the base environment. Raises DeployFailed."""
        settings = await asyncio.to_thread((_place(self._base) / "pyvenv.cfg").read_text)
        versions = [line.partition("=")[2].strip() for line in settings.splitlines() if line.startswith("version")]
        ours = next(iter(versions), "")
        if f"{ours}.".startswith(f"{version}."):
            return None
        try:
            return await self._uv("python", "find", "--no-project", "--system", version)
        except DeployFailed as failed:
            if NOT_FOUND not in str(failed):
                raise
            said = f"Python {version} is not on this machine, whose own is {ours}; nothing is downloaded. "
            said += "Install it there, or have the service ask for another one."
            raise DeployFailed(f"{said}\n{failed}") from failed

    async def _uv(self, *words: str) -> str:
        """Have uv do something short; answers its first line. Raises DeployFailed with what it said."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "uv", *words, "--color", "never"),
            env=_environment(self._folder),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
            preexec_fn=dying_with_us(),
        )
        seconds = min(SHORT_S, self._limits.seconds)
        try:
            async with asyncio.timeout(seconds):
                said, wrong = await process.communicate()
        except TimeoutError as error:
            raise DeployFailed(f"uv {words[0]} took longer than {seconds:.0f} s.") from error
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # and whichever Python it asks
            await process.wait()
        if process.returncode != 0:
            told = _tail([clean(line) for line in wrong.decode(errors="replace").splitlines()])
            raise DeployFailed(f"uv {words[0]} failed. {told}")
        return said.decode().partition("\n")[0].strip()


def _begin(wish: Wish, half: Path) -> Path:
    """Put everything of the base environment into one of its Python; answers the file that asks for the SDK itself."""
    if wish.interpreter is None:
        leave = shutil.ignore_patterns("*.sha256", ".lock", WHEEL)  # a lock that is linked is one for all
        shutil.copytree(wish.base, half, symlinks=True, copy_function=_link, dirs_exist_ok=True, ignore=leave)
    (wheel,) = wish.base.glob(f"{WHEEL}/*.whl")
    wishes = half / "sdk.txt"
    wishes.write_text(f"windlass @ {wheel.as_uri()}\n")
    return wishes


def _complete(half: Path, whole: Path) -> None:
    """Put the environment in its place, in one step."""
    (half / STAMP).touch()
    half.rename(whole)


def _digest(wish: Wish, project: Path) -> str:
    """Everything that makes an environment what it is: the files, the interpreter, the SDK and what is beside it."""
    base, total = wish.base, hashlib.sha256()
    wheels = sorted(base.glob(f"{WHEEL}/*.whl"))
    if not wheels:
        raise DeployFailed(f"{base} holds no wheel of the SDK: make it anew with `python -m stack.environment`.")
    for path in (base / "pyvenv.cfg", base / "requirements.sha256", *wheels, *wish.asked):
        content = path.read_bytes() if path.exists() else b""
        total.update(f"{path.name}\0{len(content)}\0".encode() + content)
    total.update(str(wish.asked[0].parent if wish.asked else project).encode())  # what is written as a path is there
    total.update(str(wish.interpreter or "").encode())
    return total.hexdigest()[:DIGEST_CHARACTERS]


def _place(python: str) -> Path:
    """The environment of an interpreter, as it is now."""
    return Path(python).parent.parent.resolve()


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copy2(source, target)


def _environment(folder: Path) -> dict[str, str]:
    """What uv is told: where its own settings are, with what opens a private index, and none of our secrets."""
    own = {name: value for name, value in os.environ.items() if PASSED_ON.fullmatch(name)}
    ours = {"UV_CACHE_DIR": str(folder / "cache"), "UV_NO_PROGRESS": "1"}  # the cache is measured
    return {"UV_PYTHON_DOWNLOADS": "never", **own, **ours}


async def _read(process: asyncio.subprocess.Process, lines: list[str], say: Say) -> None:
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    while True:
        try:
            line = await process.stdout.readline()
        except ValueError:
            continue  # one that is too long is passed over: what nobody reads would hold up the installation
        if not line:
            return
        text = clean(line.decode(errors="replace").rstrip()[:LINE_CHARACTERS])
        lines.append(text)
        del lines[: -10 * TAIL_LINES]
        await say(text)


def _tail(lines: list[str]) -> str:
    return "\n".join([line for line in lines if line.strip()][-TAIL_LINES:])


def _in_use() -> set[str]:
    """The environments whose interpreter some process was started with."""
    found = set[str]()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            program = path.read_bytes().partition(b"\0")[0].decode(errors="replace")
            found.add(str(Path(program).parent.parent))
    return found


def _days_since(stamp: Path) -> float:
    try:
        return (time.time() - stamp.stat().st_mtime) / 86400
    except FileNotFoundError:
        return float("inf")


def _try_lock(path: Path) -> int | None:
    """The lock, held until the descriptor is closed; None when somebody has it."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


@asynccontextmanager
async def _turn(path: Path, say: Say) -> AsyncGenerator[None]:
    """Be the only one who builds an environment; a process that dies gives its turn away."""
    waits = False
    while (handle := _try_lock(path)) is None:
        if not waits:
            await say("the same environment is being made for another service")
            waits = True
        await asyncio.sleep(TURN_S)
    try:
        yield
    finally:
        os.close(handle)
