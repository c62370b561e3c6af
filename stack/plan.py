"""Which parts this stack consists of, and how each is started: the table the supervisor works from."""

import asyncio
import json
import os
import sys
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from signal import SIGINT

from stack import environment, postgres, temporal
from stack.forks import Forks
from stack.ports import free_port, require_free
from stack.postgres import Cluster
from stack.processes import Command, run
from stack.readiness import first_value, listens, selects_one, serves
from stack.supervisor import Child, Chore, Part, StartFailed
from stack.temporal import Server
from windlass.core.migrations import newest
from windlass.core.settings import Settings

ROOT = Path(__file__).parent.parent
LOOPBACK = "127.0.0.1"
WORKER_ROLES = {
    "runs": "queues runs and records",
    "services": "starts the hosts of services",
    "desktops": "makes desktops",
}


@dataclass(slots=True)
class Bootstrapped:
    """What the preparation of the database answered."""

    administrator: str = ""
    password: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """The stack as it will be started."""

    settings: Settings
    secret: str
    forks: Forks
    cluster: Cluster | None
    temporal: Server | None
    standin_port: int | None
    bootstrapped: Bootstrapped = field(default_factory=Bootstrapped)

    @property
    def database_url(self) -> str:
        """The owner's DSN: ours, or the one given."""
        return self.cluster.url if self.cluster else self.settings.require_database_url()

    @property
    def host_python(self) -> Path:
        """The interpreter of the base environment."""
        return environment.python(environment.place(self.settings.home))

    def parts(self) -> list[Part]:
        """Every part in start order."""
        return [*self._servers(), *self._chores(), *self._ours()]

    def _servers(self) -> list[Part]:
        parts: list[Part] = []
        if (cluster := self.cluster) is not None:
            ready = partial(selects_one, cluster.sockets, postgres.OWNER)
            parts.append(Chore("initdb", lambda: postgres.prepare(cluster)))
            clear, address = partial(postgres.forget_the_dead, cluster), str(cluster.sockets)
            server = Child("postgres", cluster.command, ready, ("initdb",), SIGINT, address=address, clear=clear)
            parts.append(server)
        if (server := self.temporal) is not None:
            ready = partial(listens, server.ip, server.port)
            parts.append(Child("temporal", server.command, ready, grace_s=5, address=server.address))
        return parts

    def _chores(self) -> list[Part]:
        folder = environment.place(self.settings.home)
        chores: list[Part] = [
            Chore("database", self._bootstrap),
            Chore("base environment", lambda: environment.ensure(folder)),
        ]
        if self.temporal is None:
            chores.append(Chore("search attributes", self._create_attributes))
        return chores

    def _ours(self) -> list[Part]:
        host, port = self.settings.host, self.settings.port
        near = LOOPBACK if host in ("0.0.0.0", "::", "localhost") else host  # noqa: S104 - compared, not bound
        gateway = partial(serves, near, port, "/health")
        parts: list[Part] = []
        if self.standin_port is not None:
            command = self._python("stack.standin", "--port", str(self.standin_port))
            answering = partial(listens, LOOPBACK, self.standin_port)
            parts.append(Child("standin", command, answering, grace_s=3, address=f"{LOOPBACK}:{self.standin_port}"))
        parts.append(Child("forkserver", self._fork_server(), _lives, spawn=self.forks.serve))
        # Not Temporal: whoever needs it waits for it, and may load its own code meanwhile.
        needs = ("forkserver", "database", *(["postgres"] if self.cluster else []))
        fork = partial(Child, spawn=self.forks.spawn)
        parts.append(fork("gateway", self._python("api"), gateway, needs, address=self.settings.url))
        parts.append(fork("worker-runs", self._python("workers", "runs"), _lives, needs))
        services = (*needs, "base environment")
        # Hosts and containers in one process: what both are wired with costs 30 MiB.
        parts.append(fork("worker-machine", self._python("workers", "services", "desktops"), _lives, services))
        return parts

    def _fork_server(self) -> Command:
        command = self._python("stack.forkserver", str(self.forks.server))
        return replace(command, pass_fds=(*command.pass_fds, self.forks.server))

    def child_environment(self) -> dict[str, str]:
        """What our own children are told, on top of what we were told."""
        told = {
            **os.environ,
            "WINDLASS_HOME": str(self.settings.home),
            "WINDLASS_DATABASE_URL": self.database_url,
            "WINDLASS_SECRET_KEY": self.secret,
            "WINDLASS_LIFELINE_FD": str(self.forks.lifeline),
            "WINDLASS_HOST_PYTHON": str(self.host_python),
            "PYTHONUNBUFFERED": "1",
        }
        if self.standin_port is not None:
            told["WINDLASS_STANDIN_URL"] = f"http://{LOOPBACK}:{self.standin_port}"
        return told

    def _python(self, module: str, *arguments: str) -> Command:
        words = (sys.executable, "-m", module, *arguments)
        return Command(words, env=self.child_environment(), cwd=ROOT, pass_fds=(self.forks.lifeline,))

    async def _bootstrap(self) -> None:
        is_new = self.cluster is not None and not (self.cluster.data / "PG_VERSION").exists()
        if self.cluster is not None and not is_new and await _is_prepared(self.cluster):
            return
        code, output = await run(self._python("windlass.core.bootstrap", *(["--fresh"] if is_new else [])))
        if code != 0:
            raise StartFailed(f"The database could not be prepared:\n{output.strip()[-2000:]}")
        facts = json.loads(next(line for line in reversed(output.splitlines()) if line.startswith("{")))
        self.bootstrapped.administrator, self.bootstrapped.password = facts["administrator"], facts["password"]

    async def _create_attributes(self) -> None:
        """A hosted Temporal may not let us: then lists in its pages are less rich, and nothing else."""
        code, output = await run(self._python("stack.attributes"))
        if code != 0:
            sys.stderr.write(f"{output.strip()[-500:]}\n")


async def make(settings: Settings, secret: str, forks: Forks) -> Plan:
    """Find every program and check every port. Raises an error that says what is missing and how to get it."""
    require_free(settings.port, "WINDLASS_PORT", settings.host)
    cluster, server = None, None
    if settings.database_url is None:
        configured = settings.postgres_bin
        cluster = postgres.lay_out(settings.home, postgres.find_binaries(str(configured) if configured else None))
    if settings.external_temporal is None:
        require_free(settings.temporal_port, "WINDLASS_TEMPORAL_PORT")
        require_free(settings.temporal_ui_port, "WINDLASS_TEMPORAL_UI_PORT")
        program = await temporal.find_program(settings.temporal_bin, settings.home)
        file = settings.home / "temporal.db"
        ports = settings.temporal_port, settings.temporal_ui_port
        server = Server(program, file, *ports, settings.temporal_namespace)
    standin = None if settings.anthropic_api_key or settings.standin_url else free_port()
    return Plan(settings, secret, forks, cluster, server, standin)


async def _is_prepared(cluster: Cluster) -> bool:
    """Whether the database has its schema and its people already: then a start need not wait for who makes them."""
    await postgres.wait_ready(cluster)
    ask = partial(first_value, cluster.sockets, postgres.OWNER)
    is_newest = await ask("select max(version_num) from alembic_version") == newest()
    return is_newest and await ask("select identity_is_empty()") == "f"


async def _lives() -> bool:
    """A worker has no port: it counts as up when it has started; `/ready` asks the database for more."""
    await asyncio.sleep(0)
    return True
