"""Where the demonstration of desktops keeps its pictures: the store that is set, else an S3 server of its own."""

import asyncio
import secrets
import shutil
import subprocess
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from stack import store
from stack.errors import StackError
from stack.golang import NotBuilt
from stack.ports import free_port
from windlass.core.mortality import dying_with_us
from windlass.core.settings import Settings
from windlass.core.storage.bucket import Bucket, Patience
from windlass.core.storage.places import Place, place_of
from windlass.core.storage.urls import described, folder_of

PREFIX = "demo"
ANSWER_S = 20.0


@dataclass(frozen=True, slots=True)
class Pictures:
    """Where they are, in words; what the stack is told of it; and which of them are there."""

    where: str
    place: Place | None  # None: a folder of the stack's own
    variables: Mapping[str, str] = field(default_factory=dict[str, str])
    folder: Path | None = None  # what of it outlives the demonstration

    def of(self, desktop_id: str) -> int | None:
        """How many of a desktop the bucket itself lists; None where there is no bucket."""
        return None if self.place is None else asyncio.run(_listed(self.place, desktop_id))


@contextmanager
def kept(settings: Settings, folder: Path, console: Console) -> Generator[Pictures]:
    """Say where the pictures go, and hold that open; an S3 server of its own keeps what it has in `folder`."""
    if settings.storage:
        place = place_of(settings) if folder_of(settings) is None else None
        yield _said(console, Pictures(described(settings), place))
        return
    try:
        server = _made(folder, console)
    except NotBuilt as reason:
        console.print(f"   [yellow]No S3 server of its own:[/] {reason}", soft_wrap=True)
        yield _said(console, Pictures("a folder of its home, which is removed with it", None))
        return
    with _running(server):
        place = Place(store.BUCKET, f"{PREFIX}/", server.endpoint, None, store.REGION, None, *_keys(server))
        asyncio.run(_ensured(place))
        where = f"s3://{store.BUCKET}/{PREFIX} of an S3 server of its own, at {server.endpoint}"
        yield _said(console, Pictures(where, place, server.variables(PREFIX), server.root))


def _said(console: Console, pictures: Pictures) -> Pictures:
    console.print(f"[bold]0[/]  Pictures go to {pictures.where}.\n", soft_wrap=True)
    return pictures


def _made(folder: Path, console: Console) -> store.Server:
    console.print("[dim]   An S3 server for the pictures; the first time it is built from Go's modules, a minute …[/]")
    program = store.built()
    shutil.rmtree(folder, ignore_errors=True)  # of the demonstration before
    return store.Server(program, folder, free_port(), "windlass", secrets.token_urlsafe(24))


def _keys(server: store.Server) -> tuple[str, str]:
    return server.access_key, server.secret_key


@contextmanager
def _running(server: store.Server) -> Generator[None]:
    """The server, until the block ends or we do. Raises StackError when it does not answer."""
    command = server.command
    log = server.folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own program
            command.argv,
            env=command.env,
            stdout=output,
            stderr=output,
            preexec_fn=dying_with_us(),  # noqa: PLW1509 - no thread of ours runs yet
        )
    try:
        deadline = time.monotonic() + ANSWER_S
        while not server.answers():
            if process.poll() is not None or time.monotonic() > deadline:
                raise StackError(f"The S3 server did not start:\n{log.read_text()}")
            time.sleep(0.02)
        yield
    finally:
        process.kill()
        process.wait()


async def _ensured(place: Place) -> None:
    bucket = Bucket(place, Patience())
    await bucket.ensure()
    bucket.close()


async def _listed(place: Place, desktop_id: str) -> int:
    bucket = Bucket(place, Patience())
    try:
        found = await bucket.under("list_objects_v2", "Contents", place.prefix)
    finally:
        bucket.close()
    return sum(f"/desktops/{desktop_id}/" in each["Key"] for each in found)
