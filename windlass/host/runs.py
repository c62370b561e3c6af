"""The life of one run inside a host: ask the flow, run the agent, say how it ended."""

import asyncio
import traceback
from collections.abc import Mapping
from contextlib import suppress
from contextvars import copy_context
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any

from fastapi import Request

from windlass.annotations import restored
from windlass.errors import InputsError, NotLaunched
from windlass.forms import Model
from windlass.host import wire
from windlass.host.branches import Branch, context_of, inside
from windlass.host.crews import kickoff
from windlass.host.orders import Order
from windlass.host.reports import RunReports
from windlass.host.steps import Steps
from windlass.launch import Launch, chosen, is_crew, resolve, shown
from windlass.service import Flow, ServeAPI
from windlass.tracer import Tracer
from windlass.values import plain, typed
from windlass.version import __version__

VALUE_LIMIT = 16 * 1024 * 1024
TRACEBACK_LIMIT = 16 * 1024
MESSAGE_LIMIT = 10_000
ENTER = "enter"  # the key under which a handler's decision is recorded
OWN_CODE = str(Path(__file__).parent.parent)

End = dict[str, Any]  # the `end` line: outcome, value?, error?


class Handlers:
    """The handlers of a service, asked on behalf of one run."""

    def __init__(self, app: ServeAPI, order: Order) -> None:
        self._app, self._order = app, order

    def has_lock(self, name: str) -> bool:
        """Whether a form is registered under this name."""
        return name in self._app.locks

    def has_lease(self, name: str) -> bool:
        """Whether answers to it are checked by a handler."""
        return name in self._app.leases

    async def lock(self, name: str, data: Any) -> Model:
        """The form of a question."""
        return await self._app.ask_for(name, data, self._order.request(self._app))

    async def lease(self, name: str, data: Any, inputs: Mapping[str, Any]) -> Any:
        """What an answer amounts to. Raises InputsError."""
        return await self._app.take_answer(name, data, inputs, self._order.request(self._app))


