"""`make up`: one command, one page, and no process that outlives it."""

import os
import re
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import httpx
import pytest

from stack.postgres import OWNER
from stack.processes import Account, Command, run
from stack.temporal import Server
from tests.blueprints import furnish
from tests.faults.stack import until
from tests.parts import Postgres, eventually, short_folder
from tests.stacks import ROOT, Stack, database_url, password, signs_in, stack_in
from windlass.client import AsyncClient
from windlass.core.database import dial
from windlass.core.supervision import ProcessId, identify

NAMES = ["postgres", "temporal", "standin", "forkserver", "gateway", "worker-runs", "worker-machine"]
GONE_S = 10  # who should not outlive a supervisor may take so long to go
ADMINISTRATOR, OF_ONES_OWN = "admin@localhost", "a password for this test"

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def home() -> Generator[Path]:
    with short_folder() as folder:
        yield folder / "home"


@pytest.fixture(scope="module")
async def running() -> AsyncGenerator[Stack]:
    """One stack for the tests that leave it as they found it."""
    with short_folder() as folder:
        async with stack_in(folder / "home") as stack:
            await stack.start()
            yield stack


async def test_the_page_says_where_everything_is(running: Stack):
    assert running.url in running.page
    assert f"{running.url}/docs" in running.page
    assert f"http://127.0.0.1:{running.environment['WINDLASS_TEMPORAL_UI_PORT']}" in running.page
    assert "not set: scripted stand-in answers, clearly labelled" in running.page
    assert str(running.home) in running.page
    assert [child.name for child in running.status.children] == NAMES


async def test_the_printed_password_signs_in(running: Stack):
    assert await signs_in(running, password(running.page))


async def test_everything_is_ready_and_the_page_of_temporal_answers(running: Stack):
    async with httpx.AsyncClient() as client:
        ready = await client.get(f"{running.url}/ready")
        ui = await client.get(f"http://127.0.0.1:{running.environment['WINDLASS_TEMPORAL_UI_PORT']}/")

    assert ready.status_code == 200
    assert ui.status_code < 400


async def test_a_second_start_says_what_runs_and_where(running: Stack):
    code, said = await running.command("up")

    assert code == 0
    assert "already running" in said
    assert running.url in said
    assert all(name in said for name in NAMES)


async def test_the_secret_and_the_socket_are_for_their_owner(running: Stack):
    assert (running.home / "secret.key").stat().st_mode & 0o077 == 0
    assert (running.home / "logs").stat().st_mode & 0o077 == 0


def account_of(pid: int) -> Account:
    """Who runs a process: in a container root may not look into those of others."""
    process = Path(f"/proc/{pid}").stat()
    return Account("", process.st_uid, process.st_gid)


@pytest.mark.parametrize("name", ["postgres", "temporal"])
async def test_a_program_that_is_not_ours_sees_no_secret(running: Stack, name: str):
    pid = running.pid(name)

    _, told = await run(Command(["/bin/cat", f"/proc/{pid}/environ"], account=account_of(pid)))

    assert "PATH=" in told
    assert not re.search("WINDLASS|ANTHROPIC|SECRET", told)


async def test_a_container_can_ask_whether_its_workers_live(running: Stack):
    given = {**running.environment, "WINDLASS_DATABASE_URL": database_url(running.home)}

    assert (await run(Command([sys.executable, "-m", "stack.alive", "runs", "services"], given, ROOT)))[0] == 0
    assert (await run(Command([sys.executable, "-m", "stack.alive", "reports"], given, ROOT)))[0] == 1


async def test_doctor_finds_everything_well(running: Stack):
    code, said = await running.command("doctor")

    assert code == 0, said
    assert "a stack runs here" in said


@pytest.mark.parametrize("name", NAMES)
async def test_a_killed_part_comes_back_and_is_named(running: Stack, name: str):
    await eventually(lambda: running.pid(name) in running.living())  # it may have died with the one before
    before = running.pid(name)

    os.kill(before, signal.SIGKILL)

    await eventually(lambda: running.pid(name) not in (0, before))
    await eventually(lambda: not running.status.ailing)  # the death of one may be that of others
    await eventually(lambda: f"{name} ended" in running.page)


