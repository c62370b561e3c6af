"""Files of a run, from inside: what was sent with its inputs (`in/`), and what comes out of it (`out/`)."""

import os
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from tempfile import mkdtemp
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, TypedDict, TypeVar
from urllib.parse import quote
from uuid import uuid4

from windlass.contracts.files import LIFE_HEADER, rooted_path
from windlass.errors import FileRefused

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

PIECE_BYTES = 1 << 20
AWAY = frozenset({408, 429, 502, 503, 504})
PATIENCE_S = 600.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 3.0
TIMEOUT_S = 60.0
PAGE = 1000


class FileInfo(TypedDict):
    """A file as `ls` tells it."""

    path: str
    size: int
    last_modified: float


class Aside(Protocol):
    """Runs what blocks in a thread of the run."""

    def __call__(self, function: Callable[..., Any], /, *args: Any) -> Awaitable[Any]:
        """Call it and await its answer."""
        ...


@dataclass(frozen=True, slots=True)
class FileAccess:
    """How a run reaches its files: where, with which token, in which life; `check` stops a thread of an ended run."""

    url: str
    run_id: str
    token: str = field(repr=False)
    aside: Aside
    check: Callable[[], None] = lambda: None
    life: str = ""


class FileStream:
    """The content of a file; a context manager, or used plainly. It is asked for when it is first read."""

    def __init__(self, fs: "FileSystem", path: str) -> None:
        self._fs, self._path = fs, path
        self._pieces: Generator[bytes] | None = None
        self._is_closed = False

    def read(self) -> Iterator[bytes]:
        """The content piece by piece. Raises FileNotFoundError."""
        pieces = self._opened()
        while (piece := next(pieces, None)) is not None:
            yield piece

    def read_all(self) -> bytes:
        """The content at once. Raises FileNotFoundError."""
        return b"".join(self.read())

    def remove(self) -> bool:
        """Close it and remove the file. Raises FileNotFoundError."""
        self.close()
        return self._fs.remove(self._path)

    def close(self) -> None:
        """Let go of it. The second time nothing happens."""
        self._is_closed = True
        if self._pieces is not None:
            self._pieces.close()

    def next_piece(self) -> bytes | None:
        """The next piece, None at the end. Raises FileNotFoundError."""
        return next(self._opened(), None)

    def __enter__(self) -> "FileStream":
        if self._pieces is not None or self._is_closed:
            raise RuntimeError("a stream is entered once: open the file again")
        self._fs.require(self._path)
        self._opened()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _opened(self) -> Generator[bytes]:
        if self._is_closed:
            raise RuntimeError("the stream is closed: open the file again")
        if self._pieces is None:
            self._pieces = self._fs.pieces(self._path)
        return self._pieces


