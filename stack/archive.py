"""Backup and restore of a home: one archive, checked file by file before anything is put back."""

import asyncio
import hashlib
import json
import os
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from signal import SIGINT
from typing import Any

from stack import home, postgres
from stack.errors import StackError
from stack.postgres import OWNER, Cluster
from stack.processes import Command, program_environment, run, spawn
from stack.readiness import answers, selects_one
from stack.up import say
from windlass.core.database import dial
from windlass.core.errors import WindlassError
from windlass.core.settings import Settings
from windlass.core.storage import INCOMING, PIECE_BYTES, Objects
from windlass.core.storage.urls import folder_of, open_objects

MANIFEST = "manifest.json"
COUNTED = ("tenant", "person", "run", "step", "stream", "event", "audit")
PAGES = 500  # SQLite pages a turn: the server writes on in between
DUMP_TIMEOUT_S = 3600.0


class ArchiveError(StackError):
    """A backup could not be made or put back; nothing that was there is lost."""


async def backup(settings: Settings, target: Path) -> int:
    """Save database, Temporal's file, objects and secret into one archive, while everything goes on."""
    _require_new(target)
    cluster = _cluster(settings)
    if not cluster.data.exists():
        raise ArchiveError(f"There is nothing to save in {settings.home}.")
    with tempfile.TemporaryDirectory(dir=settings.home, prefix="backup-") as folder:
        saved = Path(folder)
        async with _answering(cluster, settings.home):
            counts = await _dump(cluster, saved)
        # After the dump, so that whatever it mentions is there: only what nothing names goes, and not at once.
        await asyncio.to_thread(_copy_sqlite, settings.home / "temporal.db", saved / "temporal.db")
        _copy_objects(folder_of(settings), saved / "objects")
        shutil.copy(settings.home / "secret.key", saved / "secret.key")
        bucket = settings.storage_url if folder_of(settings) is None else None
        _write_manifest(saved, counts, bucket)
        _pack(saved, target)
    say(
        f"Saved {counts['run']} runs and {counts['event']} events into {target}. It holds the secret key: keep it safe."
    )
    if bucket is not None:
        say(f"The files in {bucket} are not part of it. Copy them now: aws s3 sync {bucket} s3://ANOTHER-BUCKET")
    return 0


async def restore(settings: Settings, source: Path) -> int:
    """Put a backup into a stopped home; what was there is moved aside. Open runs start again from their steps."""
    cluster = _cluster(settings)
    with home.lock(settings.home), tempfile.TemporaryDirectory(dir=settings.home, prefix="restore-") as folder:
        await home.end_leftovers(settings.home)
        saved = Path(folder)
        manifest = _unpack(source, saved)
        _require_files(settings, manifest, source)
        aside = _move_aside(settings, cluster)
        await postgres.prepare(cluster)
        async with _serving(cluster, settings.home):
            await _load(cluster, saved, manifest["counts"])
        await _put_back(settings, saved)
    say(f"Restored {source}, made {manifest['created_at']}.{f' What was there is in {aside}.' if aside else ''}")
    return 0


def _require_new(target: Path) -> None:
    if target.exists() or not target.absolute().parent.is_dir():
        raise ArchiveError(f"{target} exists, or its folder does not. Nothing was written.")


def _cluster(settings: Settings) -> Cluster:
    if settings.database_url is not None:
        raise ArchiveError("WINDLASS_DATABASE_URL is set: back that database up with the means of who runs it.")
    configured = settings.postgres_bin
    home.create(settings.home)
    return postgres.lay_out(settings.home, postgres.find_binaries(str(configured) if configured else None))


@asynccontextmanager
async def _answering(cluster: Cluster, folder: Path) -> AsyncGenerator[None]:
    """The server of a running stack, or one of our own for as long as it takes."""
    if await answers(lambda: selects_one(cluster.sockets, OWNER)):
        yield
    else:
        with home.lock(folder):
            await postgres.prepare(cluster)
            async with _serving(cluster, folder):
                yield


