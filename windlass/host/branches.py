"""Branches: every asyncio task of a run has a stable name, so that replayed events find their old places."""

import asyncio
import hashlib
from collections.abc import Callable, Coroutine, Generator, Iterable, Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context
from functools import wraps
from typing import Any, Protocol

from windlass.contracts.events import EventKind
from windlass.host.output import Lines

LONGEST_NAME = 100


class Place:
    """Where events of one producer go: the n-th has `pseq` n."""

    __slots__ = ("count", "producer")

    def __init__(self, producer: str, count: int = 0) -> None:
        self.producer = producer
        self.count = count

    def next(self) -> int:
        """The next ordinal; call it under the outbox's lock."""
        self.count += 1
        return self.count


class Owner(Protocol):
    """The run a branch belongs to."""

    def adopt(self, task: asyncio.Task[Any]) -> None:
        """Remember a task of the run."""
        ...

    def write(self, branch: "Branch", kind: EventKind, text: str) -> None:
        """Take what code of the run printed."""
        ...


class Branch:
    """One line of execution within a run."""

    __slots__ = ("_children", "_lines", "events", "name", "out", "owner")

    def __init__(self, owner: Owner, name: str) -> None:
        self.owner = owner
        self.name = name if len(name) <= LONGEST_NAME else "~" + hashlib.sha256(name.encode()).hexdigest()[:16]
        self.events = Place(f"agent:{self.name}")
        self.out = Place(f"out:{self.name}")
        self._children = 0
        self._lines: dict[EventKind, Lines] = {}

    def child(self) -> "Branch":
        """The branch of the next task started from here."""
        self._children += 1
        return Branch(self.owner, f"{self.name}.{self._children}")

    def lines(self, kind: EventKind) -> Lines:
        """The line being written on stdout or stderr."""
        return self._lines.setdefault(kind, Lines())

    def has_unfinished_lines(self) -> bool:
        """Whether something was written without an end of line."""
        return any(self._lines.values())

    def unfinished_lines(self) -> Iterator[tuple[EventKind, str]]:
        """What was written without an end of line."""
        for kind, lines in self._lines.items():
            yield kind, lines.rest()


_current: ContextVar[Branch | None] = ContextVar("windlass_branch", default=None)
_heir: Branch | None = None


def current_branch() -> Branch | None:
    """The branch of the running code; `None` outside of a run and in threads a run did not start through its tracer."""
    return _current.get()


def branch_of_output() -> Branch | None:
    """The branch that gets what the running code prints; `None` when no run does."""
    return _current.get() or _heir


def inherit_output(branch: Branch) -> None:
    """From now on this branch gets what is printed outside of every branch: the process belongs to one run."""
    global _heir  # noqa: PLW0603 (a fact about the process, like sys.stdout)
    _heir = branch


@contextmanager
def inside(branch: Branch) -> Generator[None]:
    """Run the block as part of a branch."""
    token = _current.set(branch)
    try:
        yield
    finally:
        _current.reset(token)


def context_of(branch: Branch) -> Context:
    """A copy of the current context that belongs to a branch."""
    context = copy_context()
    context.run(_current.set, branch)
    return context


def task_factory(
    loop: asyncio.AbstractEventLoop,
    coro: Coroutine[Any, Any, Any] | Generator[Any, None, Any],
    context: Context | None = None,
    **options: Any,
) -> asyncio.Task[Any]:
    """Start a task in a branch of its own below the branch that starts it."""
    parent = current_branch()
    if parent is not None and context is None:
        context = context_of(parent.child())
    task = asyncio.Task(coro, loop=loop, context=context, **options)
    if parent is not None:
        parent.owner.adopt(task)
    return task


def order_as_completed() -> None:
    """Let `asyncio.as_completed` start its tasks in the order they are given.

    The original starts them in the order of a set of objects, which differs between two lives of a run.
    """
    original: Callable[..., Any] = asyncio.as_completed
    if hasattr(original, "__wrapped__"):
        return

    @wraps(original)
    def as_completed(fs: Iterable[Any], *, timeout: float | None = None) -> Any:
        if asyncio.isfuture(fs) or asyncio.iscoroutine(fs):
            return original(fs, timeout=timeout)
        return original([asyncio.ensure_future(each) for each in dict.fromkeys(fs)], timeout=timeout)

    asyncio.as_completed = as_completed
