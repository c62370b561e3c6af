"""The embedded PostgreSQL: keeps what it acknowledged, listens to nobody else, needs no root."""

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from stack import postgres
from stack.postgres import OWNER, Cluster, PostgresError, find_binaries, lay_out, prepare, wait_ready
from stack.processes import Account, spawn
from stack.readiness import answers, selects_one
from tests.parts import Postgres, eventually, short_folder, stop

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can borrow an account")


@pytest.fixture
def folder() -> Generator[Path]:
    with short_folder() as made:
        yield made


@asynccontextmanager
async def serving(cluster: Cluster, log: Path) -> AsyncGenerator[int]:
    await prepare(cluster)
    process = await spawn(cluster.command, log)
    try:
        await wait_ready(cluster)
        yield process.pid
    finally:
        await stop(process, signal.SIGINT)


def psql(cluster: Cluster, query: str, account: Account | None = None) -> subprocess.CompletedProcess[str]:
    words = [str(cluster.binaries / "psql"), "-h", str(cluster.sockets), "-U", OWNER, "-tAc", query, "postgres"]
    user = account.uid if account else None
    return subprocess.run(words, check=False, capture_output=True, text=True, cwd="/", user=user)  # noqa: S603


def behind_a_closed_door(folder: Path) -> tuple[Path, Path]:
    """A home and PostgreSQL's programs where only we can go."""
    folder.chmod(0o700)
    home = folder / "home"
    home.mkdir(mode=0o755)
    package = find_binaries().parents[1]
    for each in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(each, folder / each.name, symlinks=True)
    return home, folder / find_binaries().relative_to(package.parent)


def owner(pid: int) -> int:
    return Path(f"/proc/{pid}").stat().st_uid


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


async def test_what_was_committed_is_there_after_a_kill(folder: Path):
    cluster = lay_out(folder, find_binaries())
    async with serving(cluster, folder / "log") as pid:
        assert psql(cluster, "create table kept as select 42 as n").returncode == 0
        os.kill(pid, signal.SIGKILL)

    async with serving(cluster, folder / "log"):
        assert psql(cluster, "select n from kept").stdout.strip() == "42"


async def test_a_lock_file_whose_pid_belongs_to_somebody_else_by_now_does_not_stop_the_start(folder: Path):
    cluster = lay_out(folder, find_binaries())
    await prepare(cluster)
    stale = f"{os.getpid()}\n{cluster.data}\n1700000000\n5432\n{cluster.sockets}\n\n  1  1\nready\n"
    (cluster.data / "postmaster.pid").write_text(stale)
    (cluster.sockets / postgres.SOCKET_NAME).write_text(stale)

    async with serving(cluster, folder / "log"):
        assert psql(cluster, "select 1").stdout.strip() == "1"


async def test_a_cut_off_initdb_starts_again(folder: Path):
    cluster = lay_out(folder, find_binaries())
    (cluster.place / "data.half" / "base").mkdir(parents=True)

    async with serving(cluster, folder / "log"):
        assert psql(cluster, "show data_checksums").stdout.strip() == "on"


async def test_it_listens_on_its_socket_only_and_syncs(postgres: Postgres):
    listening = psql(postgres.cluster, "show listen_addresses").stdout.strip()

    assert listening == ""
    assert psql(postgres.cluster, "show fsync").stdout.strip() == "on"


@as_root
async def test_another_user_of_this_machine_is_refused(postgres: Postgres):
    nobody = pwd.getpwnam("nobody")

    answer = psql(postgres.cluster, "select 1", Account("nobody", nobody.pw_uid, nobody.pw_gid))

    assert answer.returncode != 0
    assert "eer authentication failed" in answer.stderr


@as_root
async def test_the_server_does_not_run_as_root(postgres: Postgres):
    pid = postgres.process.pid

    assert owner(pid) == postgres.cluster.account.uid != 0


@as_root
async def test_where_its_account_cannot_go_modes_stay_and_data_goes_elsewhere(folder: Path):
    home, binaries = behind_a_closed_door(folder)
    cluster = lay_out(home, binaries)
    try:
        async with serving(cluster, folder / "log"):
            assert psql(cluster, "select 1").stdout.strip() == "1"

        assert cluster.place.is_relative_to("/var/lib/windlass")
        assert cluster.binaries.is_relative_to(cluster.place.parent)
        assert lay_out(home, binaries) == cluster
        assert (mode(folder), mode(home)) == (0o700, 0o755)
    finally:
        shutil.rmtree(cluster.place.parent)


async def test_a_home_with_a_long_path_gets_a_short_socket(folder: Path):
    home = folder / ("deep" * 20) / ("deeper" * 10)
    home.mkdir(parents=True)
    for each in (home, home.parent):
        each.chmod(0o711)
    cluster = lay_out(home, find_binaries())

    async with serving(cluster, folder / "log"):
        assert psql(cluster, "select 1").stdout.strip() == "1"
    shutil.rmtree(cluster.sockets)


async def test_a_dead_server_does_not_answer(folder: Path):
    cluster = lay_out(folder, find_binaries())
    async with serving(cluster, folder / "log"):
        assert await answers(lambda: selects_one(cluster.sockets, OWNER))
        assert not await answers(lambda: selects_one(cluster.sockets, "stranger"))

    assert not await answers(lambda: selects_one(cluster.sockets, OWNER))


def test_a_missing_server_is_named_with_a_way_out(folder: Path):
    with pytest.raises(PostgresError, match=r"WINDLASS_POSTGRES_BIN .*no postgres.*WINDLASS_DATABASE_URL"):
        find_binaries(str(folder))


async def test_a_second_server_on_the_same_data_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(postgres, "ORPHANS_S", 0.1)
    cluster = lay_out(folder, find_binaries())
    async with serving(cluster, folder / "log"):
        await eventually((cluster.data / "postmaster.pid").exists)

        with pytest.raises(PostgresError, match="Another server"):
            await prepare(cluster)
