"""Every task of a run has a stable name; what it prints stays its own."""

import asyncio
import io
from typing import Any

from windlass.contracts.events import EventKind
from windlass.host.branches import (
    Branch,
    context_of,
    current_branch,
    order_as_completed,
    task_factory,
)
from windlass.host.output import Lines, RoutedStream, capped


class Owner:
    """A run that only remembers."""

    def __init__(self) -> None:
        self.tasks: list[asyncio.Task[Any]] = []
        self.written: list[str] = []

    def adopt(self, task: asyncio.Task[Any]) -> None:
        self.tasks.append(task)

    def write(self, branch: Branch, kind: EventKind, text: str) -> None:
        self.written.append(f"{branch.name} {kind} {text}")


async def _name() -> str:
    await asyncio.sleep(0)
    branch = current_branch()
    return branch.name if branch else "none"


def in_a_run(agent: Any) -> Any:
    """The result of a coroutine function run in branch `0` of a loop like a host's."""

    async def main() -> Any:
        loop = asyncio.get_running_loop()
        loop.set_task_factory(task_factory)
        return await loop.create_task(agent(), context=context_of(Branch(Owner(), "0")))

    return asyncio.run(main())


def test_tasks_are_numbered_below_the_task_that_starts_them():
    async def agent() -> list[Any]:
        async def deeper() -> list[str]:
            return [await _name(), *await asyncio.gather(_name(), _name())]

        return [await _name(), await asyncio.gather(deeper(), deeper())]

    assert in_a_run(agent) == ["0", [["0.1", "0.1.1", "0.1.2"], ["0.2", "0.2.1", "0.2.2"]]]


def test_as_completed_starts_tasks_in_the_order_they_are_given():
    order_as_completed()
    order_as_completed()

    async def agent() -> list[str]:
        return [await each for each in asyncio.as_completed([_name() for _ in range(20)])]

    assert in_a_run(agent) == [f"0.{n}" for n in range(1, 21)]


def test_a_thread_belongs_to_the_branch_that_sent_it():
    async def agent() -> str:
        return await asyncio.to_thread(lambda: getattr(current_branch(), "name", "none"))

    assert in_a_run(agent) == "0"


def test_tasks_outside_of_a_run_have_no_branch():
    async def main() -> str:
        asyncio.get_running_loop().set_task_factory(task_factory)
        return await asyncio.create_task(_name())

    assert asyncio.run(main()) == "none"


def test_very_deep_branches_have_short_names():
    branch = Branch(Owner(), "0")
    for _ in range(200):
        branch = branch.child()

    assert len(branch.name) <= 100


def test_text_is_cut_into_lines_whatever_it_is_written_in():
    lines = Lines()

    said = [*lines.feed("a"), *lines.feed("b\nc\n\nd"), *lines.feed("  \n"), *lines.feed("10%\r20%\n")]

    assert said == ["ab", "c", "", "d", "20%"]
    assert not lines


def test_an_endless_line_is_cut():
    lines = Lines()
    for _ in range(30):
        list(lines.feed("x" * 100_000))

    assert lines.rest().endswith("x … (1951424 more characters were dropped)")
    assert capped("x" * 2**21).endswith("x … (1048576 more characters were dropped)")


def test_what_no_run_takes_goes_where_it_always_went():
    original, taken = io.StringIO(), list[str]()

    def route(kind: EventKind, text: str) -> bool:
        taken.append(text)
        return text.startswith("run")

    stream = RoutedStream(original, EventKind.STDOUT, route)
    stream.writelines(["run a", "host b"])

    assert taken == ["run a", "host b"]
    assert original.getvalue() == "host b"
    assert not stream.isatty()
    assert stream.closed is False
