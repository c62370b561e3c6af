"""The life of one desktop: as its owner wishes it, whatever crashes in between."""

import asyncio
import contextlib
from dataclasses import replace
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, TimeoutType
from temporalio.exceptions import TimeoutError as TimedOut

with workflow.unsafe.imports_passed_through():
    from windlass.contracts import desktops as words
    from windlass.contracts import policies, runs
    from windlass.contracts.desktops import (
        BringUpInput,
        BroughtUp,
        DesktopInput,
        DesktopRef,
        DesktopStatus,
        Ended,
        Orders,
        Placed,
        PlaceInput,
        Recorded,
        Wish,
    )
    from windlass.contracts.ids import workflow_id
    from windlass.contracts.screens import COOLDOWN_S, SCREENSHOT_UPDATE, TAKE, ScreenshotWish, TakeInput, Taken

ROUNDS = 200
STEADY = (DesktopStatus.IDLE, DesktopStatus.BUSY, DesktopStatus.PAUSED)


@workflow.defn(name=words.WORKFLOW)
class DesktopWorkflow:
    """Bring about what the desktop's row wishes, and keep the row truthful.

    A signal only says that there is something to look at: what is wanted and how it is are read from the record, so
    a lost signal, a repeated one and a new Temporal do no harm.
    """

    @workflow.init
    def __init__(self, request: DesktopInput) -> None:
        self._desktop = DesktopRef(request.tenant_id, request.desktop_id)
        self._woken = True
        self._ended = Ended()
        self._is_found = False
        self._camera = asyncio.Lock()
        self._taken = request.taken
        self._cool_at = workflow.now() + timedelta(seconds=COOLDOWN_S - request.taken_s)

    @workflow.run
    async def run(self, request: DesktopInput) -> None:
        """Live until the desktop is deleted and nothing is left of it."""
        for _ in range(ROUNDS):
            self._woken = False
            orders = await self._look()
            if orders.is_left:
                await self._answer(orders)
            if orders.wish is Wish.GONE:
                await workflow.wait_condition(workflow.all_handlers_finished)
                return
            await self._rest(await self._look())
            if workflow.info().is_continue_as_new_suggested():
                break
        await workflow.wait_condition(workflow.all_handlers_finished)
        taken_s = (workflow.now() - self._cool_at).total_seconds() + COOLDOWN_S
        workflow.continue_as_new(replace(request, taken=self._taken, taken_s=taken_s))

    @workflow.signal(name=words.CHANGED_SIGNAL)
    def changed(self) -> None:
        """Look at the record: the desktop is wished otherwise."""
        self._woken = True

    @workflow.signal(name=words.ENDED_SIGNAL)
    def ended(self, what: Ended) -> None:
        """Its container is gone, or its machine is."""
        self._ended = what
        self._woken = True

    @workflow.signal(name=words.FOUND_SIGNAL)
    def found(self, _what: Ended) -> None:
        """It runs after all: its machine was silent and is back."""
        self._is_found = True
        self._woken = True

    @workflow.update(name=SCREENSHOT_UPDATE)
    async def screenshot(self, wish: ScreenshotWish) -> Taken:
        """Have the screen kept, unless that was done a moment ago; answers which picture shows it."""
        async with self._camera:
            if self._taken is None or wish.is_fresh or workflow.now() >= self._cool_at:
                taken = await self._take()
                if not taken.id:
                    return taken
                self._taken, self._cool_at = taken, workflow.now() + timedelta(seconds=COOLDOWN_S)
            self._woken = self._woken or workflow.info().is_continue_as_new_suggested()
            return self._taken

    async def _take(self) -> Taken:
        orders = await self._look()
        if not orders.status.is_on or not orders.queue:
            return Taken(reason=f"it is {orders.status}")
        try:
            return await workflow.execute_activity(
                TAKE,
                TakeInput(self._desktop.tenant_id, self._desktop.desktop_id, orders.generation),
                result_type=Taken,
                task_queue=orders.queue,
                summary="look at the screen",
                start_to_close_timeout=policies.SCREEN,
                schedule_to_start_timeout=policies.SCREEN_WAIT,
                retry_policy=policies.SCREEN_RETRY,
            )
        except ActivityError as error:
            return Taken(reason=said(error)[:500])

    async def _answer(self, orders: Orders) -> None:
        """Bring about a new wish; without one, follow what became of the container."""
        ended, is_found = self._ended, self._is_found
        self._ended, self._is_found = Ended(), False
        is_new = orders.revision > orders.heard
        if orders.wish is Wish.GONE:
            await self._remove(orders)
        elif orders.wish is Wish.OFF and (is_new or orders.status is not DesktopStatus.OFFLINE):
            await self._shut_down(orders, "")
        elif orders.status in STEADY and ended.generation == orders.generation and not is_new:
            await self._record(orders, DesktopStatus.LOST, ended.reason)
        elif orders.wish is Wish.PAUSED and orders.status is not DesktopStatus.PAUSED:
            await self._freeze(orders)
        elif orders.wish is Wish.ON and (is_new or is_found or orders.status is DesktopStatus.STARTING):
            await self._bring_up(orders)
        elif self._time_left(orders) == timedelta() and _may_end(orders):
            over = orders.left_s is not None and orders.left_s <= 0
            await self._shut_down(orders, "its time was over" if over else "nobody used it")

    async def _bring_up(self, orders: Orders) -> None:
        """Make the container, or go on with the one that is there: only a start makes another one."""
        generation, queue = orders.generation, orders.queue
        if orders.status is DesktopStatus.STARTING or not queue:
            placed = await self._place(orders)
            if not placed.queue:
                await self._record(orders, DesktopStatus.STARTING, placed.reason)
                return
            generation, queue = placed.generation, placed.queue
            await self._record(orders, DesktopStatus.STARTING)
        ref = self._desktop
        wish = BringUpInput(ref.tenant_id, ref.desktop_id, generation, orders.template)
        try:
            made = await workflow.execute_activity(
                words.BRING_UP,
                wish,
                result_type=BroughtUp,
                task_queue=queue,
                summary=f"container {generation}",
                start_to_close_timeout=policies.ENGINE,
                schedule_to_start_timeout=policies.ENGINE_WAIT,
                heartbeat_timeout=policies.ENGINE_HEARTBEAT,
                retry_policy=policies.ENGINE_RETRY,
            )
        except ActivityError as error:
            if _was_never_begun(error):
                await self._record(orders, DesktopStatus.STARTING, "its machine does not answer, another is looked for")
            else:
                await self._record(orders, DesktopStatus.LOST, f"it could not be made: {said(error)}"[:500])
            return
        if made.address:
            await self._record(orders, DesktopStatus.IDLE, made=made)
        elif made.reason:
            await self._record(orders, DesktopStatus.LOST, made.reason)

    async def _freeze(self, orders: Orders) -> None:
        try:
            await self._engine(words.FREEZE, orders.queue, "pause")
            await self._record(orders, DesktopStatus.PAUSED)
        except ActivityError as error:
            await self._record(orders, DesktopStatus.LOST, f"it could not be paused: {said(error)}"[:500])

    async def _shut_down(self, orders: Orders, reason: str) -> None:
        """What a machine that is away still holds is removed when it is back: nobody owns it then."""
        if orders.queue:
            with contextlib.suppress(ActivityError):
                await self._engine(words.SHUT_DOWN, orders.queue, "stop")
        await self._record(orders, DesktopStatus.OFFLINE, reason)

    async def _remove(self, orders: Orders) -> None:
        if orders.queue:
            with contextlib.suppress(ActivityError):
                await self._engine(words.REMOVE, orders.queue, "remove")
        await self._record(orders, DesktopStatus.OFFLINE, "deleted", gone=True)

    async def _rest(self, orders: Orders) -> None:
        """Wait for a signal, or for the time at which something must happen by itself."""
        if orders.wish is Wish.GONE or orders.revision > orders.heard:
            return
        patience = self._time_left(orders)
        if orders.status is DesktopStatus.STARTING:
            patience = policies.PLACE_AGAIN
        if orders.status is DesktopStatus.BUSY:
            patience = min(patience or policies.BUSY_LOOK, policies.BUSY_LOOK)
        if orders.status is DesktopStatus.IDLE and orders.next_task:
            await self._call(orders.next_task)
        with contextlib.suppress(TimeoutError):
            await workflow.wait_condition(lambda: self._woken, timeout=patience, timeout_summary=str(orders.status))

    async def _call(self, run_id: str) -> None:
        """Tell the run whose turn it is; one that does not hear asks by itself."""
        name = workflow_id(self._desktop.tenant_id, "runs", run_id)
        with contextlib.suppress(ApplicationError):
            await workflow.get_external_workflow_handle(name).signal(runs.RESUME_SIGNAL)

    def _time_left(self, orders: Orders) -> timedelta | None:
        """Until a desktop that nobody uses, or whose time is over, is shut down."""
        if not orders.status.has_container or orders.left_s is None:
            return None
        left = timedelta(seconds=orders.left_s)
        if orders.status is DesktopStatus.IDLE:
            left = min(left, timedelta(seconds=orders.idle_s - orders.steady_s))
        return max(left, timedelta())

    async def _look(self) -> Orders:
        return await workflow.execute_local_activity(
            words.LOOK,
            self._desktop,
            result_type=Orders,
            start_to_close_timeout=policies.RECORD,
            retry_policy=policies.RECORD_RETRY,
            summary="look at the record",
        )

    async def _place(self, orders: Orders) -> Placed:
        return await workflow.execute_local_activity(
            words.PLACE,
            PlaceInput(self._desktop.tenant_id, self._desktop.desktop_id, orders.template),
            result_type=Placed,
            start_to_close_timeout=policies.RECORD,
            retry_policy=policies.RECORD_RETRY,
            summary="find a machine",
        )

    async def _record(
        self,
        orders: Orders,
        status: DesktopStatus,
        reason: str = "",
        *,
        made: BroughtUp | None = None,
        gone: bool = False,
    ) -> None:
        container, address, image = (made.container, made.address, made.image) if made else ("", "", "")
        ref = self._desktop
        await workflow.execute_local_activity(
            words.RECORD,
            Recorded(ref.tenant_id, ref.desktop_id, status, reason, orders.revision, container, address, image, gone),
            start_to_close_timeout=policies.RECORD,
            retry_policy=policies.RECORD_RETRY,
            summary=f"record: {status}",
        )

    async def _engine(self, activity: str, queue: str, summary: str) -> None:
        await workflow.execute_activity(
            activity,
            self._desktop,
            task_queue=queue,
            summary=summary,
            start_to_close_timeout=policies.ENGINE,
            schedule_to_start_timeout=policies.ENGINE_WAIT,
            heartbeat_timeout=policies.ENGINE_HEARTBEAT,
            retry_policy=policies.ENGINE_RETRY,
        )


def _may_end(orders: Orders) -> bool:
    """Whether it is shut down when its time is over: paused ones were not, once."""
    return orders.wish is Wish.ON or (orders.wish is Wish.PAUSED and workflow.patched("paused-desktops-end"))


def said(error: ActivityError) -> str:
    """What whoever did it said of its failure, without the name of its class."""
    return error.cause.message if isinstance(error.cause, ApplicationError) else str(error.cause or error)


def _was_never_begun(error: ActivityError) -> bool:
    """Whether nobody took the work: it may be done elsewhere."""
    return isinstance(error.cause, TimedOut) and error.cause.type is TimeoutType.SCHEDULE_TO_START
