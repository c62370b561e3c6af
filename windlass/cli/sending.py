"""Sending files to be taken by a run: with a bar, a way to go on, and what is wrong with them in a sentence."""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from windlass.cli.codes import REFUSED
from windlass.cli.screen import errors
from windlass.client import Client
from windlass.client.errors import ApiError, Unreachable
from windlass.client.files import Moved, Told, Upload


def send(client: Client, paths: Sequence[Path], resume: str | None = None) -> Upload:
    """Send files and folders, or go on with an upload of the same ones; ends the command where they cannot be sent."""
    with _goes_on() as began, shown("Sending") as told, refusing():
        return client.files.upload(paths, resume=resume, told=told, began=began)


@contextmanager
def refusing() -> Generator[None]:
    """Say what is wrong with a file of this machine and end the command."""
    try:
        yield
    except (OSError, ValueError) as error:
        errors.print(str(error), markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(REFUSED) from None


@contextmanager
def shown(verb: str) -> Generator[Told]:
    """A bar for people at a terminal; nothing for programs."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as progress:
        task = progress.add_task(verb, total=None)

        def told(moved: Moved) -> None:
            progress.update(task, completed=moved.bytes_done, total=moved.bytes_total)

        yield told


@contextmanager
def _goes_on() -> Generator[Callable[[Upload], None]]:
    """Where an upload breaks off, say how it goes on."""
    begun: list[Upload] = []
    try:
        yield begun.append
    except (ApiError, Unreachable, KeyboardInterrupt):
        for upload in begun:
            said = f"What was sent is kept: windlass file upload … --resume {upload.upload_id} goes on with it."
            errors.print(said, markup=False, highlight=False, soft_wrap=True)
        raise