@asynccontextmanager
async def _serving(cluster: Cluster, folder: Path) -> AsyncGenerator[None]:
    process = await spawn(cluster.command, folder / "logs" / "postgres.log")
    try:
        await postgres.wait_ready(cluster)
        yield
    finally:
        process.send_signal(SIGINT)
        await process.wait()


async def _dump(cluster: Cluster, folder: Path) -> dict[str, int]:
    """Dump roles and data, and count the rows of the very same snapshot."""
    await _pg(cluster, "pg_dumpall", "--roles-only", "--file", str(folder / "roles.sql"))
    connection = await dial(cluster.url, name="backup", role=OWNER, timeout_s=DUMP_TIMEOUT_S)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            snapshot = await connection.fetchval("select pg_export_snapshot()")
            counts = await _counts(connection)
            dump = ("--format=custom", f"--snapshot={snapshot}", "--file", str(folder / "database.dump"), "postgres")
            await _pg(cluster, "pg_dump", *dump)
            return counts
    finally:
        await connection.close()


async def _load(cluster: Cluster, folder: Path, counts: dict[str, int]) -> None:
    await _pg(cluster, "psql", "--quiet", "--file", str(folder / "roles.sql"), "postgres")  # the owner is there already
    dump = str(folder / "database.dump")
    await _pg(cluster, "pg_restore", "--exit-on-error", "--single-transaction", "--dbname=postgres", dump)
    connection = await dial(cluster.url, name="restore", role=OWNER, timeout_s=DUMP_TIMEOUT_S)
    try:
        if (found := await _counts(connection)) != counts:
            raise ArchiveError(f"The restored database differs from the backup: {found} instead of {counts}.")
    finally:
        await connection.close()


async def _counts(connection: Any) -> dict[str, int]:
    return {name: await connection.fetchval(f"select count(*) from {name}") for name in COUNTED}  # noqa: S608 - constants


async def _pg(cluster: Cluster, program: str, *arguments: str) -> None:
    """Run one of PostgreSQL's programs as ourselves: the server knows us by our user."""
    connecting = ("--host", str(cluster.sockets), "--username", OWNER)
    words = (str(cluster.binaries / program), *connecting, *arguments)
    code, output = await run(Command(words, env=program_environment(), cwd=Path("/")))
    if code != 0:
        raise ArchiveError(f"{program} failed:\n{output.strip()[-2000:]}")


def _copy_sqlite(source: Path, target: Path) -> None:
    if source.exists():
        with sqlite3.connect(source, timeout=60) as live, sqlite3.connect(target) as copy:
            live.backup(copy, pages=PAGES, sleep=0.005)


def _copy_objects(source: Path | None, target: Path) -> None:
    """Link every whole object of a folder, or copy it where that is another disk; a bucket is not copied."""
    target.mkdir()
    if source is None:
        return
    for path in source.rglob("*"):
        copy = target / path.relative_to(source)
        if path.is_file() and path.relative_to(source).parts[0] != INCOMING:
            copy.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):  # what nothing names any more may go meanwhile
                _link(path, copy)


def _link(path: Path, copy: Path) -> None:
    try:
        os.link(path, copy)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copy(path, copy)


def _write_manifest(folder: Path, counts: dict[str, int], bucket: str | None) -> None:
    files = {str(path.relative_to(folder)): _digest(path) for path in _files(folder)}
    made = datetime.now(UTC).isoformat(timespec="seconds")
    document = {"created_at": made, "counts": counts, "bucket": bucket, "files": files}
    (folder / MANIFEST).write_text(json.dumps(document, indent=1))


def _require_files(settings: Settings, manifest: dict[str, Any], source: Path) -> None:
    """A backup without the files needs the bucket they are in, or a copy of it. Raises ArchiveError."""
    bucket: str | None = manifest.get("bucket")
    if bucket is not None and folder_of(settings) is not None:
        raise ArchiveError(
            f"The files of {source} are in {bucket} and not part of it. Nothing was changed. "
            "Set WINDLASS_STORAGE_URL to that bucket, or to a copy of it, and restore again."
        )


