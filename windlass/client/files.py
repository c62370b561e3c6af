"""Files of runs as both clients offer them: sent in chunks, several at once, gone on with after a broken connection."""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import httpx

from windlass.client.calls import Call, nothing
from windlass.client.desktops import Sends, SendsAsync
from windlass.client.errors import ApiError, Unreachable
from windlass.client.records import Page, Record
from windlass.contracts.files import MOST_FILES, rooted_path

UPLOADS = "/v1/artifacts/uploads"
AT_ONCE = 4
PATIENCE_S, PAUSE_S = 120.0, 1.0
PIECE_BYTES = 1 << 20
PASSING = frozenset({408, 429, 502, 503, 504})


class RunFile(Record):
    """A file of a run, its root in front: `out/report.csv`."""

    path: str
    size_bytes: int
    sha256: str
    changed_at: datetime


class UploadFile(Record):
    """A file of an upload: `sha256` once it is whole, else the chunks that were received."""

    file_id: str
    path: str
    size_bytes: int | None
    sha256: str | None = None
    chunks: int
    chunk_bytes: int
    received: list[int] = []  # noqa: RUF012 - pydantic copies it


class Upload(Record):
    """Files on their way to a run; a field of its form then holds `upload_id`."""

    upload_id: str
    expires_at: datetime
    complete: bool
    files: list[UploadFile]


class FileLink(Record):
    """An address from which anybody may download a file for a while."""

    url: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Moved:
    """How far a transfer is, over all its files."""

    path: str
    bytes_done: int
    bytes_total: int


Told = Callable[[Moved], None]


