"""The tool `shell`: a command in a folder that holds the workspace's files, behind a fence; what it changed is kept."""

import asyncio
import hashlib
import os
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import AsyncGenerator, Generator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from activities.editor import BadEdit, text_of
from activities.shell import cut
from activities.transcripts import Json
from activities.workspaces import MOST_FILES, QUOTA_BYTES, contained
from windlass.contracts.ids import TenantId
from windlass.core.workspaces import Change, WorkspaceFile, Workspaces

SHELL = "shell"
USUAL_S, LONGEST_S = 60.0, 600.0
WATCH_S = 0.5  # between two looks at how much a command has written
MOST_COMMAND = 100_000
NOTED = 10  # names of files
MOST_DEPTH = 260  # of folders in folders; no path of a workspace is deeper
LEFT_S = 3_600.0  # older folders of commands are left behind
DESCRIBED: Json = {
    "name": SHELL,
    "description": "Run a command with sh in the folder of the workspace's files. It has no network and sees nothing "
    "else of the machine but its programs; every command is a process tree of its own that ends with it. What it "
    "changes in the folder is kept, unless it is stopped. Files have no execute bit: sh script.sh.",
    "input_schema": {
        "type": "object",
        "properties": {
            "command": {"type": "string"},
            "timeout_s": {"type": "number", "description": f"{USUAL_S:.0f} if there is none.", "maximum": LONGEST_S},
        },
        "required": ["command"],
    },
}


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended: its exit code, or why it was stopped; and what it wrote."""

    code: int | None
    output: str
    stopped: str = ""


class Fence(Protocol):
    """Whatever keeps a command from everything but one folder."""

    @property
    def is_closed(self) -> bool:
        """Whether nothing gets out: then a command that was cut off did nothing, and is simply run again."""
        ...

    async def why_not(self) -> str:
        """Why nothing can be run here; empty when it can."""
        ...

    async def run(self, folder: Path, command: str, limits: "Watch") -> Ran:
        """Run a command with this folder as the only one it may write to, until its end or a limit."""
        ...


@dataclass(frozen=True, slots=True)
class Watch:
    """When a command must be stopped: it takes too long, its turn is interrupted, or its folder is too full."""

    folder: Path
    time_s: float
    stop: asyncio.Event
    quota_bytes: int = QUOTA_BYTES

    async def broken(self) -> str:
        """Wait until a limit is broken, and say which."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self.time_s
        while not self.stop.is_set():
            if loop.time() > end:
                return f"It was stopped after {self.time_s:g} s."
            if await asyncio.to_thread(_size, self.folder) > self.quota_bytes:
                return f"It was stopped: the workspace may hold {self.quota_bytes >> 20} MB."
            try:
                await asyncio.wait_for(self.stop.wait(), min(WATCH_S, max(0.01, end - loop.time())))
            except TimeoutError:
                continue
        return "It was stopped: the turn was interrupted."


@dataclass(frozen=True, slots=True)
class ShellResult:
    """What a command came to, with the files it changed."""

    outcome: str
    text: str
    changes: Mapping[str, Change] = field(default_factory=dict[str, Change])


class Shells:
    """Runs commands on workspaces; one object per worker process. `root` is where their folders are made."""

    def __init__(self, workspaces: Workspaces, fence: Fence, root: Path) -> None:
        self._workspaces, self._fence, self._root = workspaces, fence, root

    @property
    def repeats(self) -> bool:
        """Whether a command that was cut off may be run again: nothing of it is left."""
        return self._fence.is_closed

    async def run(
        self, tenant_id: TenantId, session_id: UUID, given: Mapping[str, Any], stop: asyncio.Event
    ) -> ShellResult:
        """Run a command on the files as recorded. What it changes is in the result, and recorded with it."""
        why_not = await self._fence.why_not()
        if why_not:
            return ShellResult("failed", f"There is no shell here: {why_not}")
        try:
            command, wanted = text_of(given, "command", MOST_COMMAND), given.get("timeout_s")
        except BadEdit as bad:
            return ShellResult("failed", str(bad))
        time_s = min(max(float(wanted), 0.1), LONGEST_S) if isinstance(wanted, int | float) else USUAL_S
        files = await self._workspaces.files(tenant_id, session_id)
        async with self._laid_out(tenant_id, files) as folder:
            ran = await self._fence.run(folder, command, Watch(folder, time_s, stop))
            if ran.stopped:
                return ShellResult(
                    "failed", _said(f"{cut(ran.output)}\n{ran.stopped} Nothing in the workspace was changed.")
                )
            return await self._kept(tenant_id, files, folder, ran)

    @asynccontextmanager
    async def _laid_out(self, tenant_id: TenantId, files: Mapping[str, WorkspaceFile]) -> AsyncGenerator[Path]:
        """The files in a folder of their own, which goes at the end whatever is in it."""
        self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
        await asyncio.to_thread(_swept, self._root)
        folder = Path(await asyncio.to_thread(tempfile.mkdtemp, dir=self._root))
        try:
            for path, file in files.items():
                place = folder / path
                place.parent.mkdir(parents=True, exist_ok=True)
                with place.open("wb") as written:
                    async for piece in self._workspaces.pieces(tenant_id, file.digest):
                        written.write(piece)
            yield folder
        finally:
            await asyncio.to_thread(_removed, folder)

    async def _kept(
        self, tenant_id: TenantId, files: Mapping[str, WorkspaceFile], folder: Path, ran: Ran
    ) -> ShellResult:
        """The result, with every file that is other than before, or gone."""
        found, strange = await asyncio.to_thread(_walked, folder)
        if len(found) > MOST_FILES:
            said = f"It left {len(found)} files, and {MOST_FILES} are the limit. Nothing was changed."
            return ShellResult("failed", _said(f"{cut(ran.output)}\n{said}"))
        changes = {path: Change(path, None) for path in files if path not in found}
        for path, place in found.items():
            digest = await asyncio.to_thread(_digest, place)
            if path not in files or files[path].digest != digest:
                with opened_file(place) as file:
                    changes[path] = await self._workspaces.keep_file(tenant_id, path, file)
        notes = [cut(ran.output), f"exit code {ran.code}" if ran.code else ""]
        if changes:
            notes.append(f"Changed: {', '.join(sorted(changes)[:NOTED])}{_more(len(changes))}.")
        if strange:
            notes.append(f"Not kept, no plain files: {', '.join(strange[:NOTED])}{_more(len(strange))}.")
        return ShellResult("failed" if ran.code else "done", _said("\n".join(each for each in notes if each)), changes)


