"""Everything that makes desktops, in this process: gateway half, runs worker, and the worker beside a real engine."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import SecretStr

from activities.adapters.blueprints import container_name
from activities.adapters.docker import DockerDesktops
from activities.adapters.engine import DockerEngine, Done, Program
from activities.adapters.gates import Gates
from api.engine import Engine as Gateway
from stack.temporal import Server
from tests.core.records import somebody
from tests.workflows.engines import Engine, running_engine, settings_of, until
from windlass.contracts.desktops import DesktopStatus
from windlass.contracts.events import Event, EventKind
from windlass.core.callers import Caller
from windlass.core.database import JOBS_ROLE, Database
from windlass.core.desktops import Desktop, NewDesktop
from windlass.core.errors import NotFound
from windlass.core.listener import Listener
from windlass.core.machines import Machines
from windlass.core.settings import Settings
from windlass.core.storage.urls import open_objects
from windlass.core.wakeup import Notifier
from workers.desktops import work
from workers.parts import Parts
from workers.slots import Slot

SECRET = "0123456789abcdef0123456789abcdef"  # noqa: S105 - of a stack that lives for a test


@dataclass(slots=True)
class Desk:
    """What a test needs to make desktops, to look into them, and to break what keeps them."""

    engine: Engine
    docker: DockerEngine
    containers: DockerDesktops
    machines: Machines

    @property
    def gateway(self) -> Gateway:
        """The gateway's half."""
        return self.engine.gateway

    def somebody(self) -> Caller:
        """Another person of the same tenant."""
        return replace(somebody(), tenant_id=self.engine.caller.tenant_id)

    async def create(self, caller: Caller | None = None, **wish: Any) -> Desktop:
        """Make a desktop of a person of its own."""
        return await self.gateway.desktops.create(caller or self.somebody(), NewDesktop(**wish))

    async def made(self, caller: Caller, **wish: Any) -> Desktop:
        """Make a desktop and wait until it is idle."""
        desktop = await self.create(caller, **wish)
        return await self.becomes(caller, desktop.id, DesktopStatus.IDLE)

    async def becomes(self, caller: Caller, desktop_id: UUID, status: DesktopStatus) -> Desktop:
        """Wait for a status that its workflow has answered all wishes with."""
        seen: list[Desktop] = []

        async def is_so() -> bool:
            seen.append(await self.gateway.desktops.get(caller, desktop_id))
            return seen[-1].status is status

        try:
            await until(is_so, 60)
        except TimeoutError:
            raise AssertionError(f"it is {seen[-1].status}, not {status}: {seen[-1].reason}") from None
        return seen[-1]

    async def statuses(self, caller: Caller, desktop_id: UUID) -> list[str]:
        """The statuses a desktop went through."""
        found = await self.gateway.events.read(caller.tenant_id, desktop_id, kinds=[EventKind.STATUS])
        return [event.payload["status"] for event in found]

    async def events(self, caller: Caller, desktop_id: UUID) -> list[Event]:
        """What the desktop's log holds."""
        return await self.gateway.events.read(caller.tenant_id, desktop_id)

    async def inspect(self, desktop_id: UUID) -> Any:
        """The container as the engine knows it; None: there is none."""
        found = await self.docker.ask("GET", "/containers/json", all="true", filters=_named(desktop_id))
        return await self.docker.ask("GET", f"/containers/{found[0]['Id']}/json") if found else None

    async def left(self, desktop_id: UUID) -> list[str]:
        """What the engine still holds of a desktop."""
        found = await self.containers.found(await self.machines.installation())
        return sorted(each.kind for each in found if each.desktop_id == str(desktop_id))

    async def run(self, desktop_id: UUID, *words: str, stdin: bytes = b"") -> Done:
        """Run a program in a desktop, as whoever owns it could."""
        return await self.docker.run(Program(container_name(str(desktop_id)), words, stdin))

    async def shell(self, desktop_id: UUID, script: str) -> Done:
        """Run a line of shell in a desktop."""
        return await self.run(desktop_id, "sh", "-c", script)

    async def has_file(self, desktop_id: UUID, path: str) -> bool:
        """Whether there is such a file in its home."""
        return (await self.shell(desktop_id, f"test -e ~/{path}")).code == 0

    async def delete_all(self) -> None:
        """Delete every desktop and wait until nothing is left of any."""
        installation = await self.machines.installation()
        database = self.engine.database
        async with database.tenant(self.engine.caller.tenant_id) as connection:
            rows = await connection.fetch("select id, owner from desktop where deleted_at is null")
        for row in rows:
            with suppress(NotFound):
                caller = replace(self.engine.caller, person_id=row["owner"])
                await self.gateway.desktops.remove(caller, row["id"])

        async def is_clean() -> bool:
            return not await self.containers.found(installation)

        await until(is_clean, 60)


@asynccontextmanager
async def running_desk(
    settings: Settings, worker: "Callable[[Settings], AbstractAsyncContextManager[object]] | None" = None
) -> AsyncGenerator[Desk]:
    """A desk and, unless another is given, its worker in this process."""
    url = settings.require_database_url()
    docker = DockerEngine(settings.docker_socket)
    database, jobs = await Database.connect(url), await Database.connect(url, role=JOBS_ROLE)
    notifier = Notifier(url)
    await notifier.start()
    machines = Machines(database, jobs, notifier)
    async with (worker or working)(settings), running_engine(settings) as engine:
        desk = Desk(engine, docker, DockerDesktops(docker, settings.desktop_image, Gates()), machines)
        await until(lambda: _is_met(engine))
        yield desk
    async with database.open() as connection:  # one that was killed seems to live for a while
        await connection.execute("delete from worker where node = $1", settings.node)
    await notifier.close()
    await jobs.close()
    await database.close()
    await docker.close()


def desk_settings(folder: Path, database_url: str, temporal: Server, image: str) -> Settings:
    """The settings of a desk in `folder`."""
    changes = {"desktop_image": image, "secret_key": SecretStr(SECRET)}
    return settings_of(folder, database_url, temporal).model_copy(update=changes)


@asynccontextmanager
async def working(settings: Settings) -> AsyncGenerator[None]:
    """The worker beside the engine, in this process."""
    url = settings.require_database_url()
    database, jobs = await Database.connect(url), await Database.connect(url, role=JOBS_ROLE)
    notifier, listener = Notifier(url), Listener(url)
    slot = Slot(url, settings.node, "desktops")
    parts = Parts(settings, database, jobs, notifier, listener, open_objects(settings), asyncio.Event())
    tasks = [asyncio.create_task(work(parts, await slot.take())), asyncio.create_task(slot.keep(lambda: None))]
    try:
        yield
    finally:
        for each in tasks:
            each.cancel()
            with suppress(asyncio.CancelledError):
                await each
        await slot.release()
        await parts.objects.close()
        await jobs.close()
        await database.close()


def _named(desktop_id: UUID) -> str:
    return f'{{"name": ["^/{container_name(str(desktop_id))}$"]}}'


async def _is_met(engine: Engine) -> bool:
    async with engine.database.open() as connection:
        return bool(await connection.fetchval("select count(*) from living_machines() where problem is null"))
