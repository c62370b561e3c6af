"""Every due time is decided once and starts one run at most, whatever dies in between."""

import asyncio
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.faults.stack import Stack, until
from tests.faults.test_temporal import frozen
from windlass.client import AsyncClient, Firing, Schedule

DUE_S, OUTAGE_S = (4, 5, 6), 13
TRIGGERS = 10
NEVER = {"cron": "0 0 1 1 *"}


async def task_of(client: AsyncClient, marks: Path) -> str:
    """A task of one step that leaves a mark."""
    inputs = {"marks": str(marks), "n": 1, "seconds": 0}
    return (await client.tasks.add(f"task {secrets.token_hex(4)}", "stepping/steps", inputs)).id


async def schedule_of(client: AsyncClient, task_id: str, **more: Any) -> Schedule:
    """A schedule over a task."""
    return await client.schedules.add(f"schedule {secrets.token_hex(4)}", task_id, **more)


async def decided(client: AsyncClient, schedule: Schedule, count: int, patience_s: float = 30) -> list[Firing]:
    """The firings of a schedule when so many are decided about and their runs have ended."""
    found: list[Firing] = []

    async def are_over() -> bool:
        found[:] = (await client.schedules.firings(schedule.id, limit=200)).items
        over = [each for each in found if each.decision and each.run_status in (None, "finished")]
        return len(over) == len(found) >= count

    await until(are_over, f"{count} firings are over", patience_s, lambda: str(found))
    return found


async def test_due_times_of_an_outage_are_late_or_skipped_and_none_is_lost(
    stack: Stack, client: AsyncClient, marks: Path
):
    task_id, now = await task_of(client, marks / "late"), datetime.now(UTC).replace(microsecond=0)
    times = [now + timedelta(seconds=seconds) for seconds in DUE_S]
    inside = [await schedule_of(client, task_id, at=at.isoformat(), catch_up_s=600) for at in times]
    outside = await schedule_of(client, task_id, at=times[0].isoformat(), catch_up_s=1)

    async def are_applied() -> bool:
        return all([(await client.schedules.get(each.id)).to_json()["is_applied"] for each in (*inside, outside)])

    await until(are_applied, "Temporal knows the schedules", 3)
    async with frozen(stack):
        await asyncio.sleep(OUTAGE_S - (datetime.now(UTC) - now).total_seconds())

    for schedule in inside:
        (firing,) = await decided(client, schedule, 1)
        assert (firing.decision, firing.run_status) == ("late", "finished"), firing
    (skipped,) = await decided(client, outside, 1)
    assert skipped.decision == "skipped"
    assert "late; at most 1s are made up for" in skipped.reason
    assert len((marks / "late").read_text().split()) == len(inside)


async def test_a_worker_killed_between_firing_and_run_starts_each_run_once(
    stack: Stack, client: AsyncClient, marks: Path
):
    task_id = await task_of(client, marks / "triggered")
    schedule = await schedule_of(client, task_id, overlap="allow_all", **NEVER)
    asked = await asyncio.gather(*(client.schedules.trigger(schedule.id) for _ in range(TRIGGERS)))

    async def is_one_decided() -> bool:
        return any(each.decision for each in (await client.schedules.firings(schedule.id)).items)

    await until(is_one_decided, "the first firing is decided", 10)
    await stack.kill("worker-runs")

    found = await decided(client, schedule, TRIGGERS)
    assert {each.id for each in found} == set(asked)
    assert len({each.run_id for each in found}) == TRIGGERS
    runs = (await client.tasks.runs(task_id, limit=200)).items
    assert len(runs) == TRIGGERS
    assert len((marks / "triggered").read_text().split()) >= TRIGGERS  # a step that was running is executed again
    await stack.is_whole()


async def test_a_gateway_killed_between_row_and_schedule_is_made_good(stack: Stack, client: AsyncClient, marks: Path):
    task_id = await task_of(client, marks / "never")
    wishes = [asyncio.create_task(schedule_of(client, task_id, **NEVER)) for _ in range(TRIGGERS)]
    await asyncio.wait(wishes, return_when=asyncio.FIRST_COMPLETED)
    await stack.kill("gateway")
    made = [each for each in await asyncio.gather(*wishes, return_exceptions=True) if isinstance(each, Schedule)]

    async def are_applied() -> bool:
        found = (await client.http.get("/v1/schedules", params={"task_id": task_id})).json()["items"]
        return len(found) >= len(made) > 0 and all(each["is_applied"] for each in found)

    await stack.is_whole()
    await until(are_applied, "Temporal has every schedule that was recorded", 20)
