"""The base environment hosts run in: the SDK wheel, what it needs, and nothing of the platform.

It lies beside the platform's packages when that folder is ours to write, else in the home; it is made at install time
(`python -m stack.environment`) and brought up to date at every start, which costs a hash of the sources.

What stands at its place is a link. A new environment is built aside and the link is moved in one step, so that there is
no moment without a `windlass` command; hosts keep the environment they were started from.
"""

import asyncio
import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from stack.errors import StackError
from stack.processes import Command, run

ROOT = Path(__file__).parent.parent
LOCK = ROOT / "stack" / "locks" / "sdk.txt"
INTERPRETER = Path(sys.executable).resolve()
NOT_IN_THE_WHEEL = ROOT / "windlass" / "core"
KEPT = 3
WHEEL = "wheel"


class EnvironmentFailed(StackError):
    """The base environment could not be made; the message holds what the tool said."""


def place(home: Path | None = None) -> Path:
    """The folder of the base environment."""
    beside = Path(sys.prefix) / "base-env"
    if home is None or (beside / "sources.sha256").exists() or os.access(sys.prefix, os.W_OK):
        return beside
    return home / "base-env"


def python(folder: Path) -> Path:
    """Its interpreter."""
    return folder / "bin" / "python"


async def ensure(folder: Path) -> None:
    """Make or refresh the environment. The second time nothing happens; two at once take turns."""
    wanted = {"requirements.sha256": _digest([LOCK, INTERPRETER]), "sources.sha256": _sources()}
    if _is_stamped(folder, wanted):
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{folder.name}.lock").open("a") as turn:
        await asyncio.to_thread(fcntl.flock, turn, fcntl.LOCK_EX)
        if not _is_stamped(folder, wanted):
            fresh = _aside(folder)
            await _build(fresh, folder, wanted)
            _put_in_place(fresh, folder)
            _forget_old(folder)


def _aside(folder: Path) -> Path:
    """A new folder beside it, for everybody to read."""
    fresh = Path(tempfile.mkdtemp(prefix=f"{folder.name}-", dir=folder.parent))
    fresh.chmod(0o755)
    return fresh


async def _build(fresh: Path, before: Path, wanted: dict[str, str]) -> None:
    """A whole environment; when only the SDK has changed, the rest is taken over."""
    if _is_stamped(before, {"requirements.sha256": wanted["requirements.sha256"]}):
        await asyncio.to_thread(_take_over, before, fresh)
    else:
        await _install_requirements(fresh)
    await _install_sdk(fresh)
    for name, digest in wanted.items():
        (fresh / name).write_text(digest)


def _take_over(before: Path, fresh: Path) -> None:
    """Link every file of an environment into another one."""
    stamps = shutil.ignore_patterns("*.sha256", ".lock", WHEEL)
    shutil.copytree(before, fresh, symlinks=True, copy_function=_link, dirs_exist_ok=True, ignore=stamps)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without links
        shutil.copy2(source, target)


def _put_in_place(fresh: Path, folder: Path) -> None:
    if folder.is_dir() and not folder.is_symlink():  # of a version that had no link
        folder.rename(_aside(folder) / folder.name)
    link = fresh.with_suffix(".link")
    link.symlink_to(fresh.name)
    link.replace(folder)


def _forget_old(folder: Path) -> None:
    """Remove all but the newest few: hosts of a running stack may still be in one of those."""
    built = [path for path in folder.parent.glob(f"{folder.name}-*") if path.is_dir() and not path.is_symlink()]
    for path in sorted(built, key=lambda path: path.stat().st_mtime, reverse=True)[KEPT:]:
        shutil.rmtree(path, ignore_errors=True)


async def _install_requirements(folder: Path) -> None:
    await _uv("venv", "--quiet", "--clear", "--relocatable", "--python", str(INTERPRETER), str(folder))
    install = ("pip", "install", "--quiet", "--python", str(python(folder)), "--compile-bytecode")
    install += ("--require-hashes", "-r", str(LOCK))
    try:
        await _uv(*install, "--offline")  # what the platform was installed from is still in the cache
    except EnvironmentFailed:
        await _uv(*install)


async def _install_sdk(folder: Path) -> None:
    built = folder / WHEEL  # it stays: environments of services are made with it
    await _must(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(built))
    install = ("pip", "install", "--quiet", "--python", str(python(folder)), "--offline", "--no-deps")
    await _uv(*install, "--reinstall", str(_only(built, "*.whl")))
    package = _only(folder, "lib/python*/site-packages/windlass")
    await _must(str(python(folder)), "-m", "compileall", "-q", str(package))


async def _uv(*arguments: str) -> None:
    await _must(sys.executable, "-m", "uv", *arguments)


async def _must(*words: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    code, output = await run(Command(words, cwd=ROOT, env=environment))
    if code != 0:
        raise EnvironmentFailed(f"`{' '.join(words)}` failed:\n{output.strip()[-2000:]}")


def _only(folder: Path | str, pattern: str) -> Path:
    (found,) = Path(folder).glob(pattern)
    return found


def _is_stamped(folder: Path, wanted: dict[str, str]) -> bool:
    is_whole = python(folder).exists() and any(folder.glob(f"{WHEEL}/*.whl"))
    return is_whole and all(_read(folder / name) == digest for name, digest in wanted.items())


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _sources() -> str:
    """The digest of everything that goes into the wheel."""
    return _digest([ROOT / "pyproject.toml", *sorted(_wheel_files())])


def _wheel_files() -> Iterator[Path]:
    for path in (ROOT / "windlass").rglob("*"):
        if path.is_file() and path.suffix != ".pyc" and NOT_IN_THE_WHEEL not in path.parents:
            yield path


def _digest(paths: list[Path]) -> str:
    total = hashlib.sha256()
    for path in paths:
        total.update(str(path.relative_to(ROOT) if ROOT in path.parents else path).encode() + b"\0")
        total.update(path.read_bytes() if ROOT in path.parents else b"")
    return total.hexdigest()


if __name__ == "__main__":
    asyncio.run(ensure(place()))
