"""A running engine for tests: gateway half, runs worker and services keeper in this process, agents in real hosts."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from temporalio.client import Client, WorkflowHandle

from activities.adapters.processes import HostFolders, LocalHosts
from activities.adapters.sources import Sources
from activities.services import ServiceKeeper
from api.engine import Engine as Gateway
from api.engine import open_engine
from stack import environment
from stack.temporal import Server
from tests.core.records import somebody
from tests.forks import forked_hosts
from tests.parts import lifeline
from tests.waiting import pause_s
from windlass.contracts.events import Event, EventKind
from windlass.contracts.ids import RunId, workflow_id
from windlass.core.callers import Caller
from windlass.core.database import JOBS_ROLE, Database
from windlass.core.listener import Listener
from windlass.core.outbound import Outbound
from windlass.core.provider import ProviderRecord
from windlass.core.runs import Run, StartRun
from windlass.core.services import CHANGED_CHANNEL, NewService, Service
from windlass.core.settings import Settings
from windlass.core.storage.urls import open_objects
from windlass.core.vault import Vault
from windlass.core.wakeup import Notifier
from windlass.core.wanted import Wanted
from workers.parts import Parts, sockets
from workers.runs import build
from workers.services import resumer, unsealing
from workers.timetable import following

PROGRAMS = Path(__file__).parents[1] / "programs"


@dataclass(frozen=True, slots=True)
class Engine:
    """What a test needs to start runs and to see what became of them."""

    caller: Caller
    settings: Settings
    database: Database
    gateway: Gateway
    client: Client

    async def serve(self, name: str, program: str = "agents:app") -> Service:
        """Add a service and wait for its host."""
        service = await self.gateway.services.add(self.caller, NewService(name, str(PROGRAMS), program))

        async def is_up() -> bool:
            nonlocal service
            service = await self.gateway.services.get(self.caller, name)
            assert service.state != "unhealthy", service.reason
            return service.state == "running"

        await until(is_up)
        return service

    async def host_of(self, service: Service) -> int:
        """The process that serves the service now."""
        query = "select pid from host where service_id = $1 and ended_at is null and up_at is not null"
        async with self.database.tenant(self.caller.tenant_id) as connection:
            return await connection.fetchval(query, service.id)

    async def start(self, agent: str, inputs: Mapping[str, Any] | None = None, **wish: Any) -> Run:
        """Start a run."""
        return await self.gateway.runs.start(self.caller, StartRun(agent, dict(inputs or {}), **wish))

    async def get(self, run_id: RunId) -> Run:
        """The run as it stands."""
        return await self.gateway.runs.get(self.caller, run_id)

    async def ended(self, run_id: RunId, patience_s: float = 30) -> Run:
        """The run after its end, in the record and in Temporal."""
        await until(lambda: self._is_over(run_id), patience_s)
        await self.workflow(run_id).result()
        return await self.get(run_id)

    async def finished(self, agent: str, inputs: Mapping[str, Any] | None = None, **wish: Any) -> Run:
        """Start a run and wait for its end."""
        return await self.ended((await self.start(agent, inputs, **wish)).id)

    async def events(self, run_id: RunId, *kinds: EventKind) -> list[Event]:
        """What the log holds of a run."""
        return await self.gateway.events.read(self.caller.tenant_id, run_id, kinds=kinds or None)

    async def statuses(self, run_id: RunId) -> list[str]:
        """The statuses a run went through."""
        return [event.payload["status"] for event in await self.events(run_id, EventKind.STATUS)]

    def workflow(self, run_id: RunId) -> WorkflowHandle[Any, Any]:
        """The run's workflow."""
        return self.client.get_workflow_handle(workflow_id(self.caller.tenant_id, "runs", run_id))

    async def _is_over(self, run_id: RunId) -> bool:
        return not (await self.get(run_id)).is_live