class Run:
    """One run. It is made on the server's thread and lives on the agents' loop."""

    def __init__(self, order: Order, flow: Flow, app: ServeAPI, steps: Steps) -> None:
        self.order = order
        self.reports = RunReports(order.facts(), steps, order.epoch, Handlers(app, order))
        self.reports.places = order.files
        self._flow = flow
        self._app = app
        self._tracer = Tracer(self.reports)
        self.task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, on the agents' loop."""
        self.reports.live_here()
        self.task = asyncio.get_running_loop().create_task(
            self._live(), context=context_of(Branch(self.reports, "0")), name=self.order.run_id
        )

    def cancel(self) -> None:
        """Stop the agent: its coroutine is cancelled, its threads are stopped at their next tracer call."""
        reports = self.reports
        if not (reports.outbox.is_closed or reports.is_cancelled or self.task is None):
            reports.is_cancelled = True
            reports.outbox.release()
            asyncio.get_running_loop().call_soon(self.task.cancel)  # cancelled before its first step it would never end

    async def _live(self) -> None:
        end = await self._outcome()
        await self._settle()
        self._close(end)

    async def _outcome(self) -> End:
        if self.reports.is_cancelled:  # in the same breath as it was started
            return {"outcome": "cancelled"}
        try:
            launch = await self._enter()
        except InputsError as refused:
            return {
                "outcome": "invalid",
                "error": {"type": "InputsError", "message": str(refused), "fields": refused.by_field()},
            }
        except BaseException as error:  # noqa: BLE001 (the edge of foreign code: its every error is the run's end)
            return self._failure(error)
        try:
            end = _finished(await self._call(launch))
        except BaseException as error:  # noqa: BLE001 (the same)
            return self._failure(error)
        return {"outcome": "cancelled"} if self.reports.is_cancelled else end

    async def _enter(self) -> Launch:
        request = self.order.request(self._app)
        launch = self._kept_launch(request) or await self._ask(request)
        self.reports.outbox.open_with(wire.encode({"op": "meta", "payload": self._meta(launch)}))
        return launch

    def _kept_launch(self, request: Request) -> Launch | None:
        """What the handler decided in an earlier life, if it was asked with the same inputs."""
        kept = self.reports.kept(ENTER) or self.order.launch
        if not kept or kept["asked_with"] != self.order.inputs:
            return None
        return Launch(request, **{name: value for name, value in kept.items() if name != "asked_with"})

    async def _ask(self, request: Request) -> Launch:
        """Let the handler decide. What it computed is recorded: asked again after a crash it might say otherwise."""
        values = self._flow.checked(self.order.inputs)
        with inside(Branch(self.reports, ENTER)):
            launch = await self._flow.enter(values, request)
        launch.inputs = plain(launch.inputs)
        as_sent = (None, self._flow.checked(self.order.inputs), self.order.inputs)
        if launch.inputs not in as_sent:
            await self.reports.keep(ENTER, "enter", {**launch.decision(), "asked_with": self.order.inputs})
        return launch

    async def _call(self, launch: Launch) -> Any:
        agent = resolve(launch.entry_point)
        if is_crew(agent):
            return await kickoff(agent, launch.inputs, self._tracer, self.reports.report)
        inputs = restored(agent, "inputs", launch.inputs)
        arguments = chosen(agent, {"inputs": inputs, "tracer": self._tracer})
        if iscoroutinefunction(agent):
            return await agent(**arguments)
        return await self.reports.threads.run(copy_context(), agent, **arguments)

    async def _settle(self) -> None:
        """End what the agent left running: its tasks, and after a cancel its threads."""
        if self.reports.is_cancelled:
            await self.reports.threads.ended()
        others = self.reports.tasks - {asyncio.current_task()}
        for task in others:
            task.cancel()
        if others:
            await asyncio.wait(others, timeout=1)

    def _close(self, end: End) -> None:
        with suppress(RuntimeError):  # given up meanwhile
            self.reports.finish()
        self.reports.outbox.close_with(wire.encode({"op": "end", **end}))

    def _failure(self, error: BaseException) -> End:
        if self.reports.is_cancelled:
            return {"outcome": "cancelled"}
        return {"outcome": "failed", "error": _described(error)}

    def _meta(self, launch: Launch) -> Mapping[str, Any]:
        about, order = (self._app.flow_of(launch.reference) or self._flow).about, self.order
        extra = {**launch.extra, **order.extra}
        return {
            "run_id": order.run_id,
            "agent": order.agent,
            "user_id": order.user_id,
            "entry_point": shown(launch.entry_point),
            "tags": about.tags,
            "summary": launch.summary or about.summary,
            "description": launch.description or about.description,
            "deprecated": about.deprecated,
            "author": about.author,
            "organization": about.organization,
            "version": about.version,
            "windlass": __version__,
        } | ({"extra": plain(extra)} if extra else {})


def _finished(value: Any) -> End:
    answer = typed(value)
    size = len(wire.body(answer))
    if size > VALUE_LIMIT:
        return {
            "outcome": "failed",
            "error": {
                "type": "ValueTooLarge",
                "message": f"the agent returned {size / 2**20:.1f} MiB, at most 16 MiB are kept: "
                "store the data as a file and return its name",
            },
        }
    return {"outcome": "finished", "value": answer}


def _described(error: BaseException) -> dict[str, str]:
    if isinstance(error, NotLaunched):
        return {"type": type(error).__name__, "message": str(error)}
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename.startswith(OWN_CODE):
        frames = frames.tb_next
    trace = "".join(traceback.format_exception(type(error), error, frames))
    return {
        "type": type(error).__name__,
        "message": str(error)[:MESSAGE_LIMIT],
        "traceback": trace[-TRACEBACK_LIMIT:],
    }
