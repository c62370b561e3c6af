"""A killer: takes a random part of a stack every few seconds, one after the other, and says when it did."""

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tests.faults.stack import Stack, end, until
from windlass.client import ApiError, AsyncClient, Unreachable
from windlass.core.supervision import ProcessId

Find = Callable[[], Awaitable[Sequence[ProcessId]]]
PARTS = ("gateway", "worker-runs", "worker-machine", "postgres", "temporal", "standin")
PATIENCE_S = 240.0


@dataclass(frozen=True, slots=True)
class Kill:
    """A part, and when it died."""

    part: str
    at: datetime


@dataclass(slots=True)
class Killer:
    """Kills one part after the other in random rounds: each once, `first` before all, then each again in another order.

    `progress` grows when what the parts do gets on. A part that has died dies again only after that: on a machine
    that starts it more slowly than it is killed nothing would ever come to an end, and nothing could.
    """

    victims: Mapping[str, Find]
    progress: Callable[[], int]
    seed: str
    rounds: int
    first: str = ""
    kills: list[Kill] = field(default_factory=list[Kill])
    enough: asyncio.Event = field(default_factory=asyncio.Event)
    _spared: dict[str, int] = field(default_factory=dict[str, int])  # until there was more progress than that

    async def kill(self, pause_s: float) -> None:
        """Kill one every few seconds, so many rounds or until it is enough; nobody is half dead then."""
        chance = random.Random(self.seed)  # noqa: S311 - a failure must be repeatable
        for _ in range(self.rounds):
            order = chance.sample(sorted(self.victims), len(self.victims))
            for part in order if self.kills else sorted(order, key=lambda part: part != self.first):
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.enough.wait(), pause_s)
                    return
                await self._strike(part)

    def between(self, begin: datetime, finish: datetime, *parts: str) -> bool:
        """Whether one of these parts died then."""
        return any(kill.part in parts and begin <= kill.at <= finish for kill in self.kills)

    def __str__(self) -> str:
        died = ", ".join(f"{kill.part} {kill.at:%H:%M:%S.%f}" for kill in self.kills)
        return f"seed {self.seed}: {died}"

    async def _strike(self, part: str) -> None:
        found: list[ProcessId] = []

        async def is_there() -> bool:
            if self.enough.is_set():
                return True
            found[:] = [process for process in await self.victims[part]() if process.is_alive]
            return bool(found) and self.progress() > self._spared.get(part, -1)

        await until(is_there, f"{part} is back, and there was progress", PATIENCE_S)
        if not self.enough.is_set():
            self._spared[part] = self.progress()
            self.kills.append(Kill(part, datetime.now(UTC)))
            await end(found)


@asynccontextmanager
async def killing(killer: Killer, pause_s: float) -> AsyncGenerator[Killer]:
    """Something dies every few seconds. Raises what went wrong with that."""
    task = asyncio.create_task(killer.kill(pause_s))
    try:
        yield killer
    finally:
        killer.enough.set()
        await task


def parts_of(stack: Stack, client: AsyncClient, service: str) -> dict[str, Find]:
    """Every part that a stack consists of, the host of a service among them once the service is said to run."""

    def child(name: str) -> Find:
        async def found() -> Sequence[ProcessId]:
            process = stack.children().get(name)
            return [] if process is None else [process]

        return found

    async def host() -> Sequence[ProcessId]:
        with suppress(Unreachable, ApiError):  # whoever should say it is on its way up
            if (await client.services.get(service)).state == "running":
                return await stack.hosts()
        return []

    return {**{name: child(name) for name in PARTS}, "host": host}
