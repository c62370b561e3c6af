"""Files given to a run on the command line: they are sent, and their upload stands in the field in their place."""

from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import typer

from windlass.cli.sending import send
from windlass.client import Client
from windlass.client.errors import ApiError

LONGEST_NAME = 4096  # no path of a file is longer
WAYS = "Give a file of this machine, the id that `windlass file upload` prints, or an address on the web."


def with_uploads(client: Client, agent: str, pairs: Sequence[str]) -> list[str]:
    """The pairs of a run, those for fields for files with the upload of what they name; the rest as they are.

    The form is asked for only where something may name a file, once.
    """
    split = [pair.partition("=") for pair in pairs]
    if not any(_may_name_file(text) for name, _, text in split if not name.endswith(":")):
        return list(pairs)
    fields, given = _file_fields(client, agent), dict[str, list[str]]()
    for name, _, text in split:
        if name in fields:
            given.setdefault(name, []).append(text)
    uploads = {name: _upload(client, name, texts) for name, texts in given.items() if not _stands(texts)}
    rest = [pair for pair, (name, *_) in zip(pairs, split, strict=True) if name not in uploads]
    return [*rest, *(f"{name}={upload}" for name, upload in uploads.items())]


def _may_name_file(text: str) -> bool:
    if not text or "\n" in text or len(text) > LONGEST_NAME:
        return False
    return text.startswith("@") or bool(Path(text).suffix) or _is_there(text)


def _is_there(text: str) -> bool:
    try:
        return Path(text).exists()
    except OSError:  # a part of it is longer than a name can be: that is a sentence
        return False


def _file_fields(client: Client, agent: str) -> set[str]:
    """The fields of an agent that take files; none where its form may not be seen: who starts it may know no more."""
    try:
        elements = client.agents.get(agent).elements
    except ApiError as refused:
        if refused.status != 403:
            raise
        return set()
    return {str(each.get("name")) for each in elements if each.get("type") == "file"}


def _stands(texts: Sequence[str]) -> bool:
    """Whether a field holds what it takes already: nothing, an upload, or an address on the web."""
    return len(texts) == 1 and (not texts[0] or "://" in texts[0] or _is_id(texts[0]))


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _upload(client: Client, name: str, texts: Sequence[str]) -> str:
    paths = [text.removeprefix("@") for text in texts]
    missing = [each for each in paths if not each or not _is_there(each)]
    if missing:
        raise typer.BadParameter(f"{name}: there is no file {missing[0]!r} here. The run was not started. {WAYS}")
    return send(client, [Path(each) for each in paths]).upload_id
