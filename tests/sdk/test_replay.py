"""Whatever is cut off wherever: on replay every step has its own result, and nothing is told twice."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.sdk.log import Log
from windlass import Launch, ServeAPI, Tracer, forms
from windlass.host import wire
from windlass.host.branches import order_as_completed, task_factory
from windlass.host.orders import Order
from windlass.host.runs import Run
from windlass.host.steps import Steps

Agent = Callable[[Any, Tracer], Awaitable[Any]]
Inputs = dict[str, list[int]]
ITEMS = st.lists(st.integers(0, 3), min_size=1, max_size=6)
CUTS = st.lists(st.integers(1, 25), max_size=3)
PHASES = [Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink]  # no explanations: they crash under 3.11.7
CAREFULLY = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow], phases=PHASES)


@dataclass
class Life:
    """One life of a run, from its start to its end or to the event after which everything is lost."""

    run: Run
    log: Log
    cut_after: int | None

    async def live(self) -> Any:
        """Store events as they come; answers the end, or None when the life was cut."""
        outbox, woken = self.run.reports.outbox, asyncio.Event()
        loop = asyncio.get_running_loop()

        def wake() -> None:
            loop.call_soon_threadsafe(woken.set)

        outbox.link(wake)
        self.run.start()
        while True:
            await woken.wait()
            woken.clear()
            for taken in outbox.take():
                said = wire.decode(taken)
                if said["op"] == "end":
                    return said
                if said["op"] == "event":
                    outbox.ack(self.log.store(said))
                    if self.cut_after is not None and len(self.log.events) + self.log.repeats >= self.cut_after:
                        return None


@asynccontextmanager
async def branching() -> AsyncGenerator[None]:
    """The loop of a host, for the block."""
    order_as_completed()
    loop = asyncio.get_running_loop()
    loop.set_task_factory(task_factory)
    try:
        yield
    finally:
        loop.set_task_factory(None)


async def replayed(agent: Agent, items: list[int], cuts: list[int]) -> tuple[Any, Log]:
    """Run an agent whose process dies after each number of events; answers its value and the log."""
    app, log = ServeAPI(), Log()

    async def enter(request: Any) -> Launch:
        return Launch(request, f"{__name__}:{agent.__name__}", {"items": items})

    app.enter("/", forms.Model())(enter)
    flow = app.flows["/"]
    async with branching():
        for epoch, cut in enumerate([*cuts, None]):
            run = Run(Order("run", "/", {"items": items}, epoch=epoch), flow, app, Steps(log.steps(), 1))
            seen = len(log.events) + log.repeats
            end = await Life(run, log, None if cut is None else seen + cut).live()
            await _bury(run)
            if end is not None:
                return end, log
    raise AssertionError("the last life is never cut")


async def _bury(run: Run) -> None:
    """What a kill -9 does to a run, as far as it can be done from inside."""
    run.reports.is_cancelled = True
    run.reports.outbox.close_with(b"")
    run.reports.outbox.discard()
    for task in [*run.reports.tasks, run.task]:
        if task is not None and not task.done():
            task.cancel()
            await asyncio.wait([task])


async def double(item: int) -> int:
    """Take longer for some, so that branches overtake each other."""
    await asyncio.sleep(item / 2000)
    return item * 2


def double_in_a_thread(item: int) -> int:
    """The same without await."""
    return item * 2


async def one_after_the_other(inputs: Inputs, tracer: Tracer) -> list[Any]:
    """A loop."""
    return [[item, await tracer.step("double", double, item)] for item in inputs["items"]]


async def gathered(inputs: Inputs, tracer: Tracer) -> list[Any]:
    """All at once."""

    async def work(item: int) -> list[int]:
        await tracer.action(f"take {item}")
        return [item, await tracer.step("double", double, item)]

    return list(await asyncio.gather(*(work(item) for item in inputs["items"])))


async def completed(inputs: Inputs, tracer: Tracer) -> list[Any]:
    """In the order of their ends."""

    async def work(place: int, item: int) -> list[int]:
        await tracer.action(f"take {place}")
        result = await tracer.step("double", double, item)
        await tracer.action(f"have {place}")
        return [item, result]

    return [await each for each in asyncio.as_completed([work(*pair) for pair in enumerate(inputs["items"])])]


async def queued(inputs: Inputs, tracer: Tracer) -> list[Any]:
    """Workers pull from a queue: which of them gets what differs in every life."""
    queue: asyncio.Queue[int] = asyncio.Queue()
    for item in inputs["items"]:
        queue.put_nowait(item)
    results: list[list[int]] = []

    async def work() -> None:
        while not queue.empty():
            item = queue.get_nowait()
            results.append([item, await tracer.step("double", double, item)])

    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(work())
    return results


async def threaded(inputs: Inputs, tracer: Tracer) -> list[Any]:
    """Plain functions in threads, some of which take steps themselves."""

    def work(item: int) -> list[int]:
        tracer.debug_sync(f"thread {item}")
        return [item, tracer.step_sync("double", double_in_a_thread, item)]

    items = inputs["items"]
    async with asyncio.TaskGroup() as group:
        outer = [group.create_task(asyncio.to_thread(work, item)) for item in items]
        inner = [group.create_task(tracer.step("triple", double_in_a_thread, item)) for item in items]
    assert [task.result() for task in inner] == [item * 2 for item in items]
    return [task.result() for task in outer]


def check(end: Any, log: Log, items: list[int]) -> None:
    """Every item has its own result; every step has one end; no event is there twice."""
    assert end["outcome"] == "finished", end
    pairs = [[inner["int"] for inner in pair["__list__"]] for pair in end["value"]["__list__"]]
    assert sorted(pairs) == sorted([item, item * 2] for item in items)
    ends = [payload["key"] for payload in log.of("step") if payload["state"] == "done"]
    assert len(ends) == len(set(ends))


@CAREFULLY
@given(items=ITEMS, cuts=CUTS)
def test_steps_one_after_the_other(items: list[int], cuts: list[int]):
    check(*asyncio.run(replayed(one_after_the_other, items, cuts)), items)


@CAREFULLY
@given(items=ITEMS, cuts=CUTS)
def test_gathered_steps_and_their_reports(items: list[int], cuts: list[int]):
    end, log = asyncio.run(replayed(gathered, items, cuts))

    check(end, log, items)
    assert sorted(payload["str"] for payload in log.of("action")) == sorted(f"take {item}" for item in items)


@CAREFULLY
@given(items=ITEMS, cuts=CUTS)
def test_steps_in_the_order_of_their_ends(items: list[int], cuts: list[int]):
    end, log = asyncio.run(replayed(completed, items, cuts))

    check(end, log, items)
    told = [payload["str"] for payload in log.of("action")]
    assert sorted(told) == sorted(f"{word} {place}" for place in range(len(items)) for word in ("take", "have"))


@CAREFULLY
@given(items=ITEMS, cuts=CUTS)
def test_steps_for_work_from_a_queue(items: list[int], cuts: list[int]):
    check(*asyncio.run(replayed(queued, items, cuts)), items)


@CAREFULLY
@given(items=ITEMS, cuts=CUTS)
def test_steps_in_threads(items: list[int], cuts: list[int]):
    end, log = asyncio.run(replayed(threaded, items, cuts))

    check(end, log, items)