def _said(text: str) -> str:
    return text.strip("\n").replace("\0", "\ufffd")


def _more(count: int) -> str:
    return f" and {count - NOTED} more" if count > NOTED else ""


def _entries(folder: int, above: str = "", depth: int = 0) -> Iterator[tuple[str, os.stat_result]]:
    """Everything below a folder that is no folder, or one too deep: its path and what it is. Links are not followed."""
    with os.scandir(folder) as listed:
        found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in listed]
    for name, is_folder in found:
        if is_folder and depth < MOST_DEPTH:
            with _entered(name, folder) as below:
                yield from _entries(below, f"{above}{name}/", depth + 1)
        else:
            yield f"{above}{name}", os.stat(name, dir_fd=folder, follow_symlinks=False)


@contextmanager
def _entered(name: str | Path, above: int | None = None) -> Generator[int]:
    """A folder that is open, also one that was closed to everybody."""
    opened = _opened(name, above)
    try:
        yield opened
    finally:
        os.close(opened)


def _opened(name: str | Path, above: int | None) -> int:
    try:
        return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=above)
    except PermissionError:
        held = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=above)
        try:
            os.chmod(f"/proc/self/fd/{held}", 0o700)
            return os.open(f"/proc/self/fd/{held}", os.O_RDONLY | os.O_DIRECTORY)
        finally:
            os.close(held)


def _size(folder: Path) -> int:
    """What is written below a folder, while somebody still writes: what went meanwhile counts for nothing."""
    total = 0
    with suppress(OSError), _entered(folder) as opened:
        for _, each in _entries(opened):
            total += each.st_size
    return total


def _walked(folder: Path) -> tuple[dict[str, Path], list[str]]:
    """The plain files below a folder by their path in the workspace, and what else there is."""
    files: dict[str, Path] = {}
    strange: list[str] = []
    with _entered(folder) as opened:
        for path, each in _entries(opened):
            if stat.S_ISREG(each.st_mode) and _is_contained(path):
                files[path] = folder / path
            else:
                strange.append(ascii(path)[1:-1])
    return files, strange


def _is_contained(path: str) -> bool:
    try:
        return contained(path) == path
    except BadEdit:
        return False


def _digest(place: Path) -> str:
    with opened_file(place) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def opened_file(place: Path) -> BufferedReader:
    """A file to read, whatever its mode is; never a link."""
    held = os.open(place, os.O_PATH | os.O_NOFOLLOW)
    try:
        os.chmod(f"/proc/self/fd/{held}", 0o600)
        return open(f"/proc/self/fd/{held}", "rb")
    finally:
        os.close(held)


def _removed(folder: Path) -> None:
    _walked(folder)  # every folder in it is open now
    subprocess.run(("/bin/rm", "-rf", "--", folder), check=True)  # noqa: S603 - our own folder, however deep it is


def _swept(root: Path) -> None:
    """Remove what workers that were killed left behind: nothing takes so long."""
    for left in root.iterdir():
        with suppress(FileNotFoundError):  # a command beside this one has ended, and its folder with it
            if left.stat().st_mtime < time.time() - LEFT_S:
                shutil.rmtree(left, ignore_errors=True)