@dataclass(frozen=True, slots=True)
class Source:
    """A file of this machine, and what the run will call it."""

    place: Path
    path: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a file that is missing there."""

    file: UploadFile
    place: Path
    n: int

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return min(self.file.chunk_bytes, (self.file.size_bytes or 0) - self.n * self.file.chunk_bytes)

    def content(self) -> bytes:
        """Its bytes."""
        with self.place.open("rb") as file:
            file.seek(self.n * self.file.chunk_bytes)
            return file.read(self.size)


class Streams(Sends, Protocol):
    """What sends calls and hands out files."""

    http: httpx.Client


def sources_of(paths: Iterable[str | Path]) -> list[Source]:
    """The files, and those in the folders; a folder keeps its name. Raises FileNotFoundError, ValueError."""
    found: list[Source] = []
    for each in map(Path, paths):
        if each.is_dir():
            base = each.resolve().parent
            inside = sorted(one for one in each.resolve().rglob("*") if one.is_file())
            found += [Source(one, one.relative_to(base).as_posix()) for one in inside]
        elif each.is_file():
            found.append(Source(each, each.name))
        else:
            raise FileNotFoundError(f"There is no file {each}. Nothing was sent.")
    if len(found) > MOST_FILES:
        raise ValueError(f"These are {len(found):,} files, and a run takes {MOST_FILES:,}. Nothing was sent.")
    return found


def begin_upload(sources: Sequence[Source]) -> Call[Upload]:
    """Announce files."""
    files = [{"path": each.path, "size_bytes": each.place.stat().st_size} for each in sources]
    return Call("POST", UPLOADS, Upload.model_validate, {"files": files})


def get_upload(upload_id: str) -> Call[Upload]:
    """How far it is."""
    return Call("GET", f"{UPLOADS}/{quote(upload_id, safe='')}", Upload.model_validate)


def put_chunk(upload_id: str, chunk: Chunk) -> Call[Any]:
    """Send a chunk."""
    path = f"{UPLOADS}/{quote(upload_id, safe='')}/{chunk.file.file_id}/{chunk.n}"
    return Call("PUT", path, nothing, content=chunk.content())


def complete_upload(upload_id: str) -> Call[Upload]:
    """All is sent; the second time nothing changes, so it may be sent again without a key."""
    return Call("POST", f"{UPLOADS}/{quote(upload_id, safe='')}/complete", Upload.model_validate)


def list_files(run_id: str, below: str = "", after: str = "", limit: int = 500) -> Call[Page[RunFile]]:
    """The files of a run."""
    query = {"below": below, "after": after, "limit": limit}
    return Call("GET", f"/v1/runs/{quote(run_id, safe='')}/files", Page[RunFile].model_validate, query=query)


def remove_file(run_id: str, path: str) -> Call[None]:
    """Remove a file or a folder."""
    return Call("DELETE", file_address(run_id, path), nothing)


def link_file(run_id: str, path: str, minutes: int) -> Call[FileLink]:
    """Make a link."""
    body = {"path": path, "minutes": minutes}
    return Call("POST", f"/v1/runs/{quote(run_id, safe='')}/file-links", FileLink.model_validate, body)


def file_address(run_id: str, path: str) -> str:
    """Where one file is."""
    return f"/v1/runs/{quote(run_id, safe='')}/files/{quote(path)}"


def missing_of(upload: Upload, sources: Sequence[Source]) -> list[Chunk]:
    """The chunks that are not there yet. Raises ValueError: the upload is of other files."""
    by_path = {each.path: each.place for each in sources}
    for file in upload.files:
        if file.path not in by_path or by_path[file.path].stat().st_size != file.size_bytes:
            raise ValueError(f"{file.path} is not among the files, or has another size than when the upload began")
    return [
        Chunk(file, by_path[file.path], n)
        for file in upload.files
        if file.sha256 is None
        for n in range(file.chunks)
        if n not in set(file.received)
    ]


class _Count:
    """Tells how far an upload is."""

    def __init__(self, upload: Upload, rest: Sequence[Chunk], told: Told | None) -> None:
        self._total = sum(each.size_bytes or 0 for each in upload.files)
        self._done, self._told = self._total - sum(each.size for each in rest), told

    def add(self, chunk: Chunk) -> None:
        """A chunk was received."""
        self._done += chunk.size
        if self._told is not None:
            self._told(Moved(chunk.file.path, self._done, self._total))


class Files:
    """Files of runs."""

    def __init__(self, client: Streams) -> None:
        self._client = client

    def upload(
        self,
        paths: Iterable[str | Path],
        *,
        resume: str | None = None,
        told: Told | None = None,
        began: Callable[[Upload], None] | None = None,
    ) -> Upload:
        """Send files and folders; `resume` goes on with an upload of the same ones. Raises ApiError, Unreachable.

        `began` hears of the upload before anything is sent: by its id one goes on with it.
        """
        sources = sources_of(paths)
        upload = self._client.send(get_upload(resume) if resume else begin_upload(sources))
        if began is not None:
            began(upload)
        rest = missing_of(upload, sources)
        count = _Count(upload, rest, told)
        with ThreadPoolExecutor(AT_ONCE) as threads:
            for chunk in threads.map(partial(self._put, upload.upload_id), rest):
                count.add(chunk)
        return self._patiently(complete_upload(upload.upload_id))

    def list(self, run_id: str, below: str = "") -> list[RunFile]:
        """The files of a run below a root or a folder."""
        found, after = list[RunFile](), ""
        while True:
            page = self._client.send(list_files(run_id, below, after))
            found += page.items
            if page.next is None:
                return found
            after = str(page.next)

    def download(self, run_id: str, path: str, folder: str | Path, *, told: Told | None = None) -> Iterator[Path]:
        """Lay a file, or all below a root or a folder, down in a folder of this machine; yields where each is.

        A file appears whole; where the connection breaks another one goes on. Raises ApiError, Unreachable.
        """
        files = self.list(run_id, path)
        total, done = sum(each.size_bytes for each in files), 0
        for file in files:
            target = Path(folder) / _relative(file.path, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            part = target.with_name(f".{target.name[:200]}.part")
            with part.open("wb") as kept:
                for piece in self._pieces(run_id, file):
                    kept.write(piece)
                    done += len(piece)
                    if told is not None:
                        told(Moved(file.path, done, total))
            part.replace(target)
            yield target

    def remove(self, run_id: str, path: str) -> None:
        """Remove a file, or a folder with all in it."""
        self._client.send(remove_file(run_id, path))

    def link(self, run_id: str, path: str, minutes: int = 60) -> FileLink:
        """An address from which anybody may download the file for a while."""
        return self._client.send(link_file(run_id, path, minutes))

    def _put(self, upload_id: str, chunk: Chunk) -> Chunk:
        self._patiently(put_chunk(upload_id, chunk))
        return chunk

    def _patiently(self, call: Call[Any]) -> Any:
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                return self._client.send(call)
            except (Unreachable, ApiError) as error:
                if time.monotonic() > until or not _may_pass(error):
                    raise
                time.sleep(PAUSE_S)

    def _pieces(self, run_id: str, file: RunFile) -> Iterator[bytes]:
        at, until = 0, time.monotonic() + PATIENCE_S
        while at < file.size_bytes:
            headers = {"range": f"bytes={at}-"} if at else {}
            try:
                with self._client.http.stream("GET", file_address(run_id, file.path), headers=headers) as response:
                    if not response.is_success:
                        response.read()
                        raise ApiError.from_response(response)
                    if response.headers.get("etag") != f'"{file.sha256}"':
                        raise ValueError(f"{file.path} was written anew while it was read")
                    for piece in response.iter_bytes(PIECE_BYTES):
                        at, until = at + len(piece), time.monotonic() + PATIENCE_S
                        yield piece
            except (httpx.TransportError, ApiError) as error:
                if time.monotonic() > until or (isinstance(error, ApiError) and not _may_pass(error)):
                    raise
                time.sleep(PAUSE_S)


class AsyncFiles:
    """Files of runs, awaited."""

    def __init__(self, client: SendsAsync) -> None:
        self._client = client

    async def upload(
        self,
        paths: Iterable[str | Path],
        *,
        resume: str | None = None,
        told: Told | None = None,
        began: Callable[[Upload], None] | None = None,
    ) -> Upload:
        """Send files and folders; `resume` goes on with an upload of the same ones. Raises ApiError, Unreachable.

        `began` hears of the upload before anything is sent: by its id one goes on with it.
        """
        sources = await asyncio.to_thread(sources_of, paths)
        upload = await self._client.send(get_upload(resume) if resume else begin_upload(sources))
        if began is not None:
            began(upload)
        rest = missing_of(upload, sources)
        count, waiting = _Count(upload, rest, told), iter(rest)

        async def work() -> None:
            for chunk in waiting:
                await self._patiently(await asyncio.to_thread(put_chunk, upload.upload_id, chunk))
                count.add(chunk)

        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(work())
        return await self._patiently(complete_upload(upload.upload_id))

    async def list(self, run_id: str, below: str = "") -> list[RunFile]:
        """The files of a run below a root or a folder."""
        found, after = list[RunFile](), ""
        while True:
            page = await self._client.send(list_files(run_id, below, after))
            found += page.items
            if page.next is None:
                return found
            after = str(page.next)

    async def remove(self, run_id: str, path: str) -> None:
        """Remove a file, or a folder with all in it."""
        await self._client.send(remove_file(run_id, path))

    async def link(self, run_id: str, path: str, minutes: int = 60) -> FileLink:
        """An address from which anybody may download the file for a while."""
        return await self._client.send(link_file(run_id, path, minutes))

    async def _patiently(self, call: Call[Any]) -> Any:
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                return await self._client.send(call)
            except (Unreachable, ApiError) as error:
                if time.monotonic() > until or not _may_pass(error):
                    raise
                await asyncio.sleep(PAUSE_S)


def _may_pass(error: Exception) -> bool:
    """Whether it may be better in a moment."""
    return isinstance(error, Unreachable) or (isinstance(error, ApiError) and error.status in PASSING)


def _relative(path: str, below: str) -> str:
    """Where a file lies below what was asked for. Raises ValueError: the path leads elsewhere."""
    path, below = rooted_path(path), below.strip("/")
    return path.rsplit("/", 1)[-1] if path == below else path.removeprefix(f"{below}/") if below else path