class FileSystem:
    """The files of a run, for code that cannot await. While the gateway is away its calls wait, up to ten minutes."""

    def __init__(self, access: FileAccess) -> None:
        self._access = access
        self._client: httpx.Client | None = None

    def ls(self, path: str = "in") -> list[FileInfo]:
        """The files below a root or a folder, by path; those in folders too. Raises FileNotFoundError, ValueError."""
        below, found, after = rooted_path(path), list[FileInfo](), ""
        while True:
            page = self._json("GET", "", params={"below": below, "after": after, "limit": PAGE})
            found += [_info(each) for each in page["items"]]
            if page["next"] is None:
                break
            after = page["next"]
        if not found and "/" in below:
            raise FileNotFoundError(below)
        return found

    def open(self, path: str) -> FileStream:
        """The content of a file. Raises ValueError; FileNotFoundError when it is read."""
        return FileStream(self, rooted_path(path))

    def download(self, path: str = "in") -> Iterator[str]:
        """Lay files down in a temporary folder, as they lie below `path`; yields each one's place there."""
        below, folder = rooted_path(path), Path(mkdtemp(prefix="windlass-"))
        for file in self.ls(below):
            name = file["path"]
            target = folder / (name.rsplit("/", 1)[-1] if name == below else name.removeprefix(f"{below}/"))
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as kept:
                for piece in self.pieces(name):
                    kept.write(piece)
            yield str(target)

    def upload(self, path: str | os.PathLike[str]) -> str | None:
        """Put a file, or all files of a folder, into `out/`; answers the id of this batch, None for nothing.

        Written again after a crash, a file is the same one.
        """
        source = Path(path)
        base = source if source.is_dir() else source.parent
        files = sorted(each for each in (source.rglob("*") if source.is_dir() else [source]) if each.is_file())
        for each in files:
            self._put(each, rooted_path(f"out/{each.relative_to(base).as_posix()}"))
        return str(uuid4()) if files else None

    def remove(self, path: str) -> bool:
        """Remove a file, or a folder with all in it. Raises FileNotFoundError."""
        rooted = rooted_path(path)
        self._patiently("DELETE", rooted)
        return True

    def close(self) -> None:
        """Give the connections back."""
        if self._client is not None:
            self._client.close()

    def require(self, path: str) -> None:
        """Make sure that a file is there. Raises FileNotFoundError."""
        self._patiently("HEAD", path)

    def pieces(self, path: str) -> Generator[bytes]:
        """The content of a file; where the connection breaks another one goes on. Raises FileNotFoundError."""
        at, etag, waiting = 0, "", _Patience()
        while True:
            headers = {"range": f"bytes={at}-", "if-range": etag} if at else {}
            try:
                with self._stream("GET", path, headers=headers) as response:
                    if at and response.status_code == 416:
                        return
                    self._refuse(response, path)
                    if at and response.status_code != 206:
                        raise FileRefused(f"{path} changed while it was read. Open it again.")
                    etag = response.headers.get("etag", "")
                    for piece in response.iter_bytes(PIECE_BYTES):
                        at += len(piece)
                        waiting = _Patience()
                        yield piece
                    return
            except (*_broken(), _Away) as error:
                waiting.wait(error)

    def __enter__(self) -> "FileSystem":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _put(self, source: Path, path: str) -> None:
        """Send one file, as often as it takes. Raises FileRefused, OSError."""
        waiting = _Patience()
        while True:
            sent = _Sent(source)
            try:
                headers = {"content-length": str(source.stat().st_size)}
                with self._stream("PUT", path, content=sent.pieces(), headers=headers) as response:
                    response.read()
                    self._refuse(response, path)
                    if response.json()["sha256"] == sent.digest.hexdigest():
                        return
                waiting.wait(FileRefused(f"{path} arrived damaged"))
            except (*_broken(), _Away) as error:
                waiting.wait(error)

    def _json(self, method: str, path: str, **options: Any) -> Any:
        return self._patiently(method, path, **options).json()

    def _patiently(self, method: str, path: str, **options: Any) -> "httpx.Response":
        waiting, is_again = _Patience(), False
        while True:
            try:
                with self._stream(method, path, **options) as response:
                    response.read()
                    if not (is_again and method == "DELETE" and response.status_code == 404):  # the first try did it
                        self._refuse(response, path)
                    return response
            except (*_broken(), _Away) as error:
                waiting.wait(error)
                is_again = True

    @contextmanager
    def _stream(self, method: str, path: str, **options: Any) -> "Generator[httpx.Response]":
        self._access.check()
        address = f"/v1/runs/{self._access.run_id}/files" + (f"/{quote(path)}" if path else "")
        with self._connected().stream(method, address, **options) as response:
            yield response

    def _connected(self) -> "httpx.Client":
        if self._client is None:
            import httpx  # noqa: PLC0415 - 10 MB, and few agents read files

            access = self._access
            headers = {"authorization": f"Bearer {access.token}", LIFE_HEADER: access.life}
            self._client = httpx.Client(base_url=access.url, headers=headers, timeout=TIMEOUT_S, trust_env=False)
        return self._client

    def _refuse(self, response: "httpx.Response", path: str) -> None:
        """Raises what an answer means that is no success."""
        if response.is_success:
            return
        if response.status_code in AWAY:
            raise _Away(f"the gateway answered {response.status_code}")
        if response.status_code == 404:
            raise FileNotFoundError(path)
        response.read()
        raise FileRefused(_reason(response))


