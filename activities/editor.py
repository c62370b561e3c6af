"""The text editor of a model: files are read and written where they are, edited here."""

import base64
from collections.abc import Mapping
from shlex import quote
from typing import Any, Protocol

from activities.shell import Shell, cut

MOST_BYTES = 256 * 1024
MOST_PATH = 4096


class BadEdit(Exception):
    """The file cannot be edited so; the text is for the model."""


class Files(Protocol):
    """Where files are edited: a desktop, the workspace of a session."""

    async def listing(self, path: str) -> str | None:
        """What is in a folder; None: it is none."""
        ...

    async def read(self, path: str) -> str:
        """A file as text. Raises BadEdit."""
        ...

    async def write(self, path: str, content: str) -> None:
        """Put a file where it belongs, with its folders. Raises BadEdit."""
        ...


class ShellFiles:
    """The files of a desktop, by commands in it."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    async def listing(self, path: str) -> str | None:
        """What is in a folder; None: it is none. Raises ShellLost, EngineAway."""
        code, listed, _ = await self._shell.run("list", f"test -d {quote(path)} && ls -la -- {quote(path)}")
        return listed if code == 0 else None

    async def read(self, path: str) -> str:
        """A file as text. Raises BadEdit, ShellLost, EngineAway."""
        command = f"test $(stat -Lc %s -- {quote(path)}) -le {MOST_BYTES} && base64 -w 0 -- {quote(path)}"
        code, content, problem = await self._shell.run("read", command)
        if code != 0:
            raise BadEdit(problem.strip() or f"{path} has more than {MOST_BYTES} bytes.")
        return base64.b64decode(content).decode(errors="replace")

    async def write(self, path: str, content: str) -> None:
        """Put a file where it belongs, with its folders. Raises BadEdit, ShellLost, EngineAway."""
        packed = base64.b64encode(content.encode()).decode()
        command = f"mkdir -p -- \"$(dirname -- {quote(path)})\" && base64 -d > {quote(path)} <<'END'\n{packed}\nEND\n"
        code, _, problem = await self._shell.run("write", command)
        if code != 0:
            raise BadEdit(problem.strip() or f"{path} could not be written.")


async def edited(files: Files, given: Mapping[str, Any]) -> tuple[str, str]:
    """What a call of the editor came to: the outcome, and what to say. Raises what the files raise when they go."""
    try:
        path = text_of(given, "path", MOST_PATH)
        match given.get("command"):
            case "view":
                return "done", await view(files, path, given)
            case "create":
                return "done", await create(files, path, text_of(given, "file_text", MOST_BYTES, may_be_empty=True))
            case "str_replace":
                return "done", await replace(files, path, given)
            case "insert":
                return "done", await _insert(files, path, given)
            case other:
                raise BadEdit(f"There is no command {other!r}.")
    except BadEdit as bad:
        return "failed", str(bad)


async def view(files: Files, path: str, given: Mapping[str, Any]) -> str:
    """A folder's listing, or a file's lines with their numbers, all or those of `view_range`. Raises BadEdit."""
    listed = await files.listing(path)
    if listed is not None:
        return cut(listed)
    lines = (await files.read(path)).splitlines()
    first, last = _range(given.get("view_range"), len(lines))
    return cut("\n".join(f"{n:6}\t{line}" for n, line in enumerate(lines[first - 1 : last], first)))


async def replace(files: Files, path: str, given: Mapping[str, Any]) -> str:
    """Put `new_str` in the place of the one `old_str` there is. Raises BadEdit."""
    old, content = text_of(given, "old_str", MOST_BYTES), await files.read(path)
    new = text_of(given, "new_str", MOST_BYTES, may_be_empty=True)
    found = content.count(old)
    if found != 1:
        raise BadEdit(f"old_str is there {found} times in {path}; it must be there once. Nothing was changed.")
    return await create(files, path, content.replace(old, new))


async def create(files: Files, path: str, content: str) -> str:
    """Write a file whole. Raises BadEdit."""
    await files.write(path, content)
    return f"{path} was written."


async def _insert(files: Files, path: str, given: Mapping[str, Any]) -> str:
    lines = (await files.read(path)).splitlines(keepends=True)
    at = given.get("insert_line")
    if not isinstance(at, int) or not 0 <= at <= len(lines):
        raise BadEdit(f"insert_line must be from 0 to {len(lines)}. Nothing was changed.")
    new = text_of(given, "insert_text" if "insert_text" in given else "new_str", MOST_BYTES)
    return await create(files, path, "".join([*lines[:at], new if new.endswith("\n") else new + "\n", *lines[at:]]))


def _range(wanted: Any, count: int) -> tuple[int, int]:
    """The lines from which and to which a view goes; -1 is the last one."""
    match wanted:
        case None:
            return 1, count
        case [int(first), int(last)]:
            return max(1, first), count if last < 0 else last
        case _:
            raise BadEdit("view_range must be two whole numbers, [first, last].")


def text_of(given: Mapping[str, Any], name: str, most: int, *, may_be_empty: bool = False) -> str:
    """A text that a model gives, within its bounds. Raises BadEdit."""
    value = given.get(name, "" if may_be_empty else None)
    if not isinstance(value, str) or len(value) > most or not (value or may_be_empty):
        raise BadEdit(f"{name} must be a text of at most {most} characters.")
    return value
