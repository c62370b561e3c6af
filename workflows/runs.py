"""The life of one run, from queued to its end."""

import asyncio
import contextlib
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

from temporalio import workflow
from temporalio.common import SearchAttributeKey
from temporalio.exceptions import ActivityError, ApplicationError, ChildWorkflowError

with workflow.unsafe.imports_passed_through():
    from windlass.contracts import desktops as desks
    from windlass.contracts import policies, prompts
    from windlass.contracts import runs as words
    from windlass.contracts.agents import DESKTOP
    from windlass.contracts.desktops import Claim, Prompted
    from windlass.contracts.ids import workflow_id
    from windlass.contracts.prompts import PromptInput
    from windlass.contracts.runs import DriveEnd, DriveInput, DriveOutcome, EndInput, RunInput, RunStatus, SoFar

T = TypeVar("T")
STATUS = SearchAttributeKey.for_keyword("Status")


@workflow.defn(name=words.WORKFLOW)
class RunWorkflow:
    """Have one agent driven to its end and keep its record truthful, whatever crashes in between.

    The driving activity writes everything up to and including a successful end. The workflow decides about attempts,
    parking, time-outs and cancellation, and writes the terminal event of every run that does not finish.
    """

    @workflow.init
    def __init__(self, request: RunInput) -> None:
        self._request = request
        self._attempt = request.so_far.attempt
        self._cancel_reason: str | None = None
        self._resumed = False
        self._waited = timedelta(seconds=request.so_far.waited_s)  # for people: it counts for no time limit
        self._driving: workflow.ActivityHandle[DriveOutcome] | None = None
        self._prompted: Prompted | None = None  # a model works there
        self._queue: str | None = None  # where the desktop's machine listens

    @workflow.run
    async def run(self, request: RunInput) -> str:
        """Drive the run until it ends; answers its terminal status. Temporal's own cancel request is a cancel too."""
        life = asyncio.create_task(self._live())
        try:
            return await asyncio.shield(life)
        except asyncio.CancelledError:
            self._cancel_reason = self._cancel_reason or "cancelled in Temporal"
            return await life

    @workflow.signal(name=words.CANCEL_SIGNAL)
    def cancel(self, reason: str = "") -> None:
        """Stop the run; the second time nothing changes."""
        self._cancel_reason = self._cancel_reason or reason or "cancelled"

    @workflow.signal(name=words.RESUME_SIGNAL)
    def resume(self) -> None:
        """Drive a parked run again: it has something to report."""
        self._resumed = True

    async def _live(self) -> str:
        waits_for_desktop = self._request.agent == DESKTOP
        refused = await self._admitted() if waits_for_desktop else None
        status = await self._settle(refused or await self._worked())
        if waits_for_desktop:
            await self._give_back()
        workflow.upsert_search_attributes([STATUS.value_set(status)])  # pyright: ignore[reportUnknownMemberType] - SDK
        return status

    async def _admitted(self) -> DriveOutcome | None:
        """Wait for its turn at the desktop, which counts for no time limit. Answers the end if it never comes."""
        while self._cancel_reason is None:
            claim: Claim = await self._desk(desks.CLAIM, Claim, "ask for the desktop")
            if claim.is_gone:
                return DriveOutcome(DriveEnd.FAILED, "DesktopGone", claim.reason, retryable=False)
            if claim.queue:
                self._queue, self._prompted = claim.queue, claim.prompted
                self._waited = workflow.now() - workflow.info().start_time
                return None
            await self._wait(claim.reason, policies.CLAIM_AGAIN_S, limited=False)
        return DriveOutcome(DriveEnd.CANCELLED)

    async def _give_back(self) -> None:
        """Free the desktop and call the run whose turn it is; one that does not hear asks by itself."""
        following: str = await self._desk(desks.RELEASE, str, "give the desktop back")
        if following:
            name = workflow_id(self._request.tenant_id, "runs", following)
            with contextlib.suppress(ApplicationError):
                await workflow.get_external_workflow_handle(name).signal(words.RESUME_SIGNAL)

    async def _desk(self, activity: str, answer: type[T], summary: str) -> T:
        return await workflow.execute_local_activity(
            activity,
            DriveInput(self._request.tenant_id, self._request.run_id, self._attempt),
            result_type=answer,
            start_to_close_timeout=policies.RECORD,
            retry_policy=policies.RECORD_RETRY,
            summary=summary,
        )

    async def _worked(self) -> DriveOutcome:
        return await self._attempts() if self._prompted is None else await self._asked(self._prompted)

    async def _asked(self, prompted: Prompted) -> DriveOutcome:
        """Have a model work in the desktop, in a workflow of its own; it is tried once."""
        request, is_late = self._request, False
        child = await workflow.start_child_workflow(
            prompts.WORKFLOW,
            PromptInput(
                request.tenant_id,
                request.run_id,
                prompted.desktop_id,
                prompted.generation,
                self._queue or "",
                prompted.template,
                prompted.max_actions,
            ),
            id=workflow_id(request.tenant_id, "prompts", request.run_id),
            result_type=DriveOutcome,
            static_summary=policies.summary(f"{request.title}: a model in a desktop"),
        )
        try:
            await workflow.wait_condition(
                lambda: child.done() or self._cancel_reason is not None,
                timeout=self._time_left(),
                timeout_summary="time limit of the run",
            )
        except TimeoutError:
            is_late = True
        if not child.done():
            child.cancel()
        try:
            return await child
        except ChildWorkflowError as error:
            if is_late:
                limit = f"The run took longer than its limit of {request.timeout_s:g} s. What it did is kept."
                return DriveOutcome(DriveEnd.FAILED, "TimedOut", limit)
            if self._cancel_reason is not None:
                return DriveOutcome(DriveEnd.CANCELLED)
            return DriveOutcome(DriveEnd.FAILED, type(error).__name__, str(error.cause or error))

    async def _attempts(self) -> DriveOutcome:
        while True:
            if self._cancel_reason is not None:
                return await self._stopped()
            if self._time_left() == timedelta():
                return await self._stopped(timed_out=True)
            outcome = await self._drive()
            if outcome.end is DriveEnd.PARKED:
                await self._park(outcome)
                self._go_on_anew_if_long()
            elif self._may_try_again(outcome):
                await self._wait(f"before attempt {self._attempt + 1}: {outcome.error_type}", self._backoff_s())
                self._attempt += 1
            else:
                return outcome

    async def _park(self, outcome: DriveOutcome) -> None:
        """Wait for the timer, a report or a cancel; while it waits for people the time limit does too."""
        if not outcome.awaiting:
            return await self._wait("parked", outcome.parked_s)
        began = workflow.now()
        await self._wait("waits for an answer", outcome.parked_s, limited=False)
        self._waited += workflow.now() - began + timedelta(seconds=outcome.waited_s)
        return None

    def _go_on_anew_if_long(self) -> None:
        """Temporal ends a history that grows for ever, and a run that sleeps and wakes may do so for years."""
        is_long = workflow.info().is_continue_as_new_suggested() and self._queue is None and self._cancel_reason is None
        if is_long and workflow.patched("long-runs-go-on-anew"):
            so_far = SoFar(self._attempt, self._took().total_seconds(), self._waited.total_seconds())
            workflow.continue_as_new(replace(self._request, so_far=so_far))

    def _may_try_again(self, outcome: DriveOutcome) -> bool:
        return outcome.end is DriveEnd.FAILED and outcome.retryable and self._attempt < self._request.max_attempts

    def _backoff_s(self) -> float:
        first = self._request.backoff_s
        return min(first * 2 ** (self._attempt - 1), max(first, policies.ATTEMPT_PAUSE_MAX_S))

    async def _drive(self) -> DriveOutcome:
        """Start or attach to the agent and follow it until it ends, parks, is cancelled or runs out of time."""
        again = f", attempt {self._attempt}" if self._attempt > 1 else ""
        self._driving = driving = workflow.start_activity(
            words.DRIVE,
            DriveInput(self._request.tenant_id, self._request.run_id, self._attempt),
            result_type=DriveOutcome,
            task_queue=self._queue,
            schedule_to_start_timeout=policies.DESKTOP_WAIT if self._queue else None,
            start_to_close_timeout=policies.DRIVE,
            heartbeat_timeout=policies.DRIVE_HEARTBEAT,
            retry_policy=policies.DRIVE_RETRY,
            summary=policies.summary(f"drive {self._request.agent}{again}"),
        )
        try:
            await workflow.wait_condition(
                lambda: driving.done() or self._cancel_reason is not None,
                timeout=self._time_left(),
                timeout_summary="time limit of the run",
            )
        except TimeoutError:
            return await self._stopped(timed_out=True)
        if not driving.done():
            return await self._stopped()
        try:
            return driving.result()
        except (ActivityError, asyncio.CancelledError) as error:
            return DriveOutcome(DriveEnd.FAILED, type(error).__name__, str(error.__cause__ or error))

    def _time_left(self) -> timedelta | None:
        if self._request.timeout_s is None:
            return None
        left = timedelta(seconds=self._request.timeout_s) - (self._took() - self._waited)
        return max(left, timedelta())

    def _took(self) -> timedelta:
        """Since the run's first history began."""
        return workflow.now() - workflow.info().start_time + timedelta(seconds=self._request.so_far.took_s)

    async def _stopped(self, *, timed_out: bool = False) -> DriveOutcome:
        """Tell the executor to stop, give it a moment to obey, and say how the run ended."""
        with contextlib.suppress(ActivityError):  # an executor that cannot be reached is fenced by the terminal event
            await workflow.execute_activity(
                words.STOP,
                DriveInput(self._request.tenant_id, self._request.run_id, self._attempt),
                task_queue=self._queue,
                schedule_to_close_timeout=policies.DESKTOP_STOP if self._queue else None,
                start_to_close_timeout=policies.STOP,
                retry_policy=policies.STOP_RETRY,
                summary="stop the agent",
            )
        ended = await self._obeyed()
        if ended is not None and ended.end in (DriveEnd.FINISHED, DriveEnd.CLOSED):
            return ended
        known = ended or DriveOutcome(DriveEnd.CANCELLED)
        if timed_out:
            limit = f"The run took longer than its limit of {self._request.timeout_s:g} s."
            return replace(known, end=DriveEnd.FAILED, error_type="TimedOut", error_message=limit)
        return replace(known, end=DriveEnd.CANCELLED, error_type="", error_message="")

    async def _obeyed(self) -> DriveOutcome | None:
        driving = self._driving
        if driving is None:
            return None
        try:
            await workflow.wait_condition(driving.done, timeout=policies.STOP_GRACE, timeout_summary="grace to stop")
            return driving.result()
        except (TimeoutError, ActivityError, asyncio.CancelledError):
            driving.cancel()
            return None

    async def _wait(self, reason: str, seconds: float | None, *, limited: bool = True) -> None:
        """Hold the run for nothing but its workflow, until its timer, a report or a cancel."""
        limits = [timedelta(seconds=max(seconds, 0.001))] if seconds is not None else []
        limits += [left for left in (self._time_left(),) if left is not None and limited]
        with contextlib.suppress(TimeoutError):
            await workflow.wait_condition(
                lambda: self._resumed or self._cancel_reason is not None,
                timeout=min(limits, default=None),
                timeout_summary=policies.summary(reason),
            )
        self._resumed = False

    async def _settle(self, outcome: DriveOutcome) -> str:
        """Write the terminal event unless the driving activity did, and show the steps."""
        workflow.set_current_details(_details(outcome))
        if outcome.end is DriveEnd.FINISHED:
            return RunStatus.FINISHED
        cancelled = outcome.end is DriveEnd.CANCELLED
        status = RunStatus.CANCELLED if cancelled else RunStatus.FAILED
        error = None if cancelled else {"type": outcome.error_type, "message": outcome.error_message}
        return await workflow.execute_local_activity(
            words.END,
            EndInput(
                self._request.tenant_id, self._request.run_id, status, self._attempt, self._cancel_reason or "", error
            ),
            result_type=str,
            start_to_close_timeout=policies.RECORD,
            retry_policy=policies.RECORD_RETRY,
            summary=f"record: {status}",
        )


def _details(outcome: DriveOutcome) -> str:
    """The steps as a Markdown table, for Temporal's own pages."""
    rows = [
        f"| {s.name} | {s.state} | {s.executions} | {'' if s.ms is None else f'{s.ms:.0f}'} |" for s in outcome.steps
    ]
    head = f"**{outcome.end}** {outcome.error_message}\n\n{outcome.steps_total} steps kept\n\n"
    return head + "| step | state | executions | ms |\n|---|---|---|---|\n" + "\n".join(rows) if rows else head