async def until(predicate: Callable[[], Awaitable[object]], patience_s: float = 120) -> None:
    """Wait until something is true. Raises TimeoutError, even if whoever is asked swallows that it was cancelled."""
    clock = asyncio.get_running_loop().time
    began = clock()
    async with asyncio.timeout_at(began + patience_s):
        while not await predicate():
            if clock() >= began + patience_s:
                raise TimeoutError
            await asyncio.sleep(pause_s(clock() - began))


@dataclass(frozen=True, slots=True)
class Meeting:
    """A folder in which a test and an agent leave files for each other."""

    folder: Path

    @property
    def inputs(self) -> dict[str, str]:
        """What an agent must be told."""
        return {"folder": str(self.folder)}

    def leave(self, name: str) -> None:
        """Leave a file for the agent."""
        (self.folder / name).touch()

    def count(self, name: str) -> int:
        """How many lines the agent has added to a file; 0: there is none."""
        path = self.folder / name
        return len(path.read_text().splitlines()) if path.exists() else 0

    async def appears(self, name: str) -> None:
        """Wait for a line of the agent's."""

        async def is_there() -> bool:
            return self.count(name) > 0

        await until(is_there)


def settings_of(folder: Path, database_url: str, temporal: Server) -> Settings:
    """The settings of a stack in `folder`."""
    return Settings.model_validate(
        {
            "WINDLASS_HOME": folder,
            "WINDLASS_NODE": folder.name,
            "WINDLASS_DATABASE_URL": database_url,
            "TEMPORAL_ADDRESS": temporal.address,
            "WINDLASS_STANDIN_URL": "http://127.0.0.1:9",
            "WINDLASS_SECRET_KEY": "q8Zr2vX1nB7mK4tW9yL0pD6sF3hJ5gA1",
            "WINDLASS_HOST_PYTHON": environment.python(environment.place()),
        }
    )


@asynccontextmanager
async def running_engine(settings: Settings, *, works: bool = True) -> AsyncGenerator[Engine]:
    """Everything that makes runs; without `works` somebody else must serve the queue."""
    url = settings.require_database_url()
    await environment.ensure(environment.place())
    database, jobs = await Database.connect(url), await Database.connect(url, role=JOBS_ROLE, max_size=3)
    notifier, listener = Notifier(url), Listener(url)
    await notifier.start()
    await listener.start()
    client = await Client.connect(settings.temporal_address, identity="tests")
    parts = Parts(settings, database, jobs, notifier, listener, open_objects(settings), asyncio.Event())
    caller = somebody()
    async with open_engine(settings, database, jobs) as gateway:
        engine = Engine(caller, settings, database, gateway, client)
        with lifeline() as line:
            async with keeping(parts, line), working(client, parts) if works else nullcontext():
                yield engine
        async with database.tenant(caller.tenant_id) as connection:
            await connection.execute("update service set enabled = false")
    await listener.close()
    await notifier.close()
    await jobs.close()
    await database.close()


@asynccontextmanager
async def working(client: Client, parts: Parts) -> AsyncGenerator[None]:
    """The runs worker."""
    async with build(client, parts, ProviderRecord(parts.jobs, standin=True)), following(client, parts):
        yield


@asynccontextmanager
async def keeping(parts: Parts, line: int) -> AsyncGenerator[None]:
    """The services worker's loop."""
    settings = parts.settings
    home = settings.home
    folders = HostFolders(sockets(settings), home / "logs", home / "environments", str(settings.host_python), line)
    wanted = Wanted(parts.database, parts.jobs, parts.notifier)
    sources = Sources(home / "sources", parts.objects, Outbound())
    vault = Vault(settings.require_secret_key())
    hosts = LocalHosts(folders, sources, unsealing(vault), execute=forked_hosts().execute)
    keeper = ServiceKeeper(wanted, hosts, resumer(settings), settings.node)
    parts.listener.on(CHANGED_CHANNEL, lambda _name: keeper.look())
    task = asyncio.create_task(keeper.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
