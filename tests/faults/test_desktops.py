"""kill -9 of the worker for desktops while it makes them, works in them, looks at them, removes them."""

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from activities.adapters.blueprints import container_name
from activities.adapters.engine import DockerEngine, Program
from tests.faults.conftest import FORM
from tests.faults.figures import Report, Tally
from tests.faults.stack import Stack, until
from windlass.client import ApiError, AsyncClient, Run, Screenshot

WORKER = "worker-machine"
LIVES = {"full": 5, "short": 1}[FORM]  # of three desktops each, with a kill in each of four phases
AT_ONCE = 3
DELAYS_S = (0.3, 0.05, 0.6, 0.15, 1.0)  # from the wish to the kill
SCREEN_DELAYS_S = (0.02, 0.0, 0.05, 0.1, 0.2)
GONE_S = 120.0  # whatever is killed, after two minutes all is as it should be
LINES = 12
PRINTED = [f"line {number}" for number in range(1, LINES + 1)]
EXIT_CODES = {0: "finished", 3: "failed"}


@dataclass(slots=True)
class House:
    """Three desktops over their life, seen by their owner and by the engine."""

    stack: Stack
    client: AsyncClient
    engine: DockerEngine
    tallies: dict[str, Tally]
    ids: list[str] = field(default_factory=list[str])

    async def make(self, delay_s: float) -> None:
        """Wish for the desktops; in the end each has one container, one network, one home."""
        self.ids = [(await self.client.desktops.create()).id for _ in range(AT_ONCE)]
        await self._strike("made", delay_s, self._are_idle)
        for kinds in [await self._held(each) for each in self.ids]:
            assert all(kinds.values()), kinds
            self.tallies["made"].doubled += sum(kinds.values()) - len(kinds)

    async def work(self, delay_s: float) -> None:
        """Give each a script: one ends well, one badly, one is cancelled; all of them as their runs say."""
        scripts = [script(code) for code in EXIT_CODES]
        endless = "sleep 300 & echo $! > ~/child; echo begun >> ~/begun; wait"
        runs = [
            await self.client.desktops.give(desktop, text)
            for desktop, text in zip(self.ids, (*scripts, endless), strict=True)
        ]

        async def are_over() -> None:
            await self._cancel(runs[-1], self.ids[-1])
            await until(lambda: self._have_ended(runs), "every task has ended", GONE_S)

        await self._strike("worked in", delay_s, are_over)
        for number, (code, status) in enumerate(EXIT_CODES.items()):
            self._compare(await self._record(runs[number], self.ids[number]), (status, code, PRINTED, "begun\n"))
        child = await self._said(self.ids[-1], "kill -0 $(cat ~/child) 2>/dev/null && echo goes on || echo stopped")
        self._compare(((await self.client.runs.get(runs[-1].id)).status, child), ("cancelled", "stopped\n"))

    async def look(self, delay_s: float) -> None:
        """Ask for the screens; in the end each has a whole picture."""
        asked = [asyncio.create_task(self.client.desktops.screenshot(each)) for each in self.ids]
        shots: list[Screenshot] = []

        async def are_seen() -> bool:
            try:
                shots[:] = [await self.client.desktops.screenshot(each) for each in self.ids]
            except ApiError:
                return False
            return True

        async def are_whole() -> None:
            await asyncio.gather(*asked, return_exceptions=True)
            await until(are_seen, "every screen is seen", GONE_S)

        await self._strike("looked at", delay_s, are_whole)
        for shot in shots:
            assert Image.open(BytesIO(await self.client.desktops.picture(shot))).size == (1280, 800)

    async def remove(self, delay_s: float) -> None:
        """Delete the desktops; in the end nothing of them is left."""
        for each in self.ids:
            await self.client.desktops.delete(each)

        async def is_nothing_left() -> bool:
            return not any([sum((await self._held(each)).values()) for each in self.ids])

        async def are_gone() -> None:
            await until(is_nothing_left, "nothing is left of them", GONE_S)

        await self._strike("removed", delay_s, are_gone)

    async def orphans(self) -> int:
        """What the engine still holds of them."""
        return sum([sum((await self._held(each)).values()) for each in self.ids])

    async def _strike(self, phase: str, delay_s: float, mended: Callable[[], Awaitable[None]]) -> None:
        """Kill the worker in the middle, and measure until everything is as it was wished."""
        await asyncio.sleep(delay_s)
        struck = time.monotonic()
        await self.stack.kill(WORKER)
        await mended()
        self.tallies[phase].took_s.append(round(time.monotonic() - struck, 2))
        await self.stack.is_whole()

    async def _are_idle(self) -> None:
        async def are_idle() -> bool:
            found = {each.id: each for each in (await self.client.desktops.list()).items}
            lost = [found[each].reason for each in self.ids if found[each].status == "lost"]
            assert not lost, lost
            return all(found[each].status == "idle" for each in self.ids)

        await until(are_idle, "every desktop is idle", GONE_S)

    async def _cancel(self, run: Run, desktop_id: str) -> None:
        """Cancel the task once it has begun."""

        async def has_begun() -> bool:
            return await self._said(desktop_id, "cat ~/begun 2>/dev/null") == "begun\n"

        await until(has_begun, "the endless task has begun", GONE_S)
        await self.client.runs.cancel(run.id)

    async def _have_ended(self, runs: Sequence[Run]) -> bool:
        return not any([(await self.client.runs.get(run.id)).is_live for run in runs])

    async def _record(self, run: Run, desktop_id: str) -> tuple[object, ...]:
        """What the run's record says became of its script, and how often its home says it was begun."""
        ended = await self.client.runs.get(run.id)
        printed = [event.payload["text"] for event in (await self.client.runs.events(run.id, kinds=["stdout"])).items]
        failure = re.search(r"exit code (\d+)", str(ended.error))
        code = int(failure[1]) if failure else 0
        return ended.status, code, printed, await self._said(desktop_id, "cat ~/begun")

    def _compare(self, found: tuple[object, ...], wanted: tuple[object, ...]) -> None:
        if found != wanted:
            self.tallies["worked in"].untrue.append(f"{found} instead of {wanted}")

    async def _held(self, desktop_id: str) -> dict[str, int]:
        """How many things of each kind the engine holds of a desktop."""
        ours = json.dumps({"label": [f"windlass.desktop={desktop_id}"]})
        containers: list[Any] = await self.engine.ask("GET", "/containers/json", all="true", filters=ours)
        networks: list[Any] = await self.engine.ask("GET", "/networks", filters=ours)
        volumes: list[Any] = (await self.engine.ask("GET", "/volumes", filters=ours))["Volumes"] or []
        return {"containers": len(containers), "networks": len(networks), "volumes": len(volumes)}

    async def _said(self, desktop_id: str, line: str) -> str:
        """What a line of shell says in a desktop."""
        return (await self.engine.run(Program(container_name(desktop_id), ("sh", "-c", line)))).out.decode()


