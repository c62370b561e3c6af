"""Everything a run does to the outside world: drive its agent, stop it, write its end."""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.beats import beating
from activities.driving import Driving, Fenced, patiently
from activities.executors import Execution, ExecutionLost, Executor, OwnProcessDied, TryAgain
from activities.rush import Rush
from windlass.contracts import runs as words
from windlass.contracts.agents import CLAUDE, DESKTOP
from windlass.contracts.events import EventKind, NewEvent, Payload
from windlass.contracts.ids import RunId, TenantId
from windlass.contracts.runs import DriveEnd, DriveInput, DriveOutcome, EndInput, RunStatus
from windlass.core.artifacts import Artifacts
from windlass.core.database import OUTAGES, Away
from windlass.core.events import Events
from windlass.core.executions import ERROR, Attached, Executions
from windlass.core.vault import SecretSealed
from windlass.core.wakeup import Wakeup

STOP_CHANNEL = "stop"  # carries the id of a run to whichever process drives it
BUILT_IN = (CLAUDE, DESKTOP)
HEARTBEAT_S = 2.0
LONE_DEATHS = 3
RETRY_FIRST_S, RETRY_LAST_S = 0.02, 1.0


@dataclass(frozen=True, slots=True)
class Outside:
    """What the activities of runs need of the world."""

    executions: Executions
    artifacts: Artifacts
    events: Events
    wakeup: Wakeup
    executors: Mapping[str, Executor]  # by kind: "claude", "desktop", "flow"
    rush: Rush = field(default_factory=Rush)


class RunActivities:
    """Drives, stops and ends runs; one object per worker process."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside
        self._open: dict[RunId, tuple[Execution, Driving]] = {}

    @activity.defn(name=words.DRIVE)
    async def drive(self, request: DriveInput) -> DriveOutcome:
        """Start the run's agent or attach to it, and store what it reports.

        The second time it takes the run over with a new epoch; the agent goes on, or starts from its steps.
        """
        details = activity.info().heartbeat_details
        progress: dict[str, Any] = dict(details[0]) if details else {}
        async with beating(progress, every_s=HEARTBEAT_S):
            try:
                outcome = await self._drive(request, progress)
            except TryAgain as failure:
                progress["tries"] = progress.get("tries", 0) + 1
                activity.heartbeat(progress)
                raise _again(failure) from failure
            if outcome.end is DriveEnd.FINISHED:  # that is on record, and its workflow has nothing left to do
                await self._outside.rush.over()
            return outcome

    @activity.defn(name=words.STOP)
    async def stop(self, request: DriveInput) -> None:
        """Tell the agent to stop, whoever drives it. The second time nothing changes."""
        run_id = RunId(UUID(request.run_id))
        if await self.stop_here(run_id):
            return
        self._outside.wakeup.send(STOP_CHANNEL, str(run_id))
        attached = await self._peek(request)
        if attached is not None:
            with contextlib.suppress(ExecutionLost):
                await self._executor(attached).stop(attached)

    @activity.defn(name=words.END)
    async def end(self, request: EndInput) -> str:
        """Write the terminal event and answer the run's status; a run that has ended keeps its end."""
        return str(await self._outside.executions.end(request))

    async def stop_here(self, run_id: RunId) -> bool:
        """Stop the run if this process drives it; says whether it does."""
        execution, _driving = self._open.get(run_id, (None, None))
        if execution is not None:
            await execution.stop()
        return execution is not None

    async def answer_here(self, run_id: RunId) -> None:
        """Tell the agent of a run that this process drives where its questions stand."""
        if run_id in self._open:
            execution, driving = self._open[run_id]
            await driving.tell(execution)

    async def _drive(self, request: DriveInput, progress: dict[str, Any]) -> DriveOutcome:
        pause, stored = RETRY_FIRST_S, progress.get("seq")
        while True:
            try:
                return await self._attempt(request, progress)
            except OwnProcessDied:
                pause = RETRY_FIRST_S
            except (ExecutionLost, Away, *OUTAGES):  # the host went away, or the database did
                if progress.get("seq") != stored:  # the run got on in between
                    pause, stored = RETRY_FIRST_S, progress.get("seq")
                await asyncio.sleep(pause)
                pause = min(pause * 1.3, RETRY_LAST_S)

    async def _attempt(self, request: DriveInput, progress: dict[str, Any]) -> DriveOutcome:
        """Take the run over and follow it. Raises ExecutionLost, and what the database raises when it is away."""
        attached = await self._attach(request)
        if attached is None or attached.epoch is None:
            return DriveOutcome(DriveEnd.CLOSED)
        try:
            return await self._follow(attached, progress)
        except Fenced:
            if not await self._has_ended(attached):
                raise ExecutionLost("another driver took the run over") from None
            with contextlib.suppress(ExecutionLost):  # then there is nothing to stop
                await self._executor(attached).stop(attached)
            return DriveOutcome(DriveEnd.CLOSED)
        except SecretSealed as sealed:
            with contextlib.suppress(ExecutionLost):  # a host may have it since the time of another key
                await self._executor(attached).stop(attached)
            return await self._failed(attached, {"type": "SecretSealed", "message": sealed.detail})
        except OwnProcessDied as death:
            failed = await self._after_own_death(attached, str(death))
            if failed is None:
                raise
            return failed

    async def _has_ended(self, attached: Attached) -> bool:
        """Whether the run ended behind its driver's back: then its agent must end too."""
        now = await self._outside.executions.peek(attached.tenant_id, attached.run_id, attached.attempt)
        return now is not None and RunStatus(now.record["status"]).is_terminal

    async def _attach(self, request: DriveInput) -> Attached | None:
        tenant_id, run_id = TenantId(UUID(request.tenant_id)), RunId(UUID(request.run_id))
        return await self._outside.executions.attach(tenant_id, run_id, request.attempt)

    async def _recall(self, attached: Attached) -> None:
        """Fetch the results of finished steps and answered questions that are too large for the log."""
        outside = self._outside
        for step in (*attached.record["steps"], *attached.record["questions"]):
            unfold = partial(outside.artifacts.unfold, attached.tenant_id, step["result"])
            step["result"] = await patiently(outside.executions, attached, unfold)

    async def _peek(self, request: DriveInput) -> Attached | None:
        tenant_id, run_id = TenantId(UUID(request.tenant_id)), RunId(UUID(request.run_id))
        return await self._outside.executions.peek(tenant_id, run_id, request.attempt)

    async def _follow(self, attached: Attached, progress: dict[str, Any]) -> DriveOutcome:
        refusal = _refusal(attached)
        if refusal is not None:
            return await self._failed(attached, refusal)
        if attached.record["cancel_requested"] and not _may_be_at_work(attached):
            return DriveOutcome(DriveEnd.CANCELLED)
        await self._recall(attached)
        execution = await self._executor(attached).open(attached, progress.get("tries", 0) + 1)
        outside = self._outside
        driving = Driving(outside.executions, outside.artifacts, outside.events, attached, progress.update)
        self._open[attached.run_id] = mine = (execution, driving)
        try:
            if attached.record["cancel_requested"]:  # the wish may have come while nobody was attached
                await execution.stop()
            return await driving.follow(execution)
        except asyncio.CancelledError:
            if _is_cancelled() or (_is_unknown() and await self._has_ended(attached)):
                await execution.stop()
            raise
        finally:
            if self._open.get(attached.run_id) is mine:
                del self._open[attached.run_id]
            await execution.close()

    async def _after_own_death(self, attached: Attached, reason: str) -> DriveOutcome | None:
        _deaths, alone = await self._outside.executions.note_lone_death(attached)
        if alone < LONE_DEATHS:
            text = f"The process of this run died ({alone} of {LONE_DEATHS}): {reason}. It goes on from its steps."
            event = NewEvent(EventKind.LOG, {"level": "warning", "text": text}, "deaths", attached.epoch or 0)
            await self._outside.executions.append(attached.tenant_id, attached.run_id, attached.epoch, [event])
            return None
        message = f"The run's process died {alone} times without finishing a further step: {reason}."
        return await self._failed(attached, {"type": "ProcessDied", "message": message})

    async def _failed(self, attached: Attached, error: Payload) -> DriveOutcome:
        event = NewEvent(EventKind.ERROR, error, attached.producer, ERROR)
        await self._outside.executions.append(attached.tenant_id, attached.run_id, attached.epoch, [event])
        return DriveOutcome(DriveEnd.FAILED, error["type"], error["message"], retryable=False)

    def _executor(self, attached: Attached) -> Executor:
        return self._outside.executors[_kind(attached)]


