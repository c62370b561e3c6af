"""What a service's folder asks to have installed."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from activities.failures import DeployFailed

REQUIREMENTS, PROJECT = "requirements.txt", "pyproject.toml"
INCLUDED = re.compile(r"^\s*(?:-r|-c|--requirement|--constraint)[\s=]+([^\s#]+)", re.MULTILINE)
MOST_FILES, MOST_FILE_BYTES = 50, 1 << 20


def asked_for(project: Path) -> list[Path] | None:
    """The file that says what to install, and those it includes; None when there is none. Raises DeployFailed."""
    for name in (REQUIREMENTS, PROJECT):
        path = project / name
        if path.is_file() and (name == REQUIREMENTS or _has_dependencies(path)):
            return list(_with_included(path))
    return None


def _has_dependencies(path: Path) -> bool:
    try:
        document = tomllib.loads(_text(path))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise DeployFailed(f"{path.name} cannot be read: {error}") from error
    try:
        project = document.get("project", {})
        return bool(project.get("dependencies")) or "dependencies" in project.get("dynamic", ())
    except (AttributeError, TypeError) as error:
        raise DeployFailed(f"{path.name} cannot be read: its [project] is none.") from error


def _with_included(path: Path) -> Iterator[Path]:
    waiting, seen = [path], set[Path]()
    while waiting:
        each = waiting.pop(0).resolve()
        if each in seen or not each.is_file():
            continue
        if len(seen) == MOST_FILES:
            raise DeployFailed(f"{path.name} includes more than {MOST_FILES} files.")
        seen.add(each)
        yield each
        if each.suffix != ".toml":
            waiting += [each.parent / found for found in INCLUDED.findall(_text(each))]


def _text(path: Path) -> str:
    if path.stat().st_size > MOST_FILE_BYTES:
        raise DeployFailed(f"{path.name} has more than {MOST_FILE_BYTES >> 20} MiB.")
    return path.read_text(errors="replace")
