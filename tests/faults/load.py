"""Runs under load while something breaks, and what must be true of each of them afterwards."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import median

from tests.faults.stack import until
from tests.faults.watchers import Watcher
from windlass.client import AsyncClient, Event

AGENT = "stepping/steps"
HANGS_UP_AFTER = 7
PAGE = 500
LAST = 20


@dataclass(frozen=True, slots=True)
class Load:
    """So many runs at once, of so many steps, each of so many seconds."""

    runs: int
    steps: int
    step_s: float

    @property
    def patience_s(self) -> float:
        """How long it may take until all of it is done, faults included."""
        return 60 + 4 * self.steps * self.step_s


@dataclass(frozen=True, slots=True)
class Followed:
    """A run with its outside marks and the clients that follow it."""

    run_id: str
    marks: Path
    watchers: Sequence[Watcher]
    watching: Sequence["asyncio.Task[None]"]

    @property
    def steps_done(self) -> int:
        """How many steps its clients know to be done."""
        return min(watcher.steps_done for watcher in self.watchers)


@asynccontextmanager
async def in_flight(client: AsyncClient, load: Load, marks: Path) -> AsyncGenerator[list[Followed]]:
    """Runs of which every one has done a fifth of its steps, each followed by two clients."""
    followed = await asyncio.gather(*(follow(client, load, marks / str(n)) for n in range(load.runs)))

    async def all_work() -> bool:
        return all(each.steps_done >= load.steps // 5 for each in followed)

    try:
        await until(all_work, "every run is at work", load.patience_s)
        yield followed
    finally:
        for each in followed:
            for task in each.watching:
                task.cancel()


async def follow(client: AsyncClient, load: Load, marks: Path, agent: str = AGENT) -> Followed:
    """Start a run and follow it with a steady client and one that hangs up again and again."""
    run = await client.runs.start(agent, {"marks": str(marks), "n": load.steps, "seconds": load.step_s})
    watchers = [Watcher(client.http, run.id), Watcher(client.http, run.id, hangs_up_after=HANGS_UP_AFTER)]
    return Followed(run.id, marks, watchers, [asyncio.create_task(watcher.watch()) for watcher in watchers])


async def finish(followed: Sequence[Followed], patience_s: float) -> None:
    """Wait until every client has seen the end of its run."""
    tasks = [task for each in followed for task in each.watching]
    _, waiting = await asyncio.wait(tasks, timeout=patience_s)
    late = {each.run_id: each.steps_done for each in followed if waiting & set(each.watching)}
    assert not late, f"still not over after {patience_s:.0f} s, by steps done: {late}"
    await asyncio.gather(*tasks)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one run: its whole log, and how often each step was executed."""

    events: Sequence[Event]
    executions: Counter[int]
    lag_s: float  # how late the steady client heard the last events that came live, in the middle

    @property
    def repeated(self) -> int:
        """How many steps were executed more than once."""
        return sum(count > 1 for count in self.executions.values())

    def silence_s(self, since: datetime, step_s: float) -> float:
        """The longest pause of the log that ended after a moment, counted from that moment, less a step's own time."""
        times = [each.at for each in self.events if each.at is not None]
        gaps = (after - max(before, since) for before, after in pairwise(times) if after > since)
        return max(max(gaps, default=timedelta()).total_seconds() - step_s, 0.0)


async def examine(client: AsyncClient, each: Followed, load: Load) -> Outcome:
    """Assert everything that is promised of a run, whatever happened meanwhile."""
    run, events = await client.runs.get(each.run_id), await whole_log(client, each.run_id)
    steps = (await client.http.get(f"/v1/runs/{each.run_id}/steps")).raise_for_status().json()["items"]
    seqs = list(range(1, len(events) + 1))
    executions = Counter(int(line) for line in each.marks.read_text().split())

    assert run.status == "finished", run.error
    assert run.result == {"dict": {"taken": list(range(load.steps))}}
    assert [event.seq for event in events] == seqs
    assert [watcher.seqs for watcher in each.watchers] == [seqs, seqs]
    assert [step["state"] for step in steps] == ["done"] * load.steps
    assert_steps_recorded(events, executions, load)
    return Outcome(events, executions, median(each.watchers[0].lags_s[-LAST:] or [0.0]))


def assert_steps_recorded(events: Sequence[Event], executions: Counter[int], load: Load) -> None:
    """Every step is done once; one that was executed again says so."""
    assert_done_once(events, load)
    step_events = [event.payload for event in events if event.kind == "step"]
    begun = Counter(payload["name"] for payload in step_events if payload["state"] in ("started", "repeated"))
    repeated = {payload["name"]: payload["execution"] for payload in step_events if payload["state"] == "repeated"}
    for number in range(load.steps):
        name = f"step {number}"
        assert 1 <= executions[number] <= begun[name], f"{name} was executed {executions[number]} times"
        assert begun[name] == repeated.get(name, 1), f"{name} says execution {repeated.get(name, 1)}"


def assert_done_once(events: Sequence[Event], load: Load) -> None:
    """The log has no gap and every step is recorded once."""
    done = Counter(
        event.payload["name"] for event in events if event.kind == "step" and event.payload["state"] == "done"
    )
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert done == Counter({f"step {number}": 1 for number in range(load.steps)})


async def whole_log(client: AsyncClient, run_id: str) -> list[Event]:
    """Every event of a run."""
    events: list[Event] = []
    while True:
        page = await client.runs.events(run_id, after=len(events), limit=PAGE)
        events += page.items
        if page.next is None:
            return events