async def test_a_second_stack_goes_down_alone_is_brought_back_from_its_archive_and_outlives_no_supervisor(
    running: Stack, home: Path
):
    await furnish(home)
    async with stack_in(home) as second:
        await second.start()
        secret = password(second.page)
        assert await signs_in(second, secret)
        assert not await signs_in(running, secret)
        await serves_a_program(second, secret)

        await goes_down(second)
        await comes_back_from_its_archive(second)
        await second.start()
        assert await signs_in(second, OF_ONES_OWN)
        assert "shown this once" not in second.page
        await leaves_nobody_behind(second, await host_of(second))
        assert await is_reset_to_nothing(second)
    assert await signs_in(running, password(running.page))


async def serves_a_program(stack: Stack, secret: str) -> None:
    """Have it serve one; whoever wants that first chooses a password."""
    async with AsyncClient(stack.url) as client:
        await client.login(ADMINISTRATOR, secret)
        await client.change_password(secret, OF_ONES_OWN)
        await client.login(ADMINISTRATOR, OF_ONES_OWN)
        await client.services.add("stepping", str(ROOT / "tests" / "programs"), "stepping:app")


async def host_of(stack: Stack) -> ProcessId:
    """The process of the program, once it is served."""
    async with AsyncClient(stack.url) as client:
        await client.login(ADMINISTRATOR, OF_ONES_OWN)

        async def is_served() -> bool:
            return (await client.services.get("stepping")).state == "running"

        await until(is_served, "the program is served", 60)
        return identify((await client.http.get("/v1/services/stepping")).json()["pid"])


async def goes_down(stack: Stack) -> None:
    """Whoever runs is not reset; asked to go down, it does so in order."""
    pids = stack.living()
    assert (await stack.command("reset", "--yes"))[0] == 1
    code, said = await stack.command("down")
    assert (code, said.strip()) == (0, "Stopped.")
    assert await stack.ended() == 0
    assert not any(identify(pid).is_alive for pid in pids)
    assert "database system is shut down" in (stack.home / "logs" / "postgres.log").read_text()


async def comes_back_from_its_archive(stack: Stack) -> None:
    """Save everything and bring it back: what was there is moved aside."""
    archive = str(stack.home.with_name("saved.tar.gz"))
    assert (await stack.command("backup", archive))[0] == 0
    code, said = await stack.command("restore", archive)
    assert code == 0, said
    assert list(stack.home.glob("before-restore-*/secret.key"))


async def leaves_nobody_behind(stack: Stack, host: ProcessId) -> None:
    """Kill its supervisor: everybody goes, and it counts as down."""
    assert len(stack.living()) == len(NAMES) + 1
    assert host.is_alive
    os.kill(stack.status.supervisor.pid, signal.SIGKILL)
    await eventually(lambda: stack.living() == [] and not host.is_alive, GONE_S)
    assert (await stack.command("down"))[0] == 0
    assert (await stack.command("status"))[0] != 0


async def is_reset_to_nothing(stack: Stack) -> bool:
    """Whether a reset asks, and then deletes everything there is."""
    asked, sure, again = [await stack.command("reset", *words) for words in ((), ("--yes",), ("--yes",))]
    assert (asked[0], "Nothing was deleted" in asked[1]) == (1, True)
    assert sure[0] == 0, sure[1]
    return "There is no data" in again[1]


async def test_a_busy_port_is_an_error_that_names_its_holder(home: Path):
    async with stack_in(home) as stack:
        port = stack.environment["WINDLASS_TEMPORAL_PORT"]
        with socket.create_server(("127.0.0.1", int(port))):
            await stack.begin()

            assert await stack.ended() == 1

        assert f"Port {port} is held by pid {os.getpid()}" in stack.page
        assert "WINDLASS_TEMPORAL_PORT=" in stack.page


async def test_parts_that_are_given_are_not_started(home: Path, postgres: Postgres, temporal: Server):
    owner = await dial(postgres.url, name="test", role=OWNER)
    await owner.execute("create database given")
    await owner.close()
    given = postgres.url.replace("/postgres?", "/given?")
    async with stack_in(
        home,
        WINDLASS_DATABASE_URL=given,
        TEMPORAL_ADDRESS=temporal.address,
        ANTHROPIC_API_KEY="sk-ant-not-a-real-key-xyz9",
    ) as stack:
        await stack.start()

        assert [child.name for child in stack.status.children] == NAMES[3:]
        assert "set, sk-ant-…xyz9" in stack.page
        assert "not-a-real-key" not in stack.page
        assert await signs_in(stack, password(stack.page))
        await stack.command("down")
