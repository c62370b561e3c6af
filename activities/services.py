"""Keeping services up: a plain loop of what is wanted against what runs."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Protocol
from uuid import uuid4
from weakref import WeakValueDictionary

import structlog

from activities.failures import INSTALL_AGAIN_S, PAUSE_LAST_S, DeployFailed, HostLost, ServiceFailed
from activities.progress import Progress
from windlass.contracts.ids import ServiceId
from windlass.core.wanted import HostFacts, ReplicaKey, Wanted, WantedService

LOOK_S = 1.0
PAUSE_FIRST_S = 0.05
AGAIN_S = 0.5
SAY_S = 0.5  # how far an installation has come is recorded so often
LOST_MOST = 3  # hosts in a row that were killed before they served: after that it is the service's fault
STEADY_S = 10.0  # a host that stood so long starts again at once when it dies
PULSE_S, SILENT_S = 5.0, 60.0  # a host is asked for a sign of life so often, and replaced after so long without one

Resume = Callable[[str, str], Awaitable[None]]  # (tenant id, run id); raises when it could not be said
Say = Callable[[str], Awaitable[None]]  # how far something has come, in a line

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class HostProcess(Protocol):
    """A process that serves a service."""

    boot_id: str
    pid: int

    async def describe(self) -> dict[str, Any]:
        """The flows and forms of the service. Raises ServiceFailed."""
        ...

    async def ended(self) -> None:
        """Wait for the end of the process."""
        ...

    def wakes(self) -> AsyncIterator[tuple[str, str]]:
        """Parked runs that have something to report, as (tenant id, run id); ends when the host hangs up."""
        ...

    async def answers(self) -> bool:
        """Whether the process gives a sign of life."""
        ...

    async def stop(self) -> None:
        """End the process and wait for it."""
        ...

    def kill(self) -> None:
        """End the process at once."""
        ...

    def tail(self) -> str:
        """The last lines the process printed."""
        ...

    def close(self) -> None:
        """Let go of the process without ending it."""
        ...


class Hosts(Protocol):
    """Where hosts run: processes of this machine, later also containers."""

    async def find(self, service: WantedService) -> HostProcess | None:
        """The host that already serves the service, if one answers."""
        ...

    async def prepare(self, service: WantedService, say: Say) -> str:
        """The interpreter for the service, with what it asks for; may take long. Raises ServiceFailed."""
        ...

    async def start(self, service: WantedService, python: str, boot_id: str) -> HostProcess:
        """Start a host, which takes the place of the one before, and wait until it answers. Raises ServiceFailed."""
        ...

    async def end(self, boot_id: str, *, is_replaced: bool = False) -> bool:
        """End a host by its boot id; whether it still was there. One that is replaced may answer who came to it."""
        ...

    async def sweep(self) -> None:
        """Remove what is left of services that nobody prepares any more."""
        ...


class ServiceKeeper:
    """Keeps one host per wanted replica; a host outlives the keeper, and the next one adopts it.

    A host that is to be replaced serves until the new one answers; then it lets its runs come to an end, and goes.
    The replicas of a service come up one after the other.
    """

    def __init__(self, wanted: Wanted, hosts: Hosts, resume: Resume, node: str, *, silent_s: float = SILENT_S) -> None:
        self._wanted = wanted
        self._silent_s = silent_s
        self._resume = resume
        self._hosts = hosts
        self._node = node
        self._keeping: dict[ReplicaKey, tuple[WantedService, asyncio.Task[None]]] = {}
        self._leaving: dict[ReplicaKey, asyncio.Task[None]] = {}
        self._draining: set[asyncio.Task[None]] = set()
        self._lost: Counter[ReplicaKey] = Counter()
        self._pauses: dict[ReplicaKey, float] = {}
        self._turns: WeakValueDictionary[ServiceId, asyncio.Lock] = WeakValueDictionary()
        self._look = asyncio.Event()
        self._is_tidy = False

    def look(self) -> None:
        """Look at once instead of within a second."""
        self._look.set()

    async def run(self) -> None:
        """Make what runs equal to what is wanted, until cancelled."""
        try:
            while True:
                self._look.clear()
                try:
                    await self._tidy()
                    self._compare({service.key: service for service in await self._wanted.services()})
                except Exception:  # the loop outlives every failure: without it no service would come back
                    log.exception("services could not be compared")
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        await self._look.wait()
        finally:
            tasks = [*(task for _service, task in self._keeping.values()), *self._leaving.values(), *self._draining]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _compare(self, wanted: dict[ReplicaKey, WantedService]) -> None:
        for key, (service, task) in list(self._keeping.items()):
            now = wanted.get(key)
            if now is None:
                del self._keeping[key]
                leaving = asyncio.create_task(self._let_go(service, task), name=f"let go {service.name}")
                self._leaving[key] = leaving  # beside the others, which must not wait for it
            elif now != service:
                self._keeping[key] = (now, self._kept(now, task))
        for key, service in wanted.items():
            if key not in self._keeping and key not in self._leaving:
                self._keeping[key] = (service, self._kept(service))

    def _kept(self, service: WantedService, before: asyncio.Task[None] | None = None) -> asyncio.Task[None]:
        if before is not None:
            before.cancel()
        return asyncio.create_task(self._keep(service, before), name=f"keep {service.name}")

    async def _let_go(self, service: WantedService, keeping: asyncio.Task[None]) -> None:
        """End the host of a replica that is not wanted any more; go on until it is gone."""
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        while True:
            try:
                await self._end(service)
                break
            except Exception:  # a host that is forgotten here would live for ever
                log.exception("a host could not be ended yet", service=service.name)
            await asyncio.sleep(AGAIN_S)
        del self._leaving[service.key]
        self._look.set()

    async def _end(self, service: WantedService) -> None:
        host = await self._hosts.find(service)
        if host is not None:
            await host.stop()
            await self._wanted.record_end(service, host.boot_id, "stopped")
            host.close()
        for boot_id in await self._wanted.others(service, self._node, ""):
            await self._end_one(service, boot_id)
        await self._wanted.forget(service)

    async def _tidy(self) -> None:
        """Once: end the hosts of replicas that went while nobody watched."""
        if self._is_tidy:
            return
        await self._hosts.sweep()
        for service in await self._wanted.strays(self._node):
            try:
                await self._end(service)
            except Exception:  # it keeps no other service from coming up
                log.exception("a host could not be ended yet", service=service.name)
        self._is_tidy = True

    async def _keep(self, service: WantedService, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.gather(before, return_exceptions=True)
        self._pauses.pop(service.key, None)
        progress = Progress(self._wanted, service)
        while True:
            try:
                await self._try_to_serve(service, progress)
            except Exception:  # a database that is away for a moment must not end the keeping
                log.exception("service could not be kept", service=service.name)
                await asyncio.sleep(self._next_pause(service))

    async def _try_to_serve(self, service: WantedService, progress: Progress) -> None:
        try:
            await self._serve(service, progress)
        except ServiceFailed as failure:
            self._lost[service.key] += 1
            may_pass = isinstance(failure, HostLost) and self._lost[service.key] < LOST_MOST
            is_refused = isinstance(failure, DeployFailed)
            pause = self._next_pause(service, failure.again_s)
            log.warning("service is not up", service=service.name, reason=str(failure)[-500:])
            state = "deploy_failed" if is_refused else "deploying" if may_pass else "unhealthy"
            told = self._told(service, failure, pause)
            if may_pass:
                await self._wanted.record_state(service, state, told)
            else:
                await self._wanted.record_failure(service, state, told)
                await progress.fail(str(failure))
            await asyncio.sleep(pause)

    def _told(self, service: WantedService, failure: ServiceFailed, pause: float) -> str:
        tries = self._lost[service.key]
        return f"{failure}" if tries < LOST_MOST else f"Try {tries}, the next one in {pause:.0f} s. {failure}"

    def _next_pause(self, service: WantedService, most_s: float = PAUSE_LAST_S) -> float:
        """How long to wait now; the next time it is twice as long."""
        pause = min(self._pauses.get(service.key, PAUSE_FIRST_S), most_s)
        self._pauses[service.key] = min(pause * 2, most_s)
        return pause

    async def _serve(self, service: WantedService, progress: Progress) -> None:
        """Adopt or start the service's host, if need be in the place of an earlier one, and stay until it is gone."""
        await progress.restart()
        found = await self._hosts.find(service)
        if found is None:
            host = await self._begin(service, progress)
        elif await self._recognise(service, found) == service.generation:
            host = found
        else:
            async with self._attended(service, found):
                host = await self._replace(service, found, progress)
        if host is not None:
            async with self._attended(service, host):
                await self._stay(service, host, progress)

    async def _recognise(self, service: WantedService, found: HostProcess) -> int:
        """The generation of a host that answers; from now on runs may come to it."""
        try:
            return await self._wanted.record_found(service, found.boot_id, found.pid, self._node)
        except BaseException:
            found.close()
            raise

    async def _begin(self, service: WantedService, progress: Progress) -> HostProcess:
        """A host for a service that has none that answers. Raises ServiceFailed."""
        await self._drain(service, "")
        return await self._bring_up(service, progress, is_served=False)

    async def _bring_up(self, service: WantedService, progress: Progress, *, is_served: bool) -> HostProcess:
        """Prepare and start, while no other replica of the service does. Raises ServiceFailed."""
        async with self._turns.setdefault(service.id, asyncio.Lock()):
            return await self._prepare_and_start(service, progress, is_served=is_served)

    async def _prepare_and_start(self, service: WantedService, progress: Progress, *, is_served: bool) -> HostProcess:
        """Prepare the service's environment and start its host. Raises ServiceFailed."""
        heard_at = 0.0

        async def say(line: str) -> None:
            nonlocal heard_at
            await progress.say(line)
            now = asyncio.get_running_loop().time()
            if not is_served and now - heard_at > SAY_S:
                heard_at = now
                await self._wanted.record_state(service, "deploying", f"Its environment is prepared. {line}")

        await progress.begin("prepare")
        python = await self._hosts.prepare(service, say)
        await progress.finish("its environment is there")
        await progress.begin("start")
        host = await self._start(service, python)
        await progress.finish(f"process {host.pid}")
        return host

    async def _start(self, service: WantedService, python: str) -> HostProcess:
        """Start a host that is on record before it is there, so that whoever comes after us finds it."""
        for left_behind in await self._wanted.unborn(service, self._node):
            await self._end_one(service, left_behind)  # coming up only now it would take the new one's place
        boot_id = uuid4().hex
        await self._wanted.record_start(service, boot_id, self._node)
        try:
            return await self._hosts.start(service, python, boot_id)
        except ServiceFailed:
            await self._wanted.record_end(service, boot_id, "failed")
            raise

    async def _replace(self, service: WantedService, found: HostProcess, progress: Progress) -> HostProcess | None:
        """A host for the one that serves; None when it does not come up: then the other one goes on."""
        try:
            return await self._bring_up(service, progress, is_served=True)
        except ServiceFailed as failure:
            self._lost[service.key] += 1
            pause = self._next_pause(service, INSTALL_AGAIN_S)
            log.warning("a service is not replaced", service=service.name, reason=str(failure)[-500:])
            reason = f"The process before goes on serving: the new one did not start. {failure}"
            await self._wanted.record_failure(service, "running", reason)
            await progress.fail(str(failure))
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await found.ended()
                    await self._wanted.record_end(service, found.boot_id, "crashed")
            return None

    async def _stay(self, service: WantedService, host: HostProcess, progress: Progress) -> None:
        """Record that the host serves, have an earlier one drained, and wait for its end."""
        began = asyncio.get_running_loop().time()
        try:
            await self._register(service, host, progress)
            log.info("service is up", service=service.name, pid=host.pid)
            await self._drain(service, host.boot_id)
            await host.ended()
        except asyncio.CancelledError:
            if service.key in self._leaving:  # it is ended by its handle: one that does not answer would not be found
                await host.stop()
                await self._wanted.record_end(service, host.boot_id, "stopped")
            raise
        await self._wanted.record_end(service, host.boot_id, "crashed")
        if asyncio.get_running_loop().time() - began > STEADY_S:
            self._pauses.pop(service.key, None)
        self._lost.pop(service.key, None)
        pause = self._next_pause(service)
        soon = "" if pause < 1 else f" in {pause:.0f} s"
        reason = f"Its host ended and is started again{soon}. {host.tail()}"
        await self._wanted.record_state(service, "deploying", reason)
        log.warning("host ended", service=service.name, pid=host.pid)
        await asyncio.sleep(pause)

    async def _register(self, service: WantedService, host: HostProcess, progress: Progress) -> None:
        """Ask the host for its flows and keep them. Raises ServiceFailed."""
        await progress.begin("probe")
        description = await host.describe()
        await progress.finish(f"{(found := len(description['flows']))} flow{'' if found == 1 else 's'}")
        await progress.begin("register")
        facts = HostFacts(host.boot_id, host.pid, self._node, service.generation)
        await self._wanted.record_up(service, facts, description)
        await progress.finish("flows and forms are kept")
        await progress.come_up()

    async def _drain(self, service: WantedService, boot_id: str) -> None:
        """Have every other host of the service that is on record by now ended, beside what else there is to do."""
        others = await self._wanted.others(service, self._node, boot_id)
        task = asyncio.create_task(self._end_each(service, others), name=f"drain {service.name}")
        self._draining.add(task)
        task.add_done_callback(self._draining.discard)

    async def _end_each(self, service: WantedService, hosts: list[str]) -> None:
        for boot_id in hosts:
            try:
                await self._end_one(service, boot_id, is_replaced=True)
            except Exception:  # the next host that comes up does it
                log.exception("a host could not be ended yet", service=service.name)

    async def _end_one(self, service: WantedService, boot_id: str, *, is_replaced: bool = False) -> None:
        was_there = await self._hosts.end(boot_id, is_replaced=is_replaced)
        await self._wanted.record_end(service, boot_id, "stopped" if was_there else "lost")

    @asynccontextmanager
    async def _attended(self, service: WantedService, host: HostProcess) -> AsyncGenerator[None]:
        """Listen to a host and watch it while the block runs, and let go of it afterwards."""
        beside = [asyncio.create_task(self._listen(host)), asyncio.create_task(self._watch(service, host))]
        try:
            yield
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            host.close()

    async def _watch(self, service: WantedService, host: HostProcess) -> None:
        """Kill a host that gives no sign of life: one whose every thread stands still cannot replace itself."""
        loop = asyncio.get_running_loop()
        heard_at = loop.time()
        while loop.time() - heard_at < self._silent_s:
            await asyncio.sleep(min(PULSE_S, self._silent_s / 4))
            if await host.answers():
                heard_at = loop.time()
        log.warning("a host was silent for too long and is replaced", service=service.name, pid=host.pid)
        host.kill()

    async def _listen(self, host: HostProcess) -> None:
        """Have parked runs driven again as soon as they have something to report."""
        while True:
            try:
                async for tenant_id, run_id in host.wakes():
                    await self._resume(tenant_id, run_id)
            except Exception as error:  # noqa: BLE001 - a lost wake would leave a run parked; the host repeats it
                log.warning("a parked run could not be woken yet", reason=str(error)[:200])
            await asyncio.sleep(AGAIN_S)