def script(code: int) -> str:
    """Print lines for a while, and leave one in the home for every time it was begun."""
    return f"echo begun >> ~/begun; for n in $(seq {LINES}); do echo line $n; sleep 0.1; done; exit {code}"


@pytest.mark.timeout(900)
@pytest.mark.usefixtures("image")
async def test_desktops_survive_the_death_of_their_worker_at_any_moment(
    stack: Stack, client: AsyncClient, docker: DockerEngine, report: Report
):
    tallies = {phase: Tally(phase) for phase in ("made", "worked in", "looked at", "removed")}
    houses = [House(stack, client, docker, tallies) for _ in range(LIVES)]

    async def is_met() -> bool:
        return "Docker " in (await client.http.get("/ready")).text

    await until(is_met, "the worker for desktops has met the engine", GONE_S)
    for number, house in enumerate(houses):
        await house.make(DELAYS_S[number])
        await house.work(DELAYS_S[(number + 1) % len(DELAYS_S)])
        await house.look(SCREEN_DELAYS_S[number])
        await house.remove(DELAYS_S[(number + 2) % len(DELAYS_S)])

    tallies["removed"].orphans = sum([await house.orphans() for house in houses])
    report.add_desktops(list(tallies.values()))
    for tally in tallies.values():
        assert (tally.orphans, tally.doubled, tally.untrue) == (0, 0, []), tally
