"""The life of a prompt task: a model thinks, its acts are done in a desktop, it looks, and thinks again."""

from itertools import count

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from windlass.contracts import policies
    from windlass.contracts import prompts as words
    from windlass.contracts.prompts import ActInput, PrepareInput, PromptInput, ThinkInput, Thought
    from windlass.contracts.runs import DriveEnd, DriveOutcome


@workflow.defn(name=words.WORKFLOW)
class PromptWorkflow:
    """Have a model work in a desktop until it is done, or has done as much as it may.

    Every thought and every act is an activity: what was finished is not done again. What was said and seen is in the
    run's log and in the object store, never here.
    """

    @workflow.run
    async def run(self, request: PromptInput) -> DriveOutcome:
        """Work to the end; answers how it came. A success is recorded by then, anything else is not."""
        acted, unready = 0, await self._prepare(request)
        if unready is not None:
            return unready
        for turn in count(1):
            thought = await self._think(request, turn)
            if thought.outcome is not None:
                return thought.outcome
            for place, move in enumerate(thought.moves):
                if acted == request.max_actions:
                    message = f"It did {acted} things without coming to an end, and may do no more. They are kept."
                    return DriveOutcome(DriveEnd.FAILED, "ActionLimit", message, retryable=False)
                failed = await self._act(request, thought.seq, turn, place, move)
                if failed is not None:
                    return failed
                acted += 1
        raise AssertionError

    async def _prepare(self, request: PromptInput) -> DriveOutcome | None:
        """Read what the desktop has written down for whoever works in it."""
        try:
            await workflow.execute_activity(
                words.PREPARE,
                PrepareInput(request.tenant_id, request.run_id, request.desktop_id),
                task_queue=request.queue,
                summary="read the skills",
                start_to_close_timeout=policies.ACT,
                schedule_to_start_timeout=policies.DESKTOP_WAIT,
                heartbeat_timeout=policies.ACT_HEARTBEAT,
                retry_policy=policies.ACT_RETRY,
            )
        except ActivityError as error:
            return _failed(error)
        return None

    async def _think(self, request: PromptInput, turn: int) -> Thought:
        try:
            return await workflow.execute_activity(
                words.THINK,
                ThinkInput(request.tenant_id, request.run_id, turn, request.template),
                result_type=Thought,
                summary=f"think, turn {turn}",
                start_to_close_timeout=policies.THINK,
                heartbeat_timeout=policies.THINK_HEARTBEAT,
                retry_policy=policies.THINK_RETRY,
            )
        except ActivityError as error:
            return Thought(outcome=_failed(error))

    async def _act(self, request: PromptInput, seq: int, turn: int, place: int, move: str) -> DriveOutcome | None:
        """Do one thing; answers the end of the run if it was impossible."""
        ids = (request.tenant_id, request.run_id, request.desktop_id)
        try:
            await workflow.execute_activity(
                words.ACT,
                ActInput(*ids, request.generation, turn, place, seq),
                task_queue=request.queue,
                summary=policies.summary(move),
                start_to_close_timeout=policies.ACT,
                schedule_to_start_timeout=policies.DESKTOP_WAIT,
                heartbeat_timeout=policies.ACT_HEARTBEAT,
                retry_policy=policies.ACT_RETRY,
                cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            )
        except ActivityError as error:
            return _failed(error)
        return None


def _failed(error: ActivityError) -> DriveOutcome:
    """The end of a run whose thought or act did not come about; a cancel is raised again, it ends the workflow."""
    if is_cancelled_exception(error):
        raise error
    cause = error.cause
    if isinstance(cause, ApplicationError):
        return DriveOutcome(DriveEnd.FAILED, cause.type or "Failed", cause.message, retryable=False)
    return DriveOutcome(DriveEnd.FAILED, "DesktopLost", f"The desktop's machine does not answer: {cause or error}")
