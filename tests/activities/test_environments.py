"""Environments of services: made once, kept by what went into them, and never half-made."""

import asyncio
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from uuid import uuid4
from zipfile import ZipFile

import pytest

from activities.adapters.environments import BUILT_AT_ONCE, Environments, Limits
from activities.adapters.requirements import asked_for
from activities.failures import DeployFailed
from stack import environment
from tests.activities.test_services import TRIVIAL, Site, silence
from tests.activities.test_services import site as site  # noqa: PLC0414 - a fixture
from tests.owner import eventually as until
from tests.parts import eventually
from windlass.contracts.ids import ServiceId, TenantId
from windlass.core.services import NewService
from windlass.core.supervision import identify
from windlass.core.wanted import WantedService

ROOT = Path(__file__).parents[2]
HANG = """
import os
import time
from pathlib import Path

def get_requires_for_build_wheel(config_settings=None):
    Path("building").touch()
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(0.1)
"""
PREPARE = """
import asyncio, sys
from pathlib import Path
from tests.activities.test_environments import made, wanted
from tests.activities.test_services import silence
asyncio.run(made(Path(sys.argv[1])).prepare(wanted(Path(sys.argv[2])), silence))
"""


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything there is to install is on this machine."""
    monkeypatch.setenv("UV_OFFLINE", "1")


@pytest.fixture
async def project(tmp_path: Path) -> Path:
    """The folder of a service, with a wheel beside it."""
    await environment.ensure(environment.place())
    folder = tmp_path / "project"
    await asyncio.to_thread(folder.mkdir)
    wheel(folder, "tiny", "1.0")
    return folder


def wheel(folder: Path, name: str, version: str, *requires: str) -> None:
    """The smallest distribution there can be."""
    about = f"{name}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {each}\n" for each in requires)
    with ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as file:
        file.writestr(f"{name}.py", f"VERSION = '{version}'\n")
        file.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}")
        file.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{about}/RECORD", "")


def hanging(folder: Path) -> None:
    """A distribution whose build never ends."""
    (folder / "hanging").mkdir()
    (folder / "hanging" / "hang.py").write_text(HANG)
    system = '[build-system]\nrequires = []\nbuild-backend = "hang"\nbackend-path = ["."]\n'
    (folder / "hanging" / "pyproject.toml").write_text(f'{system}[project]\nname = "hanging"\nversion = "1"\n')
    (folder / "requirements.txt").write_text("./hanging\n")


def made(folder: Path, **limits: float) -> Environments:
    """Environments in a folder."""
    whole = replace(Limits(), **limits)
    return Environments(folder, str(environment.python(environment.place())), whole)


def wanted(project: Path) -> WantedService:
    """A service in a folder."""
    return WantedService(ServiceId(uuid4()), TenantId(uuid4()), "texts", str(project), "app:app", {}, 1)


async def said_by(python: str, program: str) -> str:
    """What a program prints in an environment."""
    process = await asyncio.create_subprocess_exec(python, "-c", program, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    return output.decode().strip()


async def test_a_service_has_what_it_asks_for_beside_the_sdk(project: Path, tmp_path: Path):
    (project / "requirements.txt").write_text("./tiny-1.0-py3-none-any.whl\n")
    lines: list[str] = []

    async def hear(line: str) -> None:
        lines.append(line)

    python = await made(tmp_path / "made").prepare(wanted(project), hear)

    assert await said_by(python, "import tiny, windlass; print(tiny.VERSION)") == "1.0"
    assert [line for line in lines if "tiny" in line]
    assert await made(tmp_path / "made").prepare(wanted(project), hear) == python
    assert lines[-1] == "requirements.txt is unchanged, its environment is used again"


async def test_another_requirement_makes_another_environment(project: Path, tmp_path: Path):
    wheel(project, "tiny", "2.0")
    (project / "requirements.txt").write_text("-r more.txt\n")
    (project / "more.txt").write_text("./tiny-1.0-py3-none-any.whl\n")
    first = await made(tmp_path / "made").prepare(wanted(project), silence)

    (project / "more.txt").write_text("./tiny-2.0-py3-none-any.whl\n")
    second = await made(tmp_path / "made").prepare(wanted(project), silence)

    assert await said_by(first, "import tiny; print(tiny.VERSION)") == "1.0"
    assert await said_by(second, "import tiny; print(tiny.VERSION)") == "2.0"


async def test_dependencies_of_a_project_count_and_its_tools_do_not(project: Path, tmp_path: Path):
    about = project / "pyproject.toml"
    about.write_text("[tool.ruff]\nline-length = 100\n")
    assert asked_for(project) is None
    wheel_url = (project / "tiny-1.0-py3-none-any.whl").as_uri()
    about.write_text(f'[project]\nname = "mine"\nversion = "1"\ndependencies = ["windlass", "tiny @ {wheel_url}"]\n')

    python = await made(tmp_path / "made").prepare(wanted(project), silence)

    assert await said_by(python, "import tiny; print(tiny.VERSION)") == "1.0"


@pytest.mark.parametrize("text", ["project = 3", "[project]\ndynamic = 3", "x =", "x = " + "[" * 5000])
async def test_a_project_that_is_none_fails_with_the_name_of_its_file(tmp_path: Path, text: str):
    (tmp_path / "pyproject.toml").write_text(text)

    with pytest.raises(DeployFailed, match=r"pyproject\.toml cannot be read"):
        asked_for(tmp_path)


async def test_what_does_not_go_with_the_sdk_is_refused_and_named(project: Path, tmp_path: Path):
    wheel(project, "needy", "1.0", "pydantic<2")
    (project / "requirements.txt").write_text("./needy-1.0-py3-none-any.whl\n")

    with pytest.raises(DeployFailed, match=r"(?s)needy.*pydantic<2"):
        await made(tmp_path / "made").prepare(wanted(project), silence)

    assert not list((tmp_path / "made").glob("*/bin"))


@pytest.mark.parametrize(
    ("limits", "reason"),
    [({"seconds": 1.0}, "Installing took longer than 1 s"), ({"size_bytes": 1 << 20}, "takes more than 1 MiB")],
)
async def test_an_installation_has_its_limits(project: Path, tmp_path: Path, limits: dict[str, float], reason: str):
    hanging(project)

    with pytest.raises(DeployFailed, match=reason):
        await made(tmp_path / "made", **limits).prepare(wanted(project), silence)

    assert not list((tmp_path / "made").glob("*.half-*"))


async def test_an_installation_that_hangs_holds_up_no_other(project: Path, tmp_path: Path):
    hanging(project)
    hangs = asyncio.create_task(made(tmp_path / "made").prepare(wanted(project), silence))
    other = tmp_path / "other"
    await asyncio.to_thread(other.mkdir)
    wheel(other, "tiny", "1.0")
    (other / "requirements.txt").write_text("./tiny-1.0-py3-none-any.whl\n")

    async def is_building() -> bool:
        return (project / "hanging" / "building").exists()

    await until(is_building)
    async with asyncio.timeout(30):
        await made(tmp_path / "made").prepare(wanted(other), silence)
    assert not hangs.done()
    hangs.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hangs


async def test_what_a_killed_worker_left_half_made_is_swept_and_made_anew(project: Path, tmp_path: Path):
    hanging(project)
    folder = tmp_path / "made"
    words = (sys.executable, "-c", PREPARE, str(folder), str(project))
    worker = await asyncio.create_subprocess_exec(*words, cwd=ROOT)

    async def is_building() -> bool:
        return (project / "hanging" / "building").exists()

    await until(is_building)
    await made(folder).sweep()
    assert len(list(folder.glob("*.half-*"))) == 1  # somebody is at it

    worker.kill()
    await worker.wait()
    await made(folder).sweep()

    assert not list(folder.glob("*.half-*"))
    (project / "requirements.txt").write_text("./tiny-1.0-py3-none-any.whl\n")
    assert await said_by(await made(folder).prepare(wanted(project), silence), "import tiny; print(1)") == "1"


async def test_what_the_machine_refuses_is_the_services_reason(project: Path, tmp_path: Path):
    (project / "requirements.txt").write_text("./tiny-1.0-py3-none-any.whl\n")
    (tmp_path / "made").write_text("no folder")

    with pytest.raises(DeployFailed, match=r"could not be made: .*File exists"):
        await made(tmp_path / "made").prepare(wanted(project), silence)


async def test_environments_that_nobody_uses_any_more_are_swept(project: Path, tmp_path: Path):
    (project / "requirements.txt").write_text("./tiny-1.0-py3-none-any.whl\n")
    python = await made(tmp_path / "made").prepare(wanted(project), silence)
    await made(tmp_path / "made", kept_days=1).sweep()
    assert await asyncio.to_thread(Path(python).exists)

    host = await asyncio.create_subprocess_exec(python, "-c", "import time; time.sleep(600)")
    await made(tmp_path / "made", kept_days=0).sweep()
    assert await asyncio.to_thread(Path(python).exists)  # in use
    host.send_signal(signal.SIGKILL)
    await host.wait()
    await made(tmp_path / "made", kept_days=0).sweep()

    assert not await asyncio.to_thread(Path(python).exists)


async def test_a_worker_killed_while_it_sweeps_leaves_no_environment_that_seems_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = tmp_path / "made"
    await asyncio.to_thread((folder / ("d" * 24) / "bin").mkdir, parents=True)

    def nothing(_path: Path, *, ignore_errors: bool) -> None:
        """Remove nothing."""

    with monkeypatch.context() as killed:
        killed.setattr("shutil.rmtree", nothing)  # before it has removed anything
        await made(folder).sweep()
    left = [path.name[24:30] for path in folder.iterdir() if path.is_dir()]
    await made(folder).sweep()

    assert left == [".half-"]
    assert not [path for path in folder.iterdir() if path.is_dir()]


async def test_a_service_whose_requirements_do_not_resolve_says_so_until_they_are_mended(site: Site):
    await site.add(program=f"import tiny\n{TRIVIAL}")
    (site.project / "requirements.txt").write_text("no-such-thing-at-all==9\n")

    async with site.keeping():
        reason = await site.state("deploy_failed")

        assert "requirements.txt could not be installed" in reason
        assert "no-such-thing-at-all" in reason
        wheel(site.project, "tiny", "1.0")
        (site.project / "requirements.txt").write_text("./tiny-1.0-py3-none-any.whl\n")
        await site.state("running")
    (pid,) = await site.living()
    program = Path(os.readlink(f"/proc/{pid}/exe")).name
    assert program.startswith("python")


async def test_installations_that_hang_hold_up_no_service_that_has_nothing_to_install(site: Site):
    folders = [site.project / f"slow{number}" for number in range(BUILT_AT_ONCE)]
    for folder in folders:
        await asyncio.to_thread(folder.mkdir)
        hanging(folder)
        await site.records.services.add(site.records.caller, NewService(folder.name, str(folder), "app:app"))

    async def are_building() -> bool:
        return all((folder / "hanging" / "building").exists() for folder in folders)

    async with site.keeping():
        await until(are_building)
        await site.add()
        await site.state("running")


async def test_a_python_that_is_not_here_is_said_and_the_own_one_is_taken_as_it_is(project: Path, tmp_path: Path):
    environments, own = made(tmp_path / "environments"), f"{sys.version_info.major}.{sys.version_info.minor}"
    await asyncio.to_thread((project / "requirements.txt").unlink, missing_ok=True)

    base = await environments.prepare(wanted(project), silence)
    same = await environments.prepare(replace(wanted(project), python=own), silence)
    with pytest.raises(
        DeployFailed, match=r"Python 3\.99 is not on this machine.*\n.*No interpreter found for Python 3"
    ):
        await environments.prepare(replace(wanted(project), python="3.99"), silence)

    assert same == base
    (tmp_path / "no folder").write_text("")
    with pytest.raises(DeployFailed, match=r"^uv python failed\. .*no folder"):  # not that 3.99 were missing
        await made(tmp_path / "no folder").prepare(replace(wanted(project), python="3.99"), silence)


async def test_a_python_that_says_nothing_when_it_is_looked_at_is_left_and_ended(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    dumb, pid = project / "python3.99", project / "pid"
    dumb.write_text(f"#!/bin/sh\necho $$ > {pid}.new && mv {pid}.new {pid} && exec sleep 600\n")
    await asyncio.to_thread(dumb.chmod, 0o700)
    monkeypatch.setenv("PATH", f"{project}:{os.environ['PATH']}")
    asking = replace(wanted(project), python="3.99")

    with pytest.raises(DeployFailed, match="uv python took longer than 0 s"):
        await made(tmp_path / "made", seconds=0.1).prepare(asking, silence)
    pid.unlink(missing_ok=True)
    looking = asyncio.create_task(made(tmp_path / "made").prepare(asking, silence))
    await eventually(pid.exists)
    asked = identify(int(pid.read_text()))
    assert asked.is_alive
    looking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await looking

    await eventually(lambda: not asked.is_alive)
