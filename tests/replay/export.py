"""Keep today's histories: `python -m tests.replay.export [SCENARIO…]` plays scenarios, or all, on real parts.

Histories are never edited and never deleted while a workflow that looks like them may still run.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.service import RPCError

from tests.core.planned import enrol
from tests.parts import running_postgres, running_temporal, short_folder
from tests.workflows.engines import Engine, Meeting, running_engine, settings_of, until
from windlass.contracts import boot as boot_words
from windlass.contracts import maintenance, queues
from windlass.contracts.firings import Overlap
from windlass.contracts.ids import RunId, new_id, workflow_id
from windlass.contracts.maintenance import NOBODY, MaintenanceInput
from windlass.contracts.runs import RESUME_SIGNAL
from windlass.core.questions import QuestionFilter
from windlass.core.schedules import NewSchedule, Policy, Schedule
from windlass.core.services import NewService
from windlass.core.tasks import Recipe
from windlass.core.timings import timing_id

LONG = 40  # events, then this Temporal suggests to go on anew; nobody else here has so many when it wakes
SUGGESTED = ("--dynamic-config-value", f"limit.historyCount.suggestContinueAsNew={LONG}")
HISTORIES = Path(__file__).parent / "histories"
Scenario = Callable[[Engine, Meeting], Awaitable[RunId]]


async def finished(engine: Engine, meeting: Meeting) -> RunId:
    """The trivial run."""
    return (await engine.finished("agents/trivial")).id


async def finished_in_time(engine: Engine, meeting: Meeting) -> RunId:
    """A run with a time limit that it keeps."""
    meeting.leave("go")
    return (await engine.finished("agents/steps", {**meeting.inputs, "n": 5}, timeout_s=60)).id


async def failed(engine: Engine, meeting: Meeting) -> RunId:
    """One attempt, one error."""
    return (await engine.finished("agents/fail", {"n": 9})).id


async def finished_at_the_second_attempt(engine: Engine, meeting: Meeting) -> RunId:
    """An error, a pause, an answer."""
    return (await engine.finished("agents/fail", {"n": 2}, max_attempts=3)).id


async def timed_out(engine: Engine, meeting: Meeting) -> RunId:
    """An agent that waits longer than it may."""
    return (await engine.finished("agents/wait", meeting.inputs, timeout_s=1)).id


async def cancelled(engine: Engine, meeting: Meeting) -> RunId:
    """By our own signal."""
    run = await engine.start("agents/wait", meeting.inputs)
    await meeting.appears("waiting")
    await engine.gateway.runs.cancel(engine.caller, run.id)
    return (await engine.ended(run.id)).id


async def cancelled_in_temporal(engine: Engine, meeting: Meeting) -> RunId:
    """By Temporal's own request."""
    run = await engine.start("agents/wait", meeting.inputs)
    await meeting.appears("waiting")
    await engine.workflow(run.id).cancel()
    return (await engine.ended(run.id)).id


async def parked_and_woken(engine: Engine, meeting: Meeting) -> RunId:
    """A long sleep that something else ends."""
    run_id = await _parked(engine, meeting)
    meeting.leave("go")
    return (await engine.ended(run_id)).id


async def gone_on_anew(engine: Engine, meeting: Meeting) -> RunId:
    """A long history that goes on in another one when the run wakes."""
    run_id = await _parked(engine, meeting, timeout_s=60)
    first = await engine.workflow(run_id).describe()
    while (await engine.workflow(run_id).describe()).history_length <= LONG:
        await engine.workflow(run_id).signal("letter")  # nobody takes it
    await engine.workflow(run_id).signal(RESUME_SIGNAL)

    async def is_in_another() -> bool:
        return (await engine.workflow(run_id).describe()).run_id != first.run_id

    await until(is_in_another)
    meeting.leave("go")
    return (await engine.ended(run_id)).id


async def parked_and_cancelled(engine: Engine, meeting: Meeting) -> RunId:
    """A long sleep that a person ends."""
    run_id = await _parked(engine, meeting)
    await engine.gateway.runs.cancel(engine.caller, run_id)
    return (await engine.ended(run_id)).id


async def asked_and_answered(engine: Engine, meeting: Meeting) -> RunId:
    """A question, and its answer, within a time limit that does not count the wait."""
    run = await engine.start("agents/ask", meeting.inputs, timeout_s=60)
    wanted = QuestionFilter(run_id=run.id)
    await until(lambda: engine.gateway.questions.oldest(engine.caller, wanted))
    await _is_left(engine, run.id)
    (question,) = await engine.gateway.questions.oldest(engine.caller, wanted)
    await engine.gateway.questions.answer(engine.caller, question.id, {"amount": 1})
    return (await engine.ended(run.id)).id