class AsyncFileStream:
    """The content of a file; an async context manager, or used plainly."""

    def __init__(self, stream: FileStream, access: FileAccess) -> None:
        self._stream, self._access = stream, access

    async def read(self) -> AsyncGenerator[bytes]:
        """The content piece by piece. Raises FileNotFoundError."""
        while (piece := await self._access.aside(self._stream.next_piece)) is not None:
            yield piece

    async def read_all(self) -> bytes:
        """The content at once. Raises FileNotFoundError."""
        return await self._access.aside(self._stream.read_all)

    async def remove(self) -> bool:
        """Close it and remove the file. Raises FileNotFoundError."""
        return await self._access.aside(self._stream.remove)

    async def close(self) -> None:
        """Let go of it. The second time nothing happens."""
        await self._access.aside(self._stream.close)

    async def __aenter__(self) -> "AsyncFileStream":
        await self._access.aside(self._stream.__enter__)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class AsyncFileSystem:
    """The files of a run. Its calls block threads, never the run's loop, and make no tasks that a replay would count.

    The methods are those of `FileSystem`.
    """

    def __init__(self, access: FileAccess) -> None:
        self._access, self._files = access, FileSystem(access)

    async def ls(self, path: str = "in") -> list[FileInfo]:
        """The files below a root or a folder, by path; those in folders too. Raises FileNotFoundError, ValueError."""
        return await self._access.aside(self._files.ls, path)

    def open(self, path: str) -> AsyncFileStream:
        """The content of a file. Raises ValueError; FileNotFoundError when it is read."""
        return AsyncFileStream(self._files.open(path), self._access)

    async def download(self, path: str = "in") -> AsyncGenerator[str]:
        """Lay files down in a temporary folder, as they lie below `path`; yields each one's place there."""
        laid_down = self._files.download(path)
        while (place := await self._access.aside(next, laid_down, None)) is not None:
            yield place

    async def upload(self, path: str | os.PathLike[str]) -> str | None:
        """Put a file, or all files of a folder, into `out/`; answers the id of this batch, None for nothing."""
        return await self._access.aside(self._files.upload, path)

    async def remove(self, path: str) -> bool:
        """Remove a file, or a folder with all in it. Raises FileNotFoundError."""
        return await self._access.aside(self._files.remove, path)

    async def close(self) -> None:
        """Give the connections back."""
        await self._access.aside(self._files.close)

    async def __aenter__(self) -> "AsyncFileSystem":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class _Away(Exception):
    """The gateway, or what it needs, is not there for the moment."""


class _Patience:
    """Waits between tries, longer each time, until it has waited for ten minutes."""

    def __init__(self) -> None:
        self._until, self._pause = time.monotonic() + PATIENCE_S, FIRST_PAUSE_S

    def wait(self, reason: Exception) -> None:
        """Wait a little. Raises FileRefused when it has taken too long."""
        if time.monotonic() > self._until:
            raise FileRefused(f"the files of the run cannot be reached: {reason}") from reason
        time.sleep(self._pause)
        self._pause = min(self._pause * 1.6, LONGEST_PAUSE_S)


class _Sent:
    """A file that is being sent, hashed on the way."""

    def __init__(self, source: Path) -> None:
        self._source, self.digest = source, sha256()

    def pieces(self) -> Iterator[bytes]:
        """The content piece by piece."""
        with self._source.open("rb") as file:
            while piece := file.read(PIECE_BYTES):
                self.digest.update(piece)
                yield piece


def _broken() -> tuple[type[Exception], ...]:
    """What the connection raises when it breaks."""
    import httpx  # noqa: PLC0415 - as above

    return (httpx.TransportError,)


def _reason(response: "httpx.Response") -> str:
    """What the gateway says is wrong."""
    try:
        said: dict[str, Any] = response.json()
        errors = "; ".join(f"{each['field']} {each['message']}" for each in said.get("errors") or ())
        return " ".join(filter(None, (str(said["detail"]), errors)))
    except (ValueError, KeyError, TypeError):
        return f"the gateway answered {response.status_code}"


def _info(item: dict[str, Any]) -> FileInfo:
    return FileInfo(
        path=item["path"], size=item["size_bytes"], last_modified=datetime.fromisoformat(item["changed_at"]).timestamp()
    )
