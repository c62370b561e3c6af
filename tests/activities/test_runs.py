"""The activities of runs, each on its own: what they do the first time, and the second."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.activity import ActivityCancellationDetails
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.testing import ActivityEnvironment

from activities.executors import ExecutionLost, OwnProcessDied, TryAgain
from activities.runs import STOP_CHANNEL, Outside, RunActivities
from activities.rush import Rush
from tests.activities.agents import FINISHED, Executions, Scripted, said
from tests.core.records import Records
from tests.core.streams import until
from windlass.contracts.agents import Profile
from windlass.contracts.events import EventKind
from windlass.contracts.ids import new_id
from windlass.contracts.runs import DriveEnd, DriveInput, DriveOutcome, EndInput, RunStatus
from windlass.core.artifacts import Artifacts
from windlass.core.contents import Contents
from windlass.core.database import Database
from windlass.core.listener import Listener
from windlass.core.runs import Run, StartRun
from windlass.core.storage.local import LocalObjects
from windlass.core.vault import SecretSealed
from windlass.core.wakeup import Notifier


class Office:
    """The activities of one worker, with scripted executors."""

    def __init__(self, records: Records, notifier: Notifier, contents: Contents) -> None:
        self.records = records
        self.claude, self.flows = Executions(), Executions()
        self.environment = ActivityEnvironment()
        executors = {"claude": self.claude, "flow": self.flows}
        artifacts = Artifacts(contents)
        self.rush = Rush()
        outside = Outside(records.executions, artifacts, records.events, notifier, executors, self.rush)
        self.activities = RunActivities(outside)

    def about(self, run: Run, attempt: int = 1) -> DriveInput:
        """What an activity is told."""
        return DriveInput(str(self.records.tenant_id), str(run.id), attempt)

    async def drive(self, run: Run, *executions: Scripted, attempt: int = 1) -> DriveOutcome:
        """Drive a run of Claude through these executions."""
        self.claude.waiting = list(executions)
        return await self.environment.run(self.activities.drive, self.about(run, attempt))


@pytest.fixture
async def notifier(database_url: str) -> AsyncGenerator[Notifier]:
    running = Notifier(database_url)
    await running.start()
    await until(lambda: running.is_connected)
    yield running
    await running.close()


@pytest.fixture
def office(records: Records, notifier: Notifier, database: Database, tmp_path: Path) -> Office:
    return Office(records, notifier, Contents(database, LocalObjects(tmp_path)))


async def flow_run(records: Records, state: str = "running") -> Run:
    """A run of a flow whose service is in the given state."""
    await records.serve("texts", "count", state=state)
    return await records.runs.start(records.caller, StartRun("texts/count", {"text": "hi"}))


async def error_of(records: Records, run: Run) -> str:
    (event,) = await records.events.read(records.tenant_id, run.id, kinds=[EventKind.ERROR])
    return event.payload["type"]


async def test_a_run_is_driven_to_its_end_and_let_go_of(office: Office):
    run, execution = await office.records.start(), Scripted(FINISHED)

    outcome = await office.drive(run, execution)

    assert outcome.end is DriveEnd.FINISHED
    assert (execution.is_settled, execution.is_closed) == (True, True)


async def test_the_workflow_of_a_run_that_has_finished_is_told_when_those_that_start_have_started(office: Office):
    run = await office.records.start()

    execution = Scripted(FINISHED)

    with office.rush.going():
        driven = asyncio.create_task(office.drive(run, execution))
        await until(lambda: execution.is_closed)
        assert (await office.records.runs.get(office.records.caller, run.id)).status is RunStatus.FINISHED
        assert not driven.done()

    assert (await driven).end is DriveEnd.FINISHED


async def test_a_rush_that_does_not_end_is_waited_for_a_while():
    rush = Rush()

    with rush.going():
        await rush.over(patience_s=0.01)


async def test_the_second_time_a_run_that_has_ended_is_left_alone(office: Office):
    run = await office.records.start()
    await office.drive(run, Scripted(FINISHED))

    assert await office.drive(run) == DriveOutcome(DriveEnd.CLOSED)


async def test_a_run_of_a_saved_agent_is_driven_by_its_driver_though_it_was_deleted(office: Office):
    records = office.records
    await records.saved.create(records.caller, "reviewer", Profile(system="Be stern."))
    run = await records.runs.start(records.caller, StartRun("reviewer", {"prompt": "hi"}))
    await records.saved.delete(records.caller, "reviewer")

    assert (await office.drive(run, Scripted(FINISHED))).end is DriveEnd.FINISHED


async def test_a_run_that_was_never_recorded_is_left_alone(office: Office):
    nobody = DriveInput(str(office.records.tenant_id), str(new_id()))

    assert await office.environment.run(office.activities.drive, nobody) == DriveOutcome(DriveEnd.CLOSED)
    await office.environment.run(office.activities.stop, nobody)


async def test_a_lost_execution_is_taken_up_again(office: Office):
    run = await office.records.start()

    lost, last = Scripted(said("one", 1), ExecutionLost("gone")), Scripted(said("one", 1), said("two", 2), FINISHED)
    outcome = await office.drive(run, lost, last)

    assert outcome.end is DriveEnd.FINISHED
    assert lost.is_closed
    actions = await office.records.events.read(office.records.tenant_id, run.id, kinds=[EventKind.ACTION])
    assert [event.payload for event in actions] == [{"str": "one"}, {"str": "two"}]


async def test_an_agent_that_is_gone_fails_the_run(database: Database, office: Office):
    run = await flow_run(office.records)
    async with database.tenant(office.records.tenant_id) as connection:
        await connection.execute("delete from flow where true")

    outcome = await office.drive(run)

    assert (outcome.end, outcome.error_type, outcome.retryable) == (DriveEnd.FAILED, "AgentGone", False)
    assert await error_of(office.records, run) == "AgentGone"


async def test_a_service_that_does_not_start_fails_the_run_with_its_reason(office: Office):
    run = await flow_run(office.records, "unhealthy")

    outcome = await office.drive(run)

    assert (outcome.error_type, outcome.retryable) == ("ServiceDown", False)
    assert outcome.error_message == "The service texts does not start: no reason"


async def test_a_process_that_keeps_dying_fails_the_run_after_three_times(office: Office):
    run = await office.records.start()

    outcome = await office.drive(run, *(Scripted(OwnProcessDied("exit code 9")) for _ in range(5)))

    assert (outcome.end, outcome.error_type) == (DriveEnd.FAILED, "ProcessDied")
    assert "exit code 9" in outcome.error_message
    assert len(office.claude.waiting) == 2
    logged = await office.records.events.read(office.records.tenant_id, run.id, kinds=[EventKind.LOG])
    assert [event.payload["text"][:37] for event in logged] == [
        "The process of this run died (1 of 3)",
        "The process of this run died (2 of 3)",
    ]


async def test_a_run_whose_passwords_do_not_open_fails_and_is_stopped_in_its_host(office: Office):
    run = await office.records.start()

    outcome = await office.drive(run, Scripted(SecretSealed("with another key")))

    assert (outcome.end, outcome.error_type, outcome.retryable) == (DriveEnd.FAILED, "SecretSealed", False)
    assert [attached.run_id for attached in office.claude.stopped] == [run.id]


async def test_what_may_pass_is_tried_again_when_it_says(office: Office):
    run = await office.records.start()
    beats: list[object] = []
    office.environment.on_heartbeat = lambda *details: beats.append(dict(details[0]))

    with pytest.raises(ApplicationError) as raised:
        await office.drive(run, Scripted(TryAgain("RateLimited", "slow down", delay_s=7, is_expected=True)))

    assert (raised.value.type, raised.value.next_retry_delay) == ("RateLimited", timedelta(seconds=7))
    assert raised.value.category is ApplicationErrorCategory.BENIGN
    assert beats[-1] == {"tries": 1}


async def test_the_number_of_the_try_survives_the_activity(office: Office):
    run = await office.records.start()
    office.environment.info = replace(ActivityEnvironment.default_info(), heartbeat_details=[{"tries": 2}])

    await office.drive(run, Scripted(FINISHED))

    assert office.claude.attempts == [3]


async def driving(office: Office, run: Run, execution: Scripted) -> "asyncio.Task[DriveOutcome]":
    """A driving activity that waits for its agent."""
    task = asyncio.create_task(office.drive(run, execution))
    await until(lambda: execution.acknowledged)
    return task


async def test_a_stop_reaches_the_agent_that_is_driven_here(office: Office):
    run, execution = await office.records.start(), Scripted(said("one", 1))
    task = await driving(office, run, execution)

    await ActivityEnvironment().run(office.activities.stop, office.about(run))

    assert (await task).end is DriveEnd.CANCELLED
    assert office.claude.stopped == []


async def test_a_stop_of_what_another_process_drives_is_passed_on(office: Office, database_url: str):
    run, heard = await office.records.start(), list[str]()
    listener = Listener(database_url)
    listener.on(STOP_CHANNEL, heard.append)
    await listener.start()
    await until(lambda: listener.is_connected)

    await office.environment.run(office.activities.stop, office.about(run))

    assert [attached.run_id for attached in office.claude.stopped] == [run.id]
    await until(lambda: heard == [str(run.id)])
    await listener.close()


async def test_a_cancelled_activity_stops_its_agent(office: Office):
    run, execution = await office.records.start(), Scripted(said("one", 1))
    task = await driving(office, run, execution)

    office.environment.cancel(ActivityCancellationDetails(cancel_requested=True))
    with pytest.raises(asyncio.CancelledError):
        await task

    assert (execution.is_stopped.is_set(), execution.is_closed) == (True, True)


async def test_a_worker_that_leaves_lets_the_agent_go_on(office: Office):
    run, execution = await office.records.start(), Scripted(said("one", 1))
    task = await driving(office, run, execution)

    office.environment.cancel(ActivityCancellationDetails(worker_shutdown=True))
    with pytest.raises(asyncio.CancelledError):
        await task

    assert (execution.is_stopped.is_set(), execution.is_closed) == (False, True)


async def test_a_run_that_ended_behind_the_drivers_back_has_its_agent_stopped(office: Office):
    run = await office.records.start()
    await office.records.attach(run)
    late = Scripted(said("one", 1))
    task = await driving(office, run, late)
    await office.records.end(run, RunStatus.CANCELLED)

    office.environment.cancel(ActivityCancellationDetails(not_found=True))
    with pytest.raises(asyncio.CancelledError):
        await task

    assert late.is_stopped.is_set()


async def test_a_cancel_that_came_first_starts_nothing(office: Office):
    run = await office.records.start()
    await office.records.runs.cancel(office.records.caller, run.id)

    assert (await office.drive(run)).end is DriveEnd.CANCELLED


async def test_an_end_is_written_once(office: Office):
    run = await office.records.start()
    request = EndInput(str(office.records.tenant_id), str(run.id), RunStatus.CANCELLED, reason="enough")

    ends = [await office.environment.run(office.activities.end, request) for _ in range(2)]

    assert ends == ["cancelled", "cancelled"]
    assert len(await office.records.events.read(office.records.tenant_id, run.id)) == 2
