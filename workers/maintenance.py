"""System schedules: kept in Temporal whatever happens to it, and wired to what they do."""

import asyncio
from contextlib import AbstractAsyncContextManager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleState,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.service import RPCError, RPCStatusCode

from activities.maintenance import Deed, MaintenanceActivities
from windlass.contracts import maintenance as words
from windlass.contracts import queues
from windlass.contracts import sessions as session_words
from windlass.contracts.ids import TenantId, workflow_id
from windlass.contracts.maintenance import NOBODY, MaintenanceInput
from windlass.core.events import Events
from windlass.core.housekeeping import Housekeeping
from windlass.core.leftovers import Leftovers
from windlass.core.maintenance import SYSTEM, Maintenance, Occasion, SystemSchedule
from windlass.core.retention import Retention
from windlass.core.silence import Patience, Silence
from workers.parts import Parts, beside
from workers.timetable import CALL, Timetable, attributes, forever, spec_of, timetable_of

LOOK_S = 60.0
CATCH_UP = timedelta(hours=24)  # a night that everything was down is made up for in the morning
CATCH_UP_OFTEN = timedelta(minutes=1)


class SystemSchedules:
    """Has Temporal know of every system schedule: one that was deleted, paused or lost there comes back in a minute."""

    def __init__(self, client: Client, time_zone: str) -> None:
        self._client, self._zone = client, time_zone
        self._written: set[str] = set()

    async def keep(self) -> None:
        """Look at each, and write those that are not as they must be; after a start, all."""
        for each in SYSTEM:
            if each.name not in self._written or not await self._is_kept(each):
                await self._put(each)
                self._written.add(each.name)

    async def _is_kept(self, each: SystemSchedule) -> bool:
        try:
            found = await self._client.get_schedule_handle(schedule_name(each)).describe(rpc_timeout=CALL)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            return False
        return not found.schedule.state.paused

    async def _put(self, each: SystemSchedule) -> None:
        wanted = schedule_of(each, self._zone, datetime.now(UTC))

        def update(_found: ScheduleUpdateInput) -> ScheduleUpdate:
            return ScheduleUpdate(wanted)

        try:
            await self._client.create_schedule(
                schedule_name(each), wanted, trigger_immediately=each.is_frequent, rpc_timeout=CALL
            )
        except ScheduleAlreadyRunningError:
            await self._client.get_schedule_handle(schedule_name(each)).update(update, rpc_timeout=CALL)


def maintaining(client: Client, parts: Parts) -> AbstractAsyncContextManager[None]:
    """Keep the system schedules while the block runs."""
    schedules = SystemSchedules(client, parts.settings.time_zone)
    return beside(forever(schedules.keep, partial(asyncio.sleep, LOOK_S)))


def maintenance(client: Client, parts: Parts) -> MaintenanceActivities:
    """The activities of system schedules, each with what it is for."""
    reports = Maintenance(parts.jobs, parts.settings.time_zone)
    events = Events(parts.database, parts.notifier)
    housekeeping = Housekeeping(parts.jobs, parts.objects, events, reports, parts.settings.screenshot_days)
    deeds: dict[str, Deed] = {
        "cleanup": partial(_clean, Leftovers(parts.jobs, parts.objects), housekeeping),
        "retention": Retention(parts.jobs, parts.database, parts.settings.deleted_days).forget,
        "archive": partial(_put_away, _silence(client, parts), reports),
        "reconciliation": partial(_reconcile, timetable_of(client, parts), reports),
    }
    return MaintenanceActivities(reports, deeds)


async def _clean(leftovers: Leftovers, housekeeping: Housekeeping, occasion: Occasion) -> bool:
    """Both, whatever becomes of the first: a file that cannot be removed keeps no screenshot from going."""
    more = False
    try:
        more = await leftovers.remove(occasion)
    finally:
        more = await housekeeping.clean(occasion) or more
    return more


async def _put_away(silence: Silence, reports: Maintenance, occasion: Occasion) -> bool:
    settled = await silence.look()
    await reports.count(occasion, {"turns": settled.turns, "sessions": settled.sessions})
    return settled.turns + settled.sessions > 0


async def _reconcile(timetable: Timetable, reports: Maintenance, occasion: Occasion) -> bool:
    await reports.count(occasion, await timetable.reconcile())
    return False


def _silence(client: Client, parts: Parts) -> Silence:
    settings = parts.settings
    patience = Patience.of(settings.session_silent_hours, settings.session_archive_days)
    return Silence(parts.jobs, parts.database, parts.notifier, patience, partial(_tell, client))


async def _tell(client: Client, tenant_id: TenantId, session_id: UUID) -> None:
    """Have a session's workflow look at its record; without one there is nobody to tell."""
    handle = client.get_workflow_handle(workflow_id(tenant_id, session_words.NOUN, session_id))
    with suppress(RPCError):
        await handle.signal(session_words.LOOK_SIGNAL, rpc_timeout=CALL)


def schedule_name(each: SystemSchedule) -> str:
    """The id of Temporal's schedule."""
    return workflow_id(NOBODY, "system-schedules", each.name)


def schedule_of(each: SystemSchedule, time_zone: str, now: datetime) -> Schedule:
    """A system schedule as Temporal takes it. One due time at a time: what goes on does the work of the next."""
    action = ScheduleActionStartWorkflow(
        words.WORKFLOW,
        MaintenanceInput(each.name),
        id=workflow_id(NOBODY, "maintenance", each.name),
        task_queue=queues.RUNS,
        typed_search_attributes=attributes(TenantId(NOBODY), "maintenance"),
        static_summary=each.means,
    )
    window = CATCH_UP_OFTEN if each.is_frequent else CATCH_UP
    policy = SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=window)
    return Schedule(action, spec_of(each.timing(time_zone), now), policy, ScheduleState(note=each.means))
