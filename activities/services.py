"""Keeping services up: a plain loop of what is wanted against what runs."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any, Protocol

import structlog

from windlass.contracts.ids import ServiceId
from windlass.core.wanted import HostFacts, Wanted, WantedService

LOOK_S = 1.0
PAUSE_FIRST_S, PAUSE_LAST_S = 0.05, 30.0
AGAIN_S = 0.5
LOST_MOST = 3  # hosts in a row that were killed before they served: after that it is the service's fault
STEADY_S = 10.0  # a host that stood so long starts again at once when it dies
PULSE_S, SILENT_S = 5.0, 60.0  # a host is asked for a sign of life so often, and replaced after so long without one

Resume = Callable[[str, str], Awaitable[None]]  # (tenant id, run id); raises when it could not be said

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class ServiceFailed(Exception):
    """The service did not come up; the text says why, with the last lines it printed."""


class HostLost(ServiceFailed):
    """The host was killed before it served, which alone says nothing about the service."""


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

    async def start(self, service: WantedService) -> HostProcess:
        """Start a host and wait until it answers. Raises ServiceFailed."""
        ...


class ServiceKeeper:
    """Keeps one host per enabled service; a host outlives the keeper, and the next one adopts it."""

    def __init__(self, wanted: Wanted, hosts: Hosts, resume: Resume, node: str, *, silent_s: float = SILENT_S) -> None:
        self._wanted = wanted
        self._silent_s = silent_s
        self._resume = resume
        self._hosts = hosts
        self._node = node
        self._keeping: dict[ServiceId, tuple[WantedService, asyncio.Task[None]]] = {}
        self._leaving: dict[ServiceId, asyncio.Task[None]] = {}
        self._lost: Counter[ServiceId] = Counter()
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
                    await self._compare({service.id: service for service in await self._wanted.services()})
                except Exception:  # the loop outlives every failure: without it no service would come back
                    log.exception("services could not be compared")
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        await self._look.wait()
        finally:
            tasks = [*(task for _service, task in self._keeping.values()), *self._leaving.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _compare(self, wanted: dict[ServiceId, WantedService]) -> None:
        for service_id, (service, task) in list(self._keeping.items()):
            if wanted.get(service_id) != service:
                del self._keeping[service_id]
                leaving = asyncio.create_task(self._let_go(service, task), name=f"let go {service.name}")
                self._leaving[service_id] = leaving  # beside the others, which must not wait for it
        for service_id, service in wanted.items():
            if service_id not in self._keeping and service_id not in self._leaving:
                self._keeping[service_id] = (
                    service,
                    asyncio.create_task(self._keep(service), name=f"keep {service.name}"),
                )

    async def _let_go(self, service: WantedService, keeping: asyncio.Task[None]) -> None:
        """End the host of a service that is not wanted any more, or not like this; go on until it is gone."""
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        while True:
            try:
                await self._end(service)
                break
            except Exception:  # a host that is forgotten here would live for ever
                log.exception("a host could not be ended yet", service=service.name)
            await asyncio.sleep(AGAIN_S)
        del self._leaving[service.id]
        self._look.set()

    async def _end(self, service: WantedService) -> None:
        host = await self._hosts.find(service)
        if host is not None:
            await host.stop()
            await self._wanted.record_end(service, host.boot_id, "stopped")
            host.close()
        await self._wanted.record_lost(service, self._node, None)

    async def _tidy(self) -> None:
        """Once: end the hosts of services that went while nobody watched."""
        if not self._is_tidy:
            for service in await self._wanted.strays(self._node):
                await self._end(service)
            self._is_tidy = True

    async def _keep(self, service: WantedService) -> None:
        pause = PAUSE_FIRST_S
        while True:
            began = asyncio.get_running_loop().time()
            try:
                await self._try_to_serve(service)
            except Exception:  # a database that is away for a moment must not end the keeping
                log.exception("service could not be kept", service=service.name)
            if asyncio.get_running_loop().time() - began > STEADY_S:
                pause = PAUSE_FIRST_S
            await asyncio.sleep(pause)
            pause = min(pause * 2, PAUSE_LAST_S)

    async def _try_to_serve(self, service: WantedService) -> None:
        try:
            await self._serve(service)
            del self._lost[service.id]
        except ServiceFailed as failure:
            self._lost[service.id] += 1
            may_pass = isinstance(failure, HostLost) and self._lost[service.id] < LOST_MOST
            log.warning("service is not up", service=service.name, reason=str(failure)[-500:])
            await self._wanted.record_state(service, "deploying" if may_pass else "unhealthy", str(failure))

    async def _serve(self, service: WantedService) -> None:
        """Adopt or start the service's host and stay until it is gone."""
        host = await self._adopted(service) or await self._hosts.start(service)
        try:
            facts = HostFacts(host.boot_id, host.pid, self._node, service.generation)
            await self._wanted.record_up(service, facts, await host.describe())
            log.info("service is up", service=service.name, pid=host.pid)
            beside = [asyncio.create_task(self._listen(host)), asyncio.create_task(self._watch(service, host))]
            try:
                await host.ended()
            finally:
                for task in beside:
                    task.cancel()
        except asyncio.CancelledError:
            if service.id in self._leaving:  # it is ended by its handle: one that does not answer would not be found
                await host.stop()
                await self._wanted.record_end(service, host.boot_id, "stopped")
            raise
        finally:
            host.close()
        await self._wanted.record_end(service, host.boot_id, "crashed")
        await self._wanted.record_state(service, "deploying", f"Its host ended and is started again. {host.tail()}")
        log.warning("host ended", service=service.name, pid=host.pid)

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

    async def _adopted(self, service: WantedService) -> HostProcess | None:
        host = await self._hosts.find(service)
        generation = None if host is None else await self._wanted.generation_of(service, host.boot_id)
        if host is not None and generation not in (None, service.generation):
            await host.stop()
            await self._wanted.record_end(service, host.boot_id, "stopped")
            host.close()
            host = None
        await self._wanted.record_lost(service, self._node, None if host is None else host.boot_id)
        return host
