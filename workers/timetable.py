"""The timetable: Temporal's schedules follow their rows, and what is asked for by hand is started."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

import structlog
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleCalendarSpec,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleRange,
    ScheduleSpec,
    ScheduleState,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.common import TypedSearchAttributes
from temporalio.common import WorkflowIDReusePolicy as OnReuse
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from windlass.contracts import firings as words
from windlass.contracts import policies, queues
from windlass.contracts.firings import FiringInput
from windlass.contracts.ids import TenantId, workflow_id
from windlass.core.agenda import Agenda, AskedFiring, Plan, Unheard
from windlass.core.calendars import Calendar, Timing, in_words, missing
from windlass.core.calendars.corrections import AHEAD
from windlass.core.decisions import Decisions
from windlass.core.schedules import CHANGED_CHANNEL
from workers.parts import Parts, beside, form_secrets

LOOK_S, HEAR_S = 1.0, 15.0
CALL = timedelta(seconds=5)
CATCH_UP, MARGIN = timedelta(hours=24), timedelta(hours=1)
SETTLED = timedelta(minutes=5)  # by then whatever waited for a worker is decided
OVERDUE = timedelta(seconds=10)  # without a firing after that, Temporal may not know of the due time
LONG_OVERDUE = timedelta(minutes=1)  # by then the firing of its timing has decided about all others
OVERLAP = timedelta(minutes=2)
AT_ONCE = 20
RENEW = AHEAD / 5  # a year: what was added for the clocks reaches four more

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Timetable:
    """Writes schedules to Temporal and starts firings; several at once do no harm."""

    def __init__(self, client: Client, agenda: Agenda, decisions: Decisions) -> None:
        self._client = client
        self._agenda = agenda
        self._decisions = decisions
        self._begun_at = datetime.now(UTC)
        self._heard_until = self._begun_at - CATCH_UP
        self._bell = asyncio.Event()
        self._gate = asyncio.Semaphore(AT_ONCE)

    def look(self) -> None:
        """Something changed: look now instead of in a second."""
        self._bell.set()

    async def run(self) -> None:
        """Follow the rows until cancelled."""
        await asyncio.gather(
            forever(self._look, self._rest),
            forever(self.hear, partial(asyncio.sleep, HEAR_S)),
        )

    async def reconcile(self) -> dict[str, int]:
        """Repair what differs between rows and Temporal, in both directions; answers how much of what."""
        found, now = await self._found(), datetime.now(UTC)
        plans = await self._agenda.live()  # after what was found: what is there has its row by now
        stale = [plan for plan in plans if not found.get(name_of(plan))]
        if stale:
            await self._agenda.again([plan.id for plan in stale])
            log.info("schedules are written to Temporal again", schedules=len(stale))
        needed = {name_of(plan) for plan in plans} | {own_name_of(plan) for plan in stale}
        removed = await self._drop(found.keys() - needed)
        await self._agenda.renew(now - RENEW)
        released = await self._agenda.release_stuck()
        if released:
            log.warning("runs that waited for nothing go on", schedules=released)
        lost = await self.note_lost(now) if now - self._begun_at > SETTLED else 0
        counts = {"written_again": len(stale), "removed": removed, "released": released, "lost_due_times": lost}
        return {name: number for name, number in counts.items() if number}

    async def hear(self) -> None:
        """Start the firings of due times that Temporal has passed over, by the very ids it would have used.

        It counts from when it first looks at a schedule, not from when it was given it: what was due in between, or
        while its own data was gone, it never starts.
        """
        before = datetime.now(UTC) - OVERDUE
        unheard = await self._agenda.unheard(self._heard_until - OVERLAP, before)
        shared = {(each.tenant_id, each.timing_id, each.at): each for each in unheard}
        await asyncio.gather(*(self._bounded(self._fire_shared(each)) for each in shared.values()))
        alone = [each for each in unheard if each.at < before - LONG_OVERDUE]
        await asyncio.gather(*(self._bounded(self._fire_alone(each)) for each in alone))
        self._heard_until = before

    async def note_lost(self, now: datetime) -> int:
        """Say which due times an outage of more than a day has taken; what Temporal still holds is decided first."""
        count = 0
        for lost in await self._agenda.lost(now - CATCH_UP - MARGIN):
            if await self._decisions.note_lost(lost, now):
                log.warning("due times were lost in an outage", schedule_id=str(lost.schedule_id), count=lost.count)
                count += lost.count
        return count

    async def _look(self) -> None:
        plans, asked = await self._agenda.waiting(), await self._agenda.asked()
        shared = {name_of(plan): [each for each in plans if name_of(each) == name_of(plan)] for plan in plans}
        await asyncio.gather(*(self._bounded(self._apply(name, each)) for name, each in shared.items()))
        await asyncio.gather(*(self._bounded(self._fire(each)) for each in asked))

    async def _bounded(self, work: Awaitable[None]) -> None:
        async with self._gate:
            await work

    async def _rest(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_S):
                await self._bell.wait()
        self._bell.clear()

    async def _apply(self, name: str, plans: Sequence[Plan]) -> None:
        """Make Temporal's schedule what the rows of a timing say."""
        now = datetime.now(UTC)
        live = [plan for plan in plans if not plan.is_over and plan.timing.next_after(now - CATCH_UP) is not None]
        if live:
            await self._put(live[0], now, is_again=any(plan.is_again for plan in live))
        else:
            await self._remove_unless_shared(name, plans[0], now)
        for plan in plans:
            if plan not in live:
                await self._agenda.over(plan)
            await self._agenda.applied(plan)

    async def _put(self, plan: Plan, now: datetime, *, is_again: bool) -> None:
        """Have Temporal's schedule. One that is there is left alone: changed, it forgets what was due just before."""
        wanted, name = schedule_of(plan, now), name_of(plan)

        def update(_found: ScheduleUpdateInput) -> ScheduleUpdate:
            return ScheduleUpdate(wanted)

        try:
            await self._client.create_schedule(name, wanted, rpc_timeout=CALL)
        except ScheduleAlreadyRunningError:
            if is_again:
                await self._client.get_schedule_handle(name).update(update, rpc_timeout=CALL)

    async def _remove_unless_shared(self, name: str, plan: Plan, now: datetime) -> None:
        """Remove a schedule of Temporal's that no row needs; one that came meanwhile has it back."""
        if await self._sharing(name, plan, now) is None:
            await self._remove(name)
            came = await self._sharing(name, plan, now)
            if came is not None:
                await self._put(came, now, is_again=True)

    async def _sharing(self, name: str, plan: Plan, now: datetime) -> Plan | None:
        """Another schedule of the same timing that is still due."""
        if plan.timing.next_after(now - CATCH_UP) is None:
            return None
        plans = await self._agenda.live(plan.tenant_id)
        return next((each for each in plans if name_of(each) == name), None)

    async def _remove(self, name: str) -> None:
        try:
            await self._client.get_schedule_handle(name).delete(rpc_timeout=CALL)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise

    async def _fire(self, asked: AskedFiring) -> None:
        """Start the workflow of a trigger; its id is the row's, so that there is one."""
        request = FiringInput(str(asked.tenant_id), str(asked.schedule_id), str(asked.id))
        name = workflow_id(asked.tenant_id, "firings", asked.id)
        await self._start(asked.tenant_id, name, request, "a firing that was asked for")

    async def _fire_shared(self, due: Unheard) -> None:
        """Start the workflow of a due time, unless Temporal has."""
        request = FiringInput(str(due.tenant_id), "", timing_id=str(due.timing_id))
        await self._fire_at(due, due.timing_id, request)

    async def _fire_alone(self, due: Unheard) -> None:
        """Start a workflow for one schedule that was not among those decided about at its due time."""
        await self._fire_at(due, due.schedule_id, FiringInput(str(due.tenant_id), str(due.schedule_id)))

    async def _fire_at(self, due: Unheard, of: UUID, request: FiringInput) -> None:
        name = f"{workflow_id(due.tenant_id, 'firings', of)}-{due.at:%Y-%m-%dT%H:%M:%SZ}"
        if await self._start(due.tenant_id, name, request, "a firing that was passed over"):
            log.warning("a due time was passed over and is made good", schedule_id=str(due.schedule_id), at=str(due.at))

    async def _start(self, tenant_id: TenantId, name: str, request: FiringInput, summary: str) -> bool:
        try:
            await self._client.start_workflow(
                words.WORKFLOW,
                request,
                id=name,
                task_queue=queues.RUNS,
                id_reuse_policy=OnReuse.REJECT_DUPLICATE,
                search_attributes=attributes(tenant_id),
                static_summary=summary,
                rpc_timeout=CALL,
            )
        except WorkflowAlreadyStartedError:
            return False
        return True

    async def _found(self) -> dict[str, bool]:
        """What Temporal has of ours, and whether it is running."""
        found: dict[str, bool] = {}
        async for each in await self._client.list_schedules(page_size=1000):
            if tenant_in(each.id) is not None:
                found[each.id] = each.schedule is not None and not each.schedule.state.paused
        return found

    async def _drop(self, names: Iterable[str]) -> int:
        """Remove schedules of Temporal's that no row needs. What is not ours is not touched."""
        tenants = await self._agenda.tenants()
        ours = [name for name in names if tenant_in(name) in tenants]
        for name in ours:
            await self._remove(name)
            log.info("a schedule without a row was removed from Temporal", schedule=name)
        came = [plan.id for plan in (await self._agenda.live() if ours else ()) if name_of(plan) in ours]
        if came:
            await self._agenda.again(came)
        return len(ours)


