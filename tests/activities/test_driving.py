"""What an execution reports is stored once, in order, and acknowledged."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from activities.driving import SHOWN_STEPS, Driving, Fenced
from activities.executors import Began, Ended, ExecutionLost, Parked, Reported, Writing
from tests.activities.agents import FINISHED, Scripted, said
from tests.core.records import Records, done, step
from tests.core.streams import until
from windlass.contracts.events import EventKind
from windlass.contracts.runs import DriveEnd, DriveOutcome, EndInput, RunStatus, StepLine
from windlass.core.artifacts import Artifacts
from windlass.core.contents import Contents
from windlass.core.database import Database
from windlass.core.executions import Attached
from windlass.core.storage.local import LocalObjects
from windlass.core.storage.places import Place
from windlass.core.storage.s3 import S3Objects


class Drivers:
    """Drives runs of one tenant."""

    def __init__(self, records: Records, contents: Contents) -> None:
        self.records = records
        self.artifacts = Artifacts(contents)
        self.progress: dict[str, Any] = {}

    async def follow(self, attached: Attached, *script: Any) -> tuple[DriveOutcome, Scripted]:
        """Drive a script to its end."""
        execution = Scripted(*script)
        records = self.records
        driving = Driving(records.executions, self.artifacts, records.events, attached, self.progress.update)
        return await driving.follow(execution), execution

    async def again(self, attached: Attached) -> Attached:
        """The run as the next driver takes it over."""
        taken = await self.records.executions.attach(attached.tenant_id, attached.run_id, attached.attempt)
        assert taken is not None
        return taken

    async def log(self, attached: Attached, *kinds: EventKind) -> list[dict[str, Any]]:
        """What the log holds."""
        events = await self.records.events.read(self.records.tenant_id, attached.run_id, kinds=kinds or None)
        return [event.payload for event in events]


@pytest.fixture
def drivers(records: Records, database: Database, tmp_path: Path) -> Drivers:
    return Drivers(records, Contents(database, LocalObjects(tmp_path)))


@pytest.fixture
async def attached(records: Records) -> Attached:
    """A run that somebody has just taken over."""
    return await records.attach(await records.start())


async def test_a_success_is_written_to_its_very_end(drivers: Drivers, attached: Attached):
    outcome, execution = await drivers.follow(attached, Began({"summary": "s"}), said("one", 1), FINISHED)

    assert outcome.end is DriveEnd.FINISHED
    assert (await drivers.log(attached))[3:] == [
        {"summary": "s"},
        {"status": "running", "attempt": 1},
        {"str": "one"},
        {"str": "done"},
        {"status": "finished"},
    ]
    assert execution.is_settled
    assert (await drivers.records.runs.get(drivers.records.caller, attached.run_id)).status is RunStatus.FINISHED


async def test_the_highest_place_of_each_producer_is_acknowledged(drivers: Drivers, attached: Attached):
    script = (said("1", 1), said("2", 2), said("3", 1, "agent:0.1"), Parked(None))

    _, execution = await drivers.follow(attached, *script)

    assert {name: place for stored in execution.acknowledged for name, place in stored.items()} == {
        "agent:0": 2,
        "agent:0.1": 1,
    }


async def test_an_error_is_stored_and_its_status_left_to_the_workflow(drivers: Drivers, attached: Attached):
    error = {"type": "ValueError", "message": "no", "traceback": "here"}

    outcome, _ = await drivers.follow(attached, Ended(DriveEnd.FAILED, error=error))

    assert (outcome.end, outcome.error_type, outcome.error_message) == (DriveEnd.FAILED, "ValueError", "no")
    assert (await drivers.log(attached))[-1] == error
    run = await drivers.records.runs.get(drivers.records.caller, attached.run_id)
    assert (run.status, run.error) == (RunStatus.STARTING, error)


async def test_what_is_repeated_is_not_stored_again(drivers: Drivers, attached: Attached):
    await drivers.follow(attached, said("one", 1), Parked(None))

    await drivers.follow(await drivers.again(attached), said("one", 1), said("two", 2), Parked(None))

    assert await drivers.log(attached, EventKind.ACTION) == [{"str": "one"}, {"str": "two"}]


async def test_what_is_said_otherwise_goes_on_beside_it_once(drivers: Drivers, attached: Attached):
    await drivers.follow(attached, said("one", 1), Parked(None))
    for last in (Parked(None), Parked(None), FINISHED):
        await drivers.follow(await drivers.again(attached), said("other", 1), last)

    assert await drivers.log(attached, EventKind.ACTION) == [{"str": "one"}, {"str": "other"}]


async def test_what_is_said_otherwise_in_the_last_breath_is_kept(drivers: Drivers, attached: Attached):
    await drivers.follow(attached, said("one", 1), Parked(None))

    await drivers.follow(await drivers.again(attached), said("other", 1), FINISHED)

    assert await drivers.log(attached, EventKind.ACTION, EventKind.FINAL) == [
        *({"str": "one"}, {"str": "other"}, {"str": "done"}),
    ]


async def test_printed_lines_that_differ_are_left_as_they_were(drivers: Drivers, attached: Attached):
    await drivers.follow(attached, said("12:00", 1, "out:0", EventKind.STDOUT), Parked(None))

    await drivers.follow(await drivers.again(attached), said("12:01", 1, "out:0", EventKind.STDOUT), Parked(None))

    assert await drivers.log(attached, EventKind.STDOUT) == [{"str": "12:00"}]


async def test_a_driver_whose_run_was_taken_over_is_fenced(drivers: Drivers, attached: Attached):
    await drivers.again(attached)

    with pytest.raises(Fenced):
        await drivers.follow(attached, said("late", 1), Parked(None))
    assert await drivers.log(attached, EventKind.ACTION) == []


async def test_a_driver_whose_run_has_ended_is_fenced(drivers: Drivers, attached: Attached):
    run = await drivers.records.runs.get(drivers.records.caller, attached.run_id)
    await drivers.records.end(run, RunStatus.CANCELLED)

    with pytest.raises(Fenced):
        await drivers.follow(attached, said("late", 1), FINISHED)


async def test_a_lost_execution_is_raised_after_what_it_said_is_stored(drivers: Drivers, attached: Attached):
    with pytest.raises(ExecutionLost):
        await drivers.follow(attached, said("last words", 1), ExecutionLost("gone"))

    assert await drivers.log(attached, EventKind.ACTION) == [{"str": "last words"}]


async def test_text_on_its_way_is_shown_and_not_kept(database: Database, drivers: Drivers, attached: Attached):
    await drivers.follow(attached, Writing("m1", 1, "Hel"), Writing("m1", 2, "lo"), Parked(None))

    async with database.open() as connection:
        rows = await connection.fetch("select text from read_deltas($1, $2, 0)", attached.tenant_id, attached.run_id)
    assert [row["text"] for row in rows] == ["Hel", "lo"]
    assert await drivers.log(attached, EventKind.MESSAGE_DELTA) == []


async def test_a_large_result_of_a_step_is_kept_aside_and_comes_back(drivers: Drivers, attached: Attached):
    started, ended = done("large", "x" * 100_000)

    await drivers.follow(attached, Reported(started), Reported(ended), Parked(None))

    (_, payload) = await drivers.log(attached, EventKind.STEP)
    assert payload["result"]["size_bytes"] == 100_002
    assert await drivers.artifacts.unfold(attached.tenant_id, payload["result"]) == "x" * 100_000


async def test_a_parked_run_comes_back_with_its_steps_and_is_not_forgotten(drivers: Drivers, attached: Attached):
    started, ended = done("one")
    sleeping = step("sleep", "started", until="2030-01-01T00:00:00+00:00")

    outcome, execution = await drivers.follow(
        attached, Reported(started), Reported(ended), Reported(sleeping), Parked(5)
    )

    assert (outcome.end, outcome.parked_s, outcome.steps_total) == (DriveEnd.PARKED, 5, 2)
    assert outcome.steps == (StepLine("one", "done", 5, 1), StepLine("sleep", "started", None, 1))
    assert not execution.is_settled
    assert drivers.progress["kept"] == 1


async def test_the_table_of_steps_is_bounded(drivers: Drivers, attached: Attached):
    script = [Reported(event) for number in range(70) for event in done(f"step {number}")]

    outcome, _ = await drivers.follow(attached, *script, Parked(None))

    assert (len(outcome.steps), outcome.steps_total) == (SHOWN_STEPS, 70)
    assert outcome.steps[-1].name == "step 69"
    assert drivers.progress == {"step": "step 69", "n": 70, "kept": 70, "seq": 143}


async def test_a_repeated_step_is_shown_as_that(drivers: Drivers, attached: Attached):
    await drivers.follow(attached, Reported(step("one", "started")), Parked(None))
    repeated = step("one", "repeated", execution=2)

    outcome, _ = await drivers.follow(await drivers.again(attached), Reported(repeated), Parked(None))

    assert outcome.steps == (StepLine("one", "repeated", None, 2),)


class Nowhere(S3Objects):
    """A bucket where nobody answers; counts how often it was tried."""

    def __init__(self) -> None:
        super().__init__(Place("nobody", endpoint="http://127.0.0.1:9", access_key="a", secret_key="b"))  # noqa: S106
        self.tries = 0

    async def put(self, key: str, content: bytes) -> None:
        """Raises StoreAway."""
        self.tries += 1
        await super().put(key, content)


@pytest.fixture
async def nowhere() -> AsyncGenerator[Nowhere]:
    objects = Nowhere()
    yield objects
    await objects.close()


@pytest.fixture
def cut_off(records: Records, database: Database, nowhere: Nowhere) -> Drivers:
    """Drivers of runs whose object store nobody answers for."""
    return Drivers(records, Contents(database, nowhere))


async def test_a_run_whose_store_is_away_says_so_once_and_waits(cut_off: Drivers, nowhere: Nowhere, attached: Attached):
    following = asyncio.create_task(cut_off.follow(attached, said("x" * 100_000, 1), FINISHED))

    await until(lambda: nowhere.tries > 3)
    following.cancel()
    with pytest.raises(asyncio.CancelledError):
        await following

    (warning,) = await cut_off.log(attached, EventKind.LOG)
    assert warning["level"] == "warning"
    assert warning["text"].startswith("The run waits. The object store does not answer.")
    assert await cut_off.log(attached, EventKind.ACTION, EventKind.FINAL) == []


async def test_a_run_that_ends_while_its_store_is_away_is_let_go(cut_off: Drivers, attached: Attached):
    following = asyncio.create_task(cut_off.follow(attached, said("x" * 100_000, 1), FINISHED))
    about = (str(attached.tenant_id), str(attached.run_id))

    await cut_off.records.executions.end(EndInput(*about, RunStatus.CANCELLED, 1))

    with pytest.raises(Fenced):
        await asyncio.wait_for(following, 20)
