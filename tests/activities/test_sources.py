"""Programs of services that are not folders: archives that were sent, and commits of git repositories."""

import asyncio
import io
import os
import signal
import time
import zipfile
from pathlib import Path

import pytest

from activities.adapters.sources import FetchLimits, Sources
from activities.failures import DeployFailed
from windlass.contracts.ids import ServiceId, TenantId, new_id
from windlass.core.mortality import dying_with_us
from windlass.core.outbound import Outbound
from windlass.core.sources import key_of
from windlass.core.storage.local import LocalObjects
from windlass.core.wanted import WantedService

TENANT = TenantId(new_id())


async def silence(_line: str) -> None:
    """Nobody listens."""


def service(project: str, tenant_id: TenantId = TENANT) -> WantedService:
    return WantedService(ServiceId(new_id()), tenant_id, "texts", project, "app:app", {}, 1)


def zipped(**files: str) -> bytes:
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return output.getvalue()


async def kept(objects: LocalObjects, content: bytes) -> str:
    """An archive in the store, as a project names it."""

    async def pieces():
        yield content

    return f"archive:{(await objects.keep(f'{TENANT}/sources', pieces())).digest}"


async def git(folder: Path, *words: str) -> str:
    given = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false")
    process = await asyncio.create_subprocess_exec("git", *given, *words, cwd=folder, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    assert process.returncode == 0
    return said.decode().strip()


async def committed(folder: Path, **files: str) -> str:
    """A repository with these files, and the commit that holds them."""
    folder.mkdir(exist_ok=True)  # noqa: ASYNC240 - of a test
    await git(folder, "init", "--quiet")
    for name, content in files.items():
        (folder / name).write_text(content)
    (folder / "link").symlink_to("/etc/passwd")
    await git(folder, "add", ".")
    await git(folder, "commit", "--quiet", "-m", "It works")
    return await git(folder, "rev-parse", "HEAD")


@pytest.fixture
def objects(tmp_path: Path) -> LocalObjects:
    return LocalObjects(tmp_path / "objects")


@pytest.fixture
def sources(tmp_path: Path, objects: LocalObjects) -> Sources:
    return Sources(tmp_path / "sources", objects, Outbound(), FetchLimits(seconds=20, size_bytes=4 << 20))


async def test_an_archive_is_unpacked_once_and_lies_there_by_its_content(sources: Sources, objects: LocalObjects):
    wanted = service(await kept(objects, zipped(app="app = 1")))

    place = await sources.fetch(wanted, silence)
    (place / "app").write_text("touched")
    again = await sources.fetch(wanted, silence)

    assert (again, (again / "app").read_text()) == (place, "touched")
    assert [path.name for path in place.parent.iterdir()] == [place.name]  # nothing half is left


async def test_an_archive_of_another_tenant_is_not_there(sources: Sources, objects: LocalObjects):
    project = await kept(objects, zipped(app="secret"))
    await sources.fetch(service(project), silence)

    with pytest.raises(DeployFailed, match="could not be fetched"):
        await sources.fetch(service(project, TenantId(new_id())), silence)


async def test_bytes_that_are_not_those_that_were_sent_are_not_served(
    sources: Sources, objects: LocalObjects, tmp_path: Path
):
    project = await kept(objects, zipped(app="app = 1"))
    (tmp_path / "objects" / key_of(TENANT, project.partition(":")[2])).write_bytes(zipped(app="evil"))

    with pytest.raises(DeployFailed, match="bytes have changed"):
        await sources.fetch(service(project), silence)
    assert not sources.place(service(project)).exists()


async def test_what_a_killed_worker_left_half_made_is_swept_and_made_anew(sources: Sources, objects: LocalObjects):
    wanted = service(await kept(objects, zipped(app="app = 1")))
    place = sources.place(wanted)
    dead, at_work = (place.with_name(f"{place.name}.half-{name}") for name in ("x", "y"))
    for half in (dead, at_work):
        (half / "program").mkdir(parents=True)
    age(dead, 0.1)

    await sources.sweep()

    assert not dead.exists()
    assert at_work.exists()  # of another worker: fetching does not take as long as that
    assert (await sources.fetch(wanted, silence) / "app").read_text() == "app = 1"


async def test_a_program_that_nobody_uses_is_swept_and_one_in_which_a_host_works_is_not(
    sources: Sources, objects: LocalObjects
):
    wishes = [service(await kept(objects, zipped(app=text))) for text in ("app = 1", "app = 2")]
    used, unused = [await sources.fetch(each, silence) for each in wishes]
    host = await asyncio.create_subprocess_exec("sleep", "60", cwd=used, preexec_fn=dying_with_us(signal.SIGKILL))
    for place in (used, unused):
        age(place, 31)

    await sources.sweep()
    host.kill()
    await host.wait()

    assert (used.exists(), unused.exists()) == (True, False)


def age(place: Path, days: float) -> None:
    """Have a folder look as if it had not been touched for so long."""
    at = time.time() - days * 86400
    os.utime(place, (at, at))


async def test_a_commit_is_fetched_without_its_history_and_its_links(sources: Sources, tmp_path: Path):
    repository = tmp_path / "repository"
    first = await committed(repository, app="app = 1")
    (repository / "app").write_text("app = 2")
    await git(repository, "commit", "--quiet", "-am", "It works better")

    place = await sources.fetch(service(f"git+file://{repository}@{first}"), silence)

    assert (place / "app").read_text() == "app = 1"
    assert not (place / ".git").exists()
    assert not (place / "link").is_symlink()


async def test_a_repository_that_cannot_be_had_is_named_and_leaves_nothing(sources: Sources, tmp_path: Path):
    commit = await committed(tmp_path / "large", app="x" * (8 << 20))
    reasons = {
        f"git+file://{tmp_path / 'large'}@{commit}": "more than 4 MiB|git",
        f"git+file://{tmp_path / 'large'}@{'0' * 40}": "git fetch failed",
        f"git+https://127.0.0.1/x@{commit}": "not on the public net",
        f"git+https://localhost/x@{commit}": "not on the public net",
        f"git+https://ada:word@example.org/x@{commit}": "does not exist on this machine",  # no form of a project
    }

    for project, reason in reasons.items():
        with pytest.raises(Exception, match=reason):
            await sources.fetch(service(project), silence)

    assert not [*(tmp_path / "sources").glob("*/*")]