async def asked_in_vain(engine: Engine, meeting: Meeting) -> RunId:
    """A question nobody answers in time."""
    return (await engine.finished("agents/ask", {**meeting.inputs, "n": 4})).id


async def _parked(engine: Engine, meeting: Meeting, **wish: int) -> RunId:
    run = await engine.start("agents/sleep", meeting.inputs, **wish)
    await meeting.appears("sleeping")
    await _is_left(engine, run.id)
    return run.id


async def _is_left(engine: Engine, run_id: RunId) -> None:
    """Wait until the run is parked."""

    async def is_left() -> bool:
        if (await engine.workflow(run_id).describe()).raw_description.pending_activities:
            return False
        history = await engine.workflow(run_id).fetch_history()
        return history.events[-1].event_type == EventType.EVENT_TYPE_TIMER_STARTED

    await until(is_left)


SCENARIOS: tuple[Scenario, ...] = (
    finished,
    finished_in_time,
    failed,
    finished_at_the_second_attempt,
    timed_out,
    cancelled,
    cancelled_in_temporal,
    parked_and_woken,
    gone_on_anew,
    parked_and_cancelled,
    asked_and_answered,
    asked_in_vain,
)


async def firing(engine: Engine, overlap: Overlap, inputs: Meeting) -> tuple[Schedule, str]:
    """A schedule over an agent that waits, and the name of the workflow of its first firing."""
    recipe = Recipe("agents/wait", dict(inputs.inputs))
    task = await engine.gateway.tasks.create(engine.caller, f"waits {overlap}", recipe)
    wish = NewSchedule(f"waits {overlap}", task.id, {"cron": "0 0 1 1 *"}, Policy(overlap=overlap))
    schedule = await engine.gateway.schedules.create(engine.caller, wish)
    first = await triggered(engine, schedule)
    await inputs.appears("waiting")
    return schedule, first


async def triggered(engine: Engine, schedule: Schedule) -> str:
    """The name of the workflow of a trigger, when it has ended."""
    name = workflow_id(
        engine.caller.tenant_id, "firings", await engine.gateway.firings.trigger(engine.caller, schedule.id)
    )

    async def is_there() -> bool:
        try:
            await engine.client.get_workflow_handle(name).result()
        except RPCError:
            return False
        return True

    await until(is_there)
    return name


async def started(engine: Engine, meeting: Meeting) -> str:
    """A run as an abandoned child."""
    _, first = await firing(engine, Overlap.ALLOW_ALL, meeting)
    meeting.leave("go")
    return first


async def skipped(engine: Engine, meeting: Meeting) -> str:
    """The one before it still goes on."""
    schedule, _ = await firing(engine, Overlap.SKIP, meeting)
    second = await triggered(engine, schedule)
    meeting.leave("go")
    return second


async def ended_another(engine: Engine, meeting: Meeting) -> str:
    """The one before it is ended, by a signal."""
    schedule, _ = await firing(engine, Overlap.TERMINATE_OTHER, meeting)
    second = await triggered(engine, schedule)
    meeting.leave("go")
    return second


async def due_together(engine: Engine, meeting: Meeting) -> str:
    """Two schedules that are due at the same time; one of them ends a run before its own, by a signal."""
    at = (datetime.now(UTC) + timedelta(seconds=8)).replace(microsecond=0)
    task = await engine.gateway.tasks.create(engine.caller, "once", Recipe("agents/trivial"))
    waits = await engine.gateway.tasks.create(engine.caller, "waits", Recipe("agents/wait", dict(meeting.inputs)))
    first = NewSchedule("first", waits.id, {"at": at.isoformat()}, Policy(overlap=Overlap.TERMINATE_OTHER))
    made = await engine.gateway.schedules.create(engine.caller, first)
    await triggered(engine, made)
    await meeting.appears("waiting")
    await engine.gateway.schedules.create(engine.caller, NewSchedule("second", task.id, {"at": at.isoformat()}))

    async def has_fired() -> bool:
        found = await engine.gateway.firings.newest(engine.caller, made.id)
        return len([each for each in found if each.decision]) == 2

    await until(has_fired)
    meeting.leave("go")
    timing = timing_id(engine.caller.tenant_id, made.id, made.timing, made.policy.jitter_s)
    return f"{workflow_id(engine.caller.tenant_id, 'firings', timing)}-{at:%Y-%m-%dT%H:%M:%SZ}"


async def maintained(engine: Engine, _meeting: Meeting) -> str:
    """A due time of a system schedule."""
    name = f"{workflow_id(NOBODY, 'maintenance', 'reconciliation')}-2026-11-28T07:30:00Z"
    await engine.client.start_workflow(
        maintenance.WORKFLOW, MaintenanceInput("reconciliation"), id=name, task_queue=queues.RUNS
    )
    return name