def timetable_of(client: Client, parts: Parts) -> Timetable:
    """The timetable of a worker."""
    decisions = Decisions(parts.database, parts.notifier, form_secrets(parts.settings))
    return Timetable(client, Agenda(parts.jobs), decisions)


@asynccontextmanager
async def following(client: Client, parts: Parts) -> AsyncGenerator[Timetable]:
    """Keep Temporal's schedules true while the block runs."""
    timetable = timetable_of(client, parts)
    parts.listener.on(CHANGED_CHANNEL, lambda _id: timetable.look())
    async with beside(timetable.run()):
        yield timetable


def name_of(plan: Plan) -> str:
    """The id of Temporal's schedule."""
    return workflow_id(plan.tenant_id, "schedules", plan.timing_id)


def own_name_of(plan: Plan) -> str:
    """What Temporal's schedule was called when each had one of its own: it stays until that of the timing is there."""
    return workflow_id(plan.tenant_id, "schedules", plan.id)


def tenant_in(name: str) -> UUID | None:
    """The tenant in the name of one of ours."""
    parts = name.split("/")
    try:
        return UUID(parts[0]) if len(parts) == 3 and parts[1] == "schedules" else None
    except ValueError:
        return None


def schedule_of(plan: Plan, now: datetime) -> Schedule:
    """A timing as Temporal takes it. It never skips: what becomes of a due time is its firing's decision."""
    action = ScheduleActionStartWorkflow(
        words.WORKFLOW,
        FiringInput(str(plan.tenant_id), "", timing_id=str(plan.timing_id)),
        id=workflow_id(plan.tenant_id, "firings", plan.timing_id),
        task_queue=queues.RUNS,
        typed_search_attributes=attributes(plan.tenant_id),
        static_summary=policies.summary(f"due: {in_words(plan.timing)}"),
    )
    policy = SchedulePolicy(overlap=ScheduleOverlapPolicy.ALLOW_ALL, catchup_window=CATCH_UP, pause_on_failure=False)
    state = ScheduleState(note=policies.summary(in_words(plan.timing)))
    return Schedule(action, spec_of(plan.timing, now, plan.jitter_s), policy, state)