def _kind(attached: Attached) -> str:
    """What executes the run: what is built in, the driver of its saved agent, or its service's host."""
    agent, pinned = str(attached.record["agent"]), attached.record.get("pinned")
    if agent in BUILT_IN:
        return agent
    return "flow" if pinned is None else str(pinned["driver"])


def _refusal(attached: Attached) -> Payload | None:
    """Why the run cannot be executed at all, if so."""
    record = attached.record
    if _kind(attached) != "flow":
        return None
    service = record["service"]
    if service is None or not service["enabled"]:
        return {
            "type": "AgentGone",
            "message": f"The agent {record['agent']} does not exist any more, or is switched off.",
        }
    if service["state"] in ("unhealthy", "deploy_failed"):
        return {"type": "ServiceDown", "message": f"The service {service['name']} does not start: {service['reason']}"}
    if record["lone_deaths"] >= LONE_DEATHS:
        message = f"The run killed its host {record['lone_deaths']} times without finishing a further step."
        return {"type": "ProcessDied", "message": message}
    return None


def _may_be_at_work(attached: Attached) -> bool:
    """Whether something of the run may go on without its driver: in a host, or in a desktop, which asks nobody."""
    return attached.record["host_boot"] is not None or attached.record["agent"] == DESKTOP


def _is_cancelled() -> bool:
    """Whether the workflow wants the agent stopped (a worker that shuts down leaves it running)."""
    details = activity.cancellation_details()
    return details is not None and details.cancel_requested


def _is_unknown() -> bool:
    """Whether Temporal has no such activity any more: its workflow is over, or somebody else has it."""
    details = activity.cancellation_details()
    return details is not None and details.not_found


def _again(failure: TryAgain) -> ApplicationError:
    category = ApplicationErrorCategory.BENIGN if failure.is_expected else ApplicationErrorCategory.UNSPECIFIED
    delay = timedelta(seconds=failure.delay_s)
    return ApplicationError(str(failure), type=failure.type, next_retry_delay=delay, category=category)
