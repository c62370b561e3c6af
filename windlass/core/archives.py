"""Archives that others send: zip and tar.gz, examined and unpacked within limits, and nothing outside their folder.

No header is believed: what is counted is what comes out.
"""

import stat
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Protocol, Self

from windlass.core.errors import FieldError, Invalid

LARGEST_BYTES = 64 << 20
MOST_ENTRIES = 10_000
MOST_BYTES = 512 << 20  # unpacked, all together
MOST_DEPTH = 32
NAME_BYTES, PATH_BYTES = 255, 1024
HEADER_BYTES, ALL_HEADERS_BYTES = 1536, 2 << 20  # of one long name, which is read in quadratic time, and of all
DIRECTORY_BYTES = 8 << 20  # of a zip's list of what is in it, which is read at once
PIECE_BYTES = 1 << 20
END, END_64, END_BYTES = b"PK\x05\x06", b"PK\x06\x07", 22
LONG_HEADERS = (
    tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK,
)  # fmt: skip
PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others are unpacked without a limit of what comes out at once
BROKEN = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError,
    ValueError, IndexError,
)  # fmt: skip


class ArchiveRefused(Invalid):
    """The archive cannot be taken."""


class Readable(Protocol):
    """What an entry is read from."""

    def read(self, size: int, /) -> bytes:
        """The next bytes."""
        ...

    def close(self) -> None:
        """Let go."""
        ...


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing in an archive: where it goes, and its bytes; None: a folder."""

    path: PurePosixPath
    content: Callable[[], Readable] | None
    is_executable: bool = False


class _Header(tarfile.TarInfo):
    """A header of a tar; those that only announce long names may not announce gigabytes of them, nor maps of holes."""

    announced = 0

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        info = super().frombuf(buf, encoding, errors)
        if info.type == tarfile.GNUTYPE_SPARSE:
            raise refused("holds a sparse file")
        if info.type in LONG_HEADERS:
            cls.announced += info.size
        if (
            info.size < 0
            or (info.type in LONG_HEADERS and info.size > HEADER_BYTES)
            or cls.announced > ALL_HEADERS_BYTES
        ):
            raise refused("holds a header that is too large")
        return info

    def _proc_gnusparse_00(self, *_header: object) -> None:
        raise refused("holds a sparse file")

    _proc_gnusparse_01 = _proc_gnusparse_10 = _proc_gnusparse_00


def examine(archive: Path) -> frozenset[PurePosixPath]:
    """The files in it, once all of it could be unpacked. Raises ArchiveRefused."""
    return _go_through(archive, None)


def unpack(archive: Path, folder: Path) -> int:
    """Unpack it into an empty folder, and answer how many files there are. Raises ArchiveRefused."""
    return len(_go_through(archive, folder))


def _go_through(archive: Path, folder: Path | None) -> frozenset[PurePosixPath]:
    places, total = _Places(), 0
    try:
        with _opened(archive) as found:
            for entry in found:
                places.take(entry)
                target = None if folder is None else folder.joinpath(*entry.path.parts)
                if entry.content is None:
                    if target is not None:
                        target.mkdir(parents=True, exist_ok=True)
                    continue
                with closing(entry.content()) as content:
                    total += _take(entry, content, target, MOST_BYTES - total)
    except BROKEN as error:
        raise refused(f"is broken, or of another kind than zip and tar.gz: {str(error)[:200]}") from error
    if not places.files:
        raise refused("holds no file")
    return frozenset(places.files)


class _Places:
    """What an archive has filled so far: no place twice, and none as a file and as a folder."""

    def __init__(self) -> None:
        self.files, self._folders, self._entries = set[PurePosixPath](), set[PurePosixPath](), 0

    def take(self, entry: Entry) -> None:
        """Fill one more. Raises ArchiveRefused."""
        self._entries += 1
        if self._entries > MOST_ENTRIES:
            raise refused(f"holds more than {MOST_ENTRIES} entries")
        name, is_file = str(entry.path), entry.content is not None
        if is_file and entry.path in self.files:
            raise refused(f"holds {name!r} twice")
        self._folders |= {*entry.path.parents} if is_file else {entry.path, *entry.path.parents}
        self.files |= {entry.path} if is_file else set()
        if any(each in self.files for each in entry.path.parents) or (
            entry.path in self.files and entry.path in self._folders
        ):
            raise refused(f"holds {name!r} as a file and as a folder")


def _take(entry: Entry, content: Readable, target: Path | None, room: int) -> int:
    """Write one file, or only count it. Raises ArchiveRefused when there is no room."""
    size = 0
    output: BinaryIO | None = None
    try:
        if target is not None:
            target.parent.mkdir(parents=True, exist_ok=True)
            output = target.open("xb")
        while piece := content.read(PIECE_BYTES):
            size += len(piece)
            if size > room:
                raise refused(f"becomes more than {MOST_BYTES >> 20} MiB when it is unpacked")
            if output is not None:
                output.write(piece)
    finally:
        if output is not None:
            output.close()
    if target is not None:
        target.chmod(0o755 if entry.is_executable else 0o644)
    return size


@contextmanager
def _opened(archive: Path) -> Generator[Iterator[Entry]]:
    with archive.open("rb") as file:
        magic = file.read(4)
    if magic.startswith(b"PK"):
        _check_directory(archive)
        with zipfile.ZipFile(archive) as zipped:
            yield _zipped(zipped)
    else:

        class Header(_Header):
            """Those of this archive."""

        with tarfile.open(archive, "r:gz", tarinfo=Header) as tarred:
            yield _tarred(tarred)


def _zipped(archive: zipfile.ZipFile) -> Iterator[Entry]:
    for info in archive.infolist():
        mode = info.external_attr >> 16
        if info.flag_bits & 1:
            raise refused(f"holds {info.filename!r}, which is encrypted")
        if info.compress_type not in PACKED:
            raise refused(f"holds {info.filename!r}, packed in another way than deflate")
        if mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise refused(f"holds {info.filename!r}, which is a link or no file")
        path = _checked(info.orig_filename)
        yield Entry(path, None) if info.is_dir() else Entry(path, partial(archive.open, info), bool(mode & 0o100))


def _tarred(archive: tarfile.TarFile) -> Iterator[Entry]:
    kept: Any = archive
    for info in archive:
        if not (info.isdir() or info.type in (tarfile.REGTYPE, tarfile.AREGTYPE)):
            raise refused(f"holds {info.name!r}, which is a link or no file")
        if info.isdir() and info.name.strip("/") in ("", "."):
            continue
        path = _checked(info.name)
        content = None if info.isdir() else partial(_extracted, archive, info)
        yield Entry(path, content, bool(info.mode & 0o100))
        kept.members.clear()  # else each header is kept, and what is said of all is copied into each
        kept.pax_headers = {}


def _extracted(archive: tarfile.TarFile, info: tarfile.TarInfo) -> Readable:
    file = archive.extractfile(info)
    if file is None:
        raise refused(f"holds {info.name!r}, which is no file")
    return file


def _checked(name: str) -> PurePosixPath:
    """The place that a name in an archive means, inside its folder. Raises ArchiveRefused."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or "\\" in name or ".." in parts or not parts:
        raise refused(f"holds {name!r}, which leads out of it")
    if any(unicodedata.category(each) in ("Cc", "Cf", "Cs") for each in name):
        raise refused(f"holds {name!r}, a name with characters that cannot be seen")
    sizes = [len(part.encode()) for part in parts]
    if max(sizes) > NAME_BYTES or sum(sizes) + len(sizes) > PATH_BYTES or len(parts) > MOST_DEPTH:
        raise refused(f"holds {name[:100]!r}\u2026, a name that is too long or too deep")
    return PurePosixPath(*parts)


def _check_directory(archive: Path) -> None:
    """Refuse a zip whose list is too long before anybody reads it."""
    with archive.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(size - 65_536 - END_BYTES, 0))
        tail = file.read()
    at = tail.rfind(END)
    if at < 0 or len(tail) - at < END_BYTES:
        raise refused("is broken: it has no end")
    if END_64 in tail or int.from_bytes(tail[at + 12 : at + 16], "little") > DIRECTORY_BYTES:
        raise refused(f"holds more than {MOST_ENTRIES} entries")


def refused(why: str) -> ArchiveRefused:
    """Say what is wrong with an archive."""
    return ArchiveRefused("The archive was not taken.", (FieldError("archive", why),))