def spec_of(timing: Timing, now: datetime, jitter_s: int = 0) -> ScheduleSpec:
    """The timing as Temporal takes it, with the moments it would leave out when the clocks go forward."""
    own = [] if timing.calendar is None else [calendar_of(timing.calendar)]
    extra = [moment_of(timing.clock.shows(at)) for at in missing(timing, now, now + AHEAD)]
    every = [] if timing.every is None else [ScheduleIntervalSpec(every=timing.every, offset=timing.offset)]
    return ScheduleSpec(
        calendars=[*own, *extra],
        intervals=every,
        time_zone_name=timing.zone,
        start_at=timing.start_at,
        end_at=timing.end_at,
        jitter=timedelta(seconds=jitter_s) if jitter_s else None,
    )


def calendar_of(calendar: Calendar) -> ScheduleCalendarSpec:
    """A calendar's fields as ranges."""
    years = () if len(calendar.year) > 100 else ranges(calendar.year)
    return ScheduleCalendarSpec(
        second=ranges(calendar.second),
        minute=ranges(calendar.minute),
        hour=ranges(calendar.hour),
        day_of_month=ranges(calendar.day_of_month),
        month=ranges(calendar.month),
        year=years,
        day_of_week=ranges(calendar.day_of_week),
    )


def moment_of(wall: datetime) -> ScheduleCalendarSpec:
    """One wall time."""
    return ScheduleCalendarSpec(
        second=[ScheduleRange(wall.second)],
        minute=[ScheduleRange(wall.minute)],
        hour=[ScheduleRange(wall.hour)],
        day_of_month=[ScheduleRange(wall.day)],
        month=[ScheduleRange(wall.month)],
        year=[ScheduleRange(wall.year)],
        comment="the clocks go forward",
    )


def ranges(values: Iterable[int]) -> list[ScheduleRange]:
    """Values as ranges without gaps."""
    found: list[ScheduleRange] = []
    for value in sorted(values):
        if found and found[-1].end == value - 1:
            found[-1] = ScheduleRange(found[-1].start, value)
        else:
            found.append(ScheduleRange(value, value))
    return found


def attributes(tenant_id: TenantId, noun: str = "firing") -> TypedSearchAttributes:
    """How a firing is found in Temporal's own pages."""
    return policies.keywords({"Tenant": str(tenant_id), "Noun": noun})


async def forever(once: Callable[[], Awaitable[None]], rest: Callable[[], Awaitable[None]]) -> None:
    """Do something again and again, with rests, whatever happens."""
    while True:
        try:
            await once()
        except Exception as error:  # noqa: BLE001 - a loop that dies would leave schedules unsaid for ever
            log.warning("the timetable is tried again", part=once.__name__, reason=str(error)[:200])
        await rest()