async def booted(engine: Engine, _meeting: Meeting) -> str:
    """All services, of which one does not come up."""
    broken = "/nowhere/at/all"
    await engine.gateway.services.add(engine.caller, NewService("broken", broken, "app:app"))
    boot = await engine.gateway.boots.start(engine.caller, new_id())

    async def is_over() -> bool:
        return not (await engine.gateway.boots.get(engine.caller, boot.id)).is_running

    await until(is_over)
    return workflow_id(engine.caller.tenant_id, boot_words.NOUN, boot.id)


async def booted_by_force(engine: Engine, _meeting: Meeting) -> str:
    """A boot that was ended by another one."""
    boot = await engine.gateway.boots.start(engine.caller, new_id())

    async def has_begun() -> bool:
        return len(await engine.gateway.boots.messages(engine.caller, boot.id)) > 1

    await until(has_begun)
    await engine.gateway.boots.stop(engine.caller, new_id())
    return workflow_id(engine.caller.tenant_id, boot_words.NOUN, boot.id)


BOOTS: tuple[Callable[[Engine, Meeting], Awaitable[str]], ...] = (booted, booted_by_force)
FIRINGS: tuple[Callable[[Engine, Meeting], Awaitable[str]], ...] = (started, skipped, ended_another, due_together)
OF_THE_MACHINE = ("identity", "stackTrace")


def tidy(history: Any) -> Any:
    """Without the names of the machine it was made on, and the paths of its programs."""
    if isinstance(history, dict):
        return {key: "kept" if key in OF_THE_MACHINE else tidy(value) for key, value in history.items()}  # pyright: ignore[reportUnknownVariableType]
    return [tidy(item) for item in history] if isinstance(history, list) else history  # pyright: ignore[reportUnknownVariableType]


async def export(engine: Engine, scenario: Scenario, folder: Path) -> list[Path]:
    """Play one scenario and keep its history, or histories where it went on in another one."""
    workflow = engine.workflow(await scenario(engine, Meeting(folder)))
    histories: list[Any] = []
    before: str | None = None  # the newest
    while before or not histories:
        one = engine.client.get_workflow_handle(workflow.id, run_id=before)
        histories.insert(0, tidy(json.loads((await one.fetch_history()).to_json())))
        begun = histories[0]["events"][0]["workflowExecutionStartedEventAttributes"]
        before = begun.get("continuedExecutionRunId")
    names = (scenario.__name__ + (f"_{n}" if n > 1 else "") for n in range(1, len(histories) + 1))
    return [keep("RunWorkflow", name, each) for name, each in zip(names, histories, strict=True)]


async def export_named(
    engine: Engine, kind: str, scenario: Callable[[Engine, Meeting], Awaitable[str]], folder: Path
) -> Path:
    """Play one scenario that answers the id of its workflow, and keep its history."""
    workflow = engine.client.get_workflow_handle(await scenario(engine, Meeting(folder)))
    await workflow.result()
    history = tidy(json.loads((await workflow.fetch_history()).to_json()))
    return keep(kind, scenario.__name__, history)


def keep(workflow: str, scenario: str, history: Any) -> Path:
    """Write a history down."""
    kept = HISTORIES / workflow / f"{scenario}@{datetime.now(UTC).date()}.json"
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(history, indent=1) + "\n")
    return kept


async def main() -> None:
    """Play every scenario, one after the other."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(short_folder())
        postgres = await stack.enter_async_context(running_postgres(folder))
        temporal = await stack.enter_async_context(running_temporal(folder, *SUGGESTED))
        engine = await stack.enter_async_context(running_engine(settings_of(folder, postgres.url, temporal)))
        await engine.serve("agents")
        await enrol(engine.database, engine.caller)
        wanted = sys.argv[1:]
        for each in (each for each in FIRINGS if not wanted or each.__name__ in wanted):
            print(await export_named(engine, "FiringWorkflow", each, Path(mkdtemp(dir=folder))))  # noqa: T201
        if not wanted or "maintained" in wanted:
            print(await export_named(engine, "MaintenanceWorkflow", maintained, Path(mkdtemp(dir=folder))))  # noqa: T201
        for each in (each for each in BOOTS if not wanted or each.__name__ in wanted):
            print(await export_named(engine, "BootWorkflow", each, Path(mkdtemp(dir=folder))))  # noqa: T201
        for scenario in (each for each in SCENARIOS if not wanted or each.__name__ in wanted):
            print(*await export(engine, scenario, Path(mkdtemp(dir=folder))), sep="\n")  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main())
