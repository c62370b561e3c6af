"""What initdb and the migrations leave: made once for a state of both, copied for whoever needs a database that is new.

A copy costs a fraction of a core-second, making it three. What tests begin with an empty folder makes it itself.
"""

import asyncio
import fcntl
import hashlib
import os
import shutil
import signal
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from stack import home, postgres
from stack.accounts import own
from stack.postgres import OWNER, Cluster
from stack.processes import Command, program_environment, run, spawn
from tests.sdk.places import short_folder
from windlass.core.database import dial
from windlass.core.migrations.schema import upgrade

ROOT = Path(__file__).parents[1]
KEPT = ROOT / ".pytest_cache" / f"databases-{os.geteuid()}"
BLUEPRINT = "blueprint"  # a second database in it, migrated too, to be copied within a server
# Two installations are never called alike: each takes what it finds in a container engine for its own by that name.
RENAME = "update installation set value = to_jsonb(gen_random_uuid()) where key = 'id'"
SOURCES = (ROOT / "stack" / "postgres.py", ROOT / "windlass" / "core" / "migrations", Path(__file__))


async def lay(cluster: Cluster) -> None:
    """Give a cluster that has no data yet a migrated database, of an installation of its own."""
    own(cluster.place, cluster.account, 0o711)
    half = cluster.place / "data.half"
    async with _made(cluster.binaries) as made:
        await _copied(made, half)
    single = [str(cluster.binaries / "postgres"), "--single", "-D", str(half), "postgres"]
    words = ["/bin/sh", "-c", 'echo "$0" | "$@"', RENAME, *single]
    await _must(Command(words, env=program_environment(), cwd=cluster.place, account=cluster.account))
    half.rename(cluster.data)


async def furnish(folder: Path) -> None:
    """Make the home of a stack whose first start finds its database made and migrated, and nobody in it."""
    home.create(folder)
    await lay(postgres.lay_out(folder, postgres.find_binaries()))


@asynccontextmanager
async def _made(binaries: Path) -> AsyncGenerator[Path]:
    """The data to copy, which stays as long as this is held. Two who need it at once make it once."""
    kept = KEPT / _digest(binaries)
    KEPT.mkdir(parents=True, exist_ok=True)
    with KEPT.with_suffix(".lock").open("a") as turn:
        if not kept.exists():
            await asyncio.to_thread(fcntl.flock, turn, fcntl.LOCK_EX)
            if not kept.exists():
                await _make(binaries, kept)
        await asyncio.to_thread(fcntl.flock, turn, fcntl.LOCK_SH)
        if not kept.exists():  # somebody with other sources has made theirs meanwhile
            raise RuntimeError(f"{kept} is gone: the migrations were changed while tests ran. Run them again.")
        yield kept


async def _make(binaries: Path, kept: Path) -> None:
    for older in KEPT.iterdir():
        shutil.rmtree(older)
    with short_folder() as folder:
        cluster = postgres.lay_out(folder, binaries)
        await postgres.prepare(cluster)
        server = await spawn(cluster.command, folder / "log")
        try:
            await postgres.wait_ready(cluster)
            await upgrade(cluster.url)
            await _doubled(cluster)
        finally:
            server.send_signal(signal.SIGINT)
            await server.wait()
        half = kept.with_suffix(".half")
        await _copied(cluster.data, half)
        half.rename(kept)


async def _doubled(cluster: Cluster) -> None:
    connection = await dial(cluster.url.replace("/postgres?", "/template1?"), name="tests", role=OWNER)
    try:
        await connection.execute(f"create database {BLUEPRINT} template postgres")
    finally:
        await connection.close()


async def _copied(source: Path, target: Path) -> None:
    """As it is, with its owner and modes."""
    await _must(Command(["cp", "-a", str(source), str(target)]))


async def _must(command: Command) -> None:
    code, said = await run(command)
    assert code == 0, f"{command.argv}:\n{said[-2000:]}"


def _digest(binaries: Path) -> str:
    """Changes with whatever has a say in it; the month, since partitions of events are made for those to come."""
    made_of = f"{binaries} {(binaries / 'postgres').stat().st_mtime_ns} {datetime.now(UTC):%Y-%m}"
    total = hashlib.sha256(made_of.encode())
    for path in sorted(_sources()):
        total.update(f"{path.name} {path.parent.name}\0".encode() + path.read_bytes())
    return total.hexdigest()[:16]


def _sources() -> Iterator[Path]:
    for source in SOURCES:
        inside = source.rglob("*") if source.is_dir() else (source,)
        yield from (path for path in inside if path.is_file() and path.parent.name != "__pycache__")
