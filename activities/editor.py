"""The text editor of a model: files of a desktop are read and written by commands in it, edited outside."""

import base64
from collections.abc import Mapping
from shlex import quote
from typing import Any

from activities.shell import Shell, cut

MOST_BYTES = 256 * 1024


class BadEdit(Exception):
    """The file cannot be edited so; the text is for the model."""


async def edited(shell: Shell, given: Mapping[str, Any]) -> tuple[str, str]:
    """What a call of the editor came to: the outcome, and what to say. Raises ShellLost, EngineAway."""
    try:
        path = _text(given, "path", 4096)
        match given.get("command"):
            case "view":
                return "done", await _view(shell, path, given)
            case "create":
                return "done", await _write(shell, path, _text(given, "file_text", MOST_BYTES, may_be_empty=True))
            case "str_replace":
                return "done", await _replace(shell, path, given)
            case "insert":
                return "done", await _insert(shell, path, given)
            case other:
                raise BadEdit(f"There is no command {other!r}.")
    except BadEdit as bad:
        return "failed", str(bad)


async def _view(shell: Shell, path: str, given: Mapping[str, Any]) -> str:
    code, listed, _ = await shell.run("list", f"test -d {quote(path)} && ls -la -- {quote(path)}")
    if code == 0:
        return cut(listed)
    lines = (await _read(shell, path)).splitlines()
    first, last = _range(given.get("view_range"), len(lines))
    return cut("\n".join(f"{n:6}\t{line}" for n, line in enumerate(lines[first - 1 : last], first)))


def _range(wanted: Any, count: int) -> tuple[int, int]:
    """The lines from which and to which a view goes; -1 is the last one."""
    match wanted:
        case None:
            return 1, count
        case [int(first), int(last)]:
            return max(1, first), count if last < 0 else last
        case _:
            raise BadEdit("view_range must be two whole numbers, [first, last].")


async def _replace(shell: Shell, path: str, given: Mapping[str, Any]) -> str:
    old, content = _text(given, "old_str", MOST_BYTES), await _read(shell, path)
    new = _text(given, "new_str", MOST_BYTES, may_be_empty=True)
    found = content.count(old)
    if found != 1:
        raise BadEdit(f"old_str is there {found} times in {path}; it must be there once. Nothing was changed.")
    return await _write(shell, path, content.replace(old, new))


async def _insert(shell: Shell, path: str, given: Mapping[str, Any]) -> str:
    lines = (await _read(shell, path)).splitlines(keepends=True)
    at = given.get("insert_line")
    if not isinstance(at, int) or not 0 <= at <= len(lines):
        raise BadEdit(f"insert_line must be from 0 to {len(lines)}. Nothing was changed.")
    new = _text(given, "insert_text" if "insert_text" in given else "new_str", MOST_BYTES)
    return await _write(shell, path, "".join([*lines[:at], new if new.endswith("\n") else new + "\n", *lines[at:]]))


async def _read(shell: Shell, path: str) -> str:
    command = f"test $(stat -Lc %s -- {quote(path)}) -le {MOST_BYTES} && base64 -w 0 -- {quote(path)}"
    code, content, problem = await shell.run("read", command)
    if code != 0:
        raise BadEdit(problem.strip() or f"{path} has more than {MOST_BYTES} bytes.")
    return base64.b64decode(content).decode(errors="replace")


async def _write(shell: Shell, path: str, content: str) -> str:
    packed = base64.b64encode(content.encode()).decode()
    command = f"mkdir -p -- \"$(dirname -- {quote(path)})\" && base64 -d > {quote(path)} <<'END'\n{packed}\nEND\n"
    code, _, problem = await shell.run("write", command)
    if code != 0:
        raise BadEdit(problem.strip() or f"{path} could not be written.")
    return f"{path} was written."


def _text(given: Mapping[str, Any], name: str, most: int, *, may_be_empty: bool = False) -> str:
    value = given.get(name, "" if may_be_empty else None)
    if not isinstance(value, str) or len(value) > most or not (value or may_be_empty):
        raise BadEdit(f"{name} must be a text of at most {most} characters.")
    return value