def _pack(folder: Path, target: Path) -> None:
    half = target.with_name(f"{target.name}.half")
    half.unlink(missing_ok=True)
    with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        with tarfile.open(fileobj=file, mode="w:gz", compresslevel=3) as archive:
            for name in sorted(path.name for path in folder.iterdir()):
                archive.add(folder / name, name)
        os.fsync(file.fileno())
    half.rename(target)


def _unpack(source: Path, folder: Path) -> dict[str, Any]:
    """Unpack an archive and check every file against its digest."""
    try:
        with tarfile.open(source) as archive:
            for member in archive:
                _extract(archive, member, folder)
        manifest = json.loads((folder / MANIFEST).read_text())
        damaged = [name for name, digest in manifest["files"].items() if _digest(folder / name) != digest]
    except (OSError, tarfile.TarError, ValueError, KeyError) as error:
        raise ArchiveError(f"{source} is no backup of ours: {error}. Nothing was changed.") from error
    if damaged:
        raise ArchiveError(f"{source} is damaged: {', '.join(damaged[:5])}. Nothing was changed.")
    return manifest


def _extract(archive: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    """Write one plain file or folder, and nothing outside of `folder`. Raises ValueError for anything else."""
    path = (folder / member.name).resolve()
    if not path.is_relative_to(folder.resolve()) or not (member.isfile() or member.isdir()):
        raise ValueError(f"{member.name} does not belong there")
    if member.isdir():
        path.mkdir(exist_ok=True)
    elif (packed := archive.extractfile(member)) is not None:
        with packed, path.open("wb") as file:
            shutil.copyfileobj(packed, file)


def _move_aside(settings: Settings, cluster: Cluster) -> Path | None:
    """Move what is there into a folder of its own; answers it, or None when the home was empty."""
    temporal = sorted(settings.home.glob("temporal.db*"))
    if not (cluster.data.exists() or temporal):
        shutil.rmtree(settings.home / "objects")  # empty: the home was made just now
        return None
    aside = settings.home / f"before-restore-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    aside.mkdir(mode=0o700)
    if cluster.data.exists():
        cluster.data.rename(cluster.place / aside.name)  # it may be elsewhere, and belongs to somebody else
    for path in [*temporal, settings.home / "objects", settings.home / "secret.key"]:
        if path.exists():
            shutil.move(path, aside / path.name)
    return aside


async def _put_back(settings: Settings, saved: Path) -> None:
    """Put files in their places.

    Temporal's file is only kept for reading: it is newer than the dump, so it would hold ended workflows of runs that
    are open again. With a new one every open run starts again from its steps.
    """
    (saved / "secret.key").chmod(0o600)
    (saved / "secret.key").rename(settings.home / "secret.key")
    if folder_of(settings) == settings.home / "objects":
        (saved / "objects").chmod(0o700)
        shutil.move(saved / "objects", settings.home / "objects")
    else:
        await _store_again(open_objects(settings), saved / "objects")
    if (saved / "temporal.db").exists():
        (saved / "temporal.db").rename(settings.home / "temporal-of-the-backup.sqlite")


async def _store_again(objects: Objects, folder: Path) -> None:
    """Put saved files into the store of the settings; what is there already stays."""
    try:
        for path in await asyncio.to_thread(_files, folder):
            await objects.keep(str(path.parent.relative_to(folder)), _chunks(path))
    except WindlassError as error:
        raise ArchiveError(f"The database is restored, its files are not all: {error} Restore again.") from error
    finally:
        await objects.close()


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


async def _chunks(path: Path) -> AsyncGenerator[bytes]:
    with path.open("rb") as file:
        while chunk := await asyncio.to_thread(file.read, PIECE_BYTES):
            yield chunk


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
