"""Tracer: how an agent reports progress and makes its work durable, from inside a run."""

import traceback
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, overload

from windlass.asking import Asking
from windlass.contracts.events import EventKind, Payload
from windlass.contracts.questions import DEFAULT_TIMEOUT_S
from windlass.files import AsyncFileSystem, FileAccess, FileSystem
from windlass.forms import Model
from windlass.response import HTML, Markdown, Text
from windlass.steps import StepCall
from windlass.values import typed

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RunFacts:
    """Who and what a run is."""

    run_id: str
    tenant_id: str | None = None
    user_id: str | None = None
    agent: str | None = None
    attempt: int = 1


class Reports(Protocol):
    """Where a tracer's calls go: the host in a run, a list in a test."""

    @property
    def facts(self) -> RunFacts:
        """Who and what the run is."""
        ...

    async def report(self, kind: EventKind, payload: Payload) -> None:
        """Accept an event; waits while too many are not stored yet."""
        ...

    def report_sync(self, kind: EventKind, payload: Payload) -> None:
        """Accept an event from code that cannot await."""
        ...

    async def step(self, call: StepCall) -> Any:
        """Execute a step or return its record."""
        ...

    def step_sync(self, call: StepCall) -> Any:
        """Execute a step in the calling thread or return its record."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait; the time is recorded."""
        ...

    async def ask(self, call: Asking) -> Any:
        """Ask a person and wait for the answer."""
        ...

    def files(self) -> FileAccess:
        """How the run reaches its files."""
        ...


class Tracer:
    """Report progress, results, steps, sleeps and questions from inside a run.

    Each `…_sync` method is the twin for code that cannot await; inside a thread it waits like its twin.
    """

    is_tracer = True

    def __init__(self, reports: Reports) -> None:
        self._reports = reports

    @property
    def run_id(self) -> str:
        """The id of the run."""
        return self._reports.facts.run_id

    @property
    def fid(self) -> str:
        """The id of the run, by its Kodosumi name."""
        return self.run_id

    @property
    def user_id(self) -> str | None:
        """Who started the run."""
        return self._reports.facts.user_id

    @property
    def tenant_id(self) -> str | None:
        """The organisation the run belongs to."""
        return self._reports.facts.tenant_id

    @property
    def attempt(self) -> int:
        """Which attempt this is, from 1."""
        return self._reports.facts.attempt

    async def debug(self, *messages: str) -> None:
        """Report something for developers."""
        await self._reports.report(EventKind.DEBUG, _lines(messages))

    def debug_sync(self, *messages: str) -> None:
        """Report something for developers."""
        self._reports.report_sync(EventKind.DEBUG, _lines(messages))

    async def action(self, *values: Any) -> None:
        """Report what the agent does, one event per value."""
        for value in values:
            await self._reports.report(EventKind.ACTION, typed(value))

    def action_sync(self, *values: Any) -> None:
        """Report what the agent does, one event per value."""
        for value in values:
            self._reports.report_sync(EventKind.ACTION, typed(value))

    async def result(self, *values: Any) -> None:
        """Report something the agent found, one event per value."""
        for value in values:
            await self._reports.report(EventKind.RESULT, typed(value))

    def result_sync(self, *values: Any) -> None:
        """Report something the agent found, one event per value."""
        for value in values:
            self._reports.report_sync(EventKind.RESULT, typed(value))

    async def markdown(self, *messages: str) -> None:
        """Report a result written in Markdown."""
        await self.result(Markdown("\n\n".join(messages)))

    def markdown_sync(self, *messages: str) -> None:
        """Report a result written in Markdown."""
        self.result_sync(Markdown("\n\n".join(messages)))

    async def html(self, *messages: str) -> None:
        """Report a result written in HTML."""
        await self.result(HTML("\n".join(messages)))

    def html_sync(self, *messages: str) -> None:
        """Report a result written in HTML."""
        self.result_sync(HTML("\n".join(messages)))

    async def text(self, *messages: str) -> None:
        """Report a result in plain text."""
        await self.result(Text("\n".join(messages)))

    def text_sync(self, *messages: str) -> None:
        """Report a result in plain text."""
        self.result_sync(Text("\n".join(messages)))

    async def warning(self, *messages: str, exc_info: bool = False) -> None:
        """Report that something is not as it should be, with the current traceback if asked."""
        await self._reports.report(EventKind.STDERR, _lines(messages, exc_info))

    def warning_sync(self, *messages: str, exc_info: bool = False) -> None:
        """Report that something is not as it should be, with the current traceback if asked."""
        self._reports.report_sync(EventKind.STDERR, _lines(messages, exc_info))

    @overload
    async def step(
        self,
        name: str,
        function: Callable[..., Awaitable[T]],
        *args: Any,
        key: str | None = None,
        once: bool = False,
        **kwargs: Any,
    ) -> T: ...

    @overload
    async def step(
        self,
        name: str,
        function: Callable[..., T],
        *args: Any,
        key: str | None = None,
        once: bool = False,
        **kwargs: Any,
    ) -> T: ...

    async def step(
        self,
        name: str,
        function: Callable[..., Any],
        *args: Any,
        key: str | None = None,
        once: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Run a function once per run and return its recorded result ever after, whatever crashes.

        The record is found by `name` and the arguments; `key` stands for the arguments when they are not plain data.
        A function interrupted by a crash is run again, unless `once` is set: then `StepUnknown` is raised instead.
        """
        return await self._reports.step(StepCall(name, function, args, kwargs, key, once))

    def step_sync(
        self,
        name: str,
        function: Callable[..., T],
        *args: Any,
        key: str | None = None,
        once: bool = False,
        **kwargs: Any,
    ) -> T:
        """`step` for threads."""
        return self._reports.step_sync(StepCall(name, function, args, kwargs, key, once))

    async def lock(self, name: str, data: Any = None, timeout: float | None = None) -> Any:  # noqa: ASYNC109 - Kodosumi's
        """Show a person the form that the service registered with `@app.lock(name)`, and wait for the answer.

        The question outlasts every crash and is asked once. Raises TimeoutError when nobody answers within `timeout`
        seconds (three hours, unless said otherwise).
        """
        return await self._reports.ask(Asking(name, data, DEFAULT_TIMEOUT_S if timeout is None else timeout))

    async def ask(
        self,
        question: str,
        data: Any = None,
        timeout: float | None = None,  # noqa: ASYNC109 - Kodosumi's
        *,
        form: Model | None = None,
        options: Sequence[str] = (),
    ) -> Any:
        """Ask a person and wait, as `lock` does: by the form of that name, by a `form` made here, or in plain words.

        With a `form` the answer is a dict of its fields; with `options` it is one of them; with neither it is text.
        """
        timeout_s = DEFAULT_TIMEOUT_S if timeout is None else timeout
        return await self._reports.ask(Asking(question, data, timeout_s, form, options, is_free=True))

    async def fs(self) -> AsyncFileSystem:
        """The files of the run: `in/` came with its inputs, `out/` is what it makes."""
        return AsyncFileSystem(self._reports.files())

    def fs_sync(self) -> FileSystem:
        """`fs` for code that cannot await."""
        return FileSystem(self._reports.files())

    async def sleep(self, seconds: float) -> None:
        """Wait without holding anything: the timer is recorded, and a run started again waits only for the rest."""
        await self._reports.sleep(seconds)


def _lines(messages: tuple[str, ...], exc_info: bool = False) -> Payload:
    trace = [traceback.format_exc().rstrip()] if exc_info else []
    return {"text": "\n".join([*(str(each) for each in messages), *trace])}
