"""What Temporal has of schedules, looked at and made by hand."""

from datetime import UTC, datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.workflowservice.v1 import ListScheduleMatchingTimesRequest
from temporalio.client import (
    Schedule as TemporalSchedule,
)
from temporalio.client import (
    ScheduleActionStartWorkflow,
    ScheduleOverlapPolicy,
    SchedulePolicy,
)

from tests.workflows.engines import Engine
from windlass.contracts import firings as words
from windlass.contracts import queues
from windlass.contracts.ids import workflow_id
from windlass.core.agenda import Plan
from windlass.core.schedules import Schedule
from windlass.core.timings import timing_id
from workers.timetable import schedule_of, spec_of


def named(schedule: Schedule, engine: Engine, noun: str = "schedules") -> str:
    """What Temporal calls the timing of a schedule."""
    tenant_id = engine.caller.tenant_id
    return workflow_id(tenant_id, noun, timing_id(tenant_id, schedule.id, schedule.timing, schedule.policy.jitter_s))


async def made_as_before_timings(engine: Engine, schedule: Schedule) -> str:
    """Bring a schedule to the form in which each had one of Temporal's of its own; answers what that is called."""
    await engine.client.get_schedule_handle(named(schedule, engine)).delete()
    async with engine.database.tenant(engine.caller.tenant_id) as connection:
        await connection.execute("update schedule set timed_at = '-infinity' where id = $1", schedule.id)
    action = ScheduleActionStartWorkflow(
        words.WORKFLOW,
        words.FiringInput(str(engine.caller.tenant_id), str(schedule.id)),
        id=workflow_id(engine.caller.tenant_id, "firings", schedule.id),
        task_queue=queues.RUNS,
    )
    policy = SchedulePolicy(overlap=ScheduleOverlapPolicy.ALLOW_ALL, catchup_window=timedelta(hours=24))
    spec = spec_of(schedule.timing, datetime.now(UTC))
    name = workflow_id(engine.caller.tenant_id, "schedules", schedule.id)
    await engine.client.create_schedule(name, TemporalSchedule(action, spec, policy))
    return name


async def matching(engine: Engine, plan: Plan, now: datetime, begin: datetime, end: datetime) -> list[datetime]:
    """What the real server finds for a schedule that it has."""
    name = workflow_id(plan.tenant_id, "schedules", f"preview-{plan.id}")
    handle = await engine.client.create_schedule(name, schedule_of(plan, now))
    request = ListScheduleMatchingTimesRequest(namespace="default", schedule_id=name)
    request.start_time.CopyFrom(stamp(begin))
    request.end_time.CopyFrom(stamp(end))
    try:
        answer = await engine.client.workflow_service.list_schedule_matching_times(request)
    finally:
        await handle.delete()
    return [each.ToDatetime(UTC) for each in answer.start_time]


def stamp(at: datetime) -> Timestamp:
    found = Timestamp()
    found.FromDatetime(at)
    return found
