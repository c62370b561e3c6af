"""Sources of services on this machine: what is not a folder is fetched once, and lies there by its content.

It is made in a folder of its own and renamed when it is whole: a killed worker leaves a half that is swept.
"""

import asyncio
import hashlib
import os
import shutil
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from activities.adapters.halves import HALF, begin, remove, size_of
from activities.failures import DeployFailed, ServiceFailed
from activities.services import Say
from windlass.core.archives import ArchiveRefused, unpack
from windlass.core.errors import NotFound
from windlass.core.logging import clean
from windlass.core.mortality import dying_with_us
from windlass.core.outbound import AddressRefused, Outbound
from windlass.core.sources import PRIVATE, Repository, digest_of, key_of, repository_of
from windlass.core.storage import Objects
from windlass.core.wanted import WantedService

MEASURE_S = 0.5
TAIL_CHARACTERS = 2000
UNTOUCHED = {  # nothing of the machine's settings and secrets, and nothing that would run a program of the repository
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ALLOW_PROTOCOL": "https:file",
    "GIT_LFS_SKIP_SMUDGE": "1",
    "LC_ALL": "C",
}
SETTINGS = (
    "core.hooksPath=/dev/null", "core.symlinks=false", "http.followRedirects=false", "protocol.version=2",
    "safe.directory=*",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """How long fetching may take, how much it may bring, and how long what is not used is kept."""

    seconds: float = 300.0
    size_bytes: int = 512 << 20
    kept_days: float = 30.0


class Sources:
    """The programs of services on this machine."""

    def __init__(self, folder: Path, objects: Objects, outbound: Outbound, limits: FetchLimits | None = None) -> None:
        self._folder, self._objects, self._outbound = folder, objects, outbound
        self._limits = limits or FetchLimits()

    def place(self, service: WantedService) -> Path:
        """The folder of a service's program, whether it is there already or not."""
        if digest := digest_of(service.project):
            return self._folder / str(service.tenant_id) / digest
        if repository := repository_of(service.project):
            name = hashlib.sha256(service.project.encode()).hexdigest()[:24]
            return self._folder / str(service.tenant_id) / f"{name}-{repository.commit[:12]}"
        return Path(service.project)

    async def fetch(self, service: WantedService, say: Say) -> Path:
        """The folder of a service's program, fetched if need be. The second time it is there. Raises ServiceFailed."""
        place = self.place(service)
        try:
            if place != Path(service.project):
                await self._make(service, place, say)
            elif not await asyncio.to_thread(place.is_dir):
                raise ServiceFailed(f"The folder {place} does not exist on this machine.")
        except (OSError, NotFound) as error:
            raise DeployFailed(f"Its program could not be fetched: {error}") from error
        return place

    async def sweep(self) -> None:
        """Remove what a killed worker left half-made, and what no service has used for long."""
        await asyncio.to_thread(self._sweep)

    def _sweep(self) -> None:
        in_use = _in_use()
        for path in self._folder.glob("*/*"):
            kept_s = self._limits.seconds if HALF in path.name else self._limits.kept_days * 86400
            with suppress(OSError):  # the next sweep comes by
                if time.time() - path.lstat().st_mtime > kept_s and path.resolve() not in in_use:
                    remove(path)

    async def _make(self, service: WantedService, place: Path, say: Say) -> None:
        if await asyncio.to_thread(place.is_dir):
            await asyncio.to_thread(os.utime, place)  # it is in use
            return
        await asyncio.to_thread(place.parent.mkdir, parents=True, exist_ok=True)
        half = begin(place)
        try:
            program = half / "program"
            program.mkdir()
            if repository := repository_of(service.project):
                await self._clone(repository, program, say)
            else:
                await self._unpack(service, half, program, say)
            try:
                await asyncio.to_thread(program.rename, place)
            except OSError:
                if not await asyncio.to_thread(place.is_dir):  # else somebody was faster, with the same content
                    raise
        finally:
            await asyncio.to_thread(shutil.rmtree, half, ignore_errors=True)

    async def _unpack(self, service: WantedService, half: Path, program: Path, say: Say) -> None:
        digest = digest_of(service.project) or ""
        archive, total = half / "archive", hashlib.sha256()
        with archive.open("wb") as file:
            async for piece in self._objects.read(key_of(service.tenant_id, digest)):
                total.update(piece)
                await asyncio.to_thread(file.write, piece)
        if total.hexdigest() != digest:
            raise DeployFailed(f"The archive {digest[:12]} is not what was sent: its bytes have changed in the store.")
        try:
            count = await asyncio.to_thread(unpack, archive, program)
        except ArchiveRefused as refused:
            raise DeployFailed(f"The archive {digest[:12]} {refused.errors[0].message}.") from refused
        await say(f"{count} files of the archive {digest[:12]} are unpacked")

    async def _clone(self, repository: Repository, program: Path, say: Say) -> None:
        way = await self._way(repository.url)
        await say(f"fetching {repository.commit[:12]} of {repository.url}")
        try:
            async with asyncio.timeout(self._limits.seconds):
                await self._git(program, "init", "--quiet", "--template=")
                fetch = ("fetch", "--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules")
                await self._git(program, *fetch, repository.url, repository.commit, settings=way)
                await self._git(program, "checkout", "--quiet", "--detach", "FETCH_HEAD")
        except TimeoutError as error:
            raise DeployFailed(f"Fetching it took longer than {self._limits.seconds:.0f} s.") from error
        await asyncio.to_thread(shutil.rmtree, program / ".git")

    async def _way(self, url: str) -> tuple[str, ...]:
        """What leads git to the one address that was checked. Raises DeployFailed."""
        parts = urlsplit(url)
        if parts.scheme == "file":
            return ()
        try:
            self._outbound.check(url)
            port, host = parts.port or 443, str(parts.hostname)
            address = await self._outbound.address(host, port, parts.scheme)
        except AddressRefused as refused:
            raise DeployFailed(f"{url} {refused.errors[0].message}.") from refused
        shown = f"[{address}]" if ":" in address else address
        return (f"http.curloptResolve={host}:{port}:{shown}",)

    async def _git(self, program: Path, *words: str, settings: tuple[str, ...] = ()) -> None:
        given = [word for each in (*SETTINGS, *settings) for word in ("-c", each)]
        process = await asyncio.create_subprocess_exec(
            *("git", *given, *words),
            cwd=program,
            env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": str(program.parent), **UNTOUCHED},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
            preexec_fn=dying_with_us(),
        )
        try:
            said = await self._within_size(process, program)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
        if process.returncode != 0:
            more = f"\nOnly what anybody may read is fetched, and no branch. {PRIVATE}." if words[0] == "fetch" else ""
            raise DeployFailed(f"git {words[0]} failed. {clean(said)}{more}")

    async def _within_size(self, process: asyncio.subprocess.Process, program: Path) -> str:
        """What git says, at its end. Raises DeployFailed when it brings too much."""
        assert process.stderr is not None  # noqa: S101 - it is a pipe
        saying = asyncio.create_task(process.stderr.read(TAIL_CHARACTERS))
        ending = asyncio.create_task(process.wait())
        try:
            while not ending.done():
                await asyncio.wait({ending}, timeout=MEASURE_S)
                if await asyncio.to_thread(size_of, program) > self._limits.size_bytes:
                    raise DeployFailed(f"It takes more than {self._limits.size_bytes >> 20} MiB.")
            return (await saying).decode(errors="replace").strip()
        finally:
            saying.cancel()
            ending.cancel()


def _in_use() -> set[Path]:
    """The folders in or below which processes work, as hosts do in those of their programs."""
    found = set[Path]()
    for link in Path("/proc").glob("[0-9]*/cwd"):
        with suppress(OSError):
            place = Path(os.readlink(link))
            found |= {place, *place.parents}
    return found
