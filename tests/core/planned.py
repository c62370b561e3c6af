"""A tenant with a task that is scheduled, on the real database, with the person who made it."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from tests.core.records import SECRETS, Records, records_of
from windlass.contracts.ids import RunId
from windlass.core.agenda import Agenda
from windlass.core.callers import Caller
from windlass.core.database import Database
from windlass.core.decisions import Asked, Decided, Decisions
from windlass.core.firings import Firings
from windlass.core.identity.sign_in import add_tenant
from windlass.core.outbox import Outbox
from windlass.core.schedules import NewSchedule, Policy, Schedule, Schedules
from windlass.core.tasks import Recipe, Task
from windlass.core.wakeup import PollOnly

WEEKDAYS = {"cron": "30 7 * * 1-5", "time_zone": "Europe/Berlin"}
NEWS = Recipe("claude", {"prompt": "News of the day"})


@dataclass(slots=True)
class Planned:
    """What people and workers may do to the schedules of one tenant."""

    records: Records
    schedules: Schedules
    firings: Firings
    decisions: Decisions
    agenda: Agenda
    outbox: Outbox
    database: Database
    task: Task

    @property
    def caller(self) -> Caller:
        """Who made all of it."""
        return self.records.caller

    async def schedule(self, timing: dict[str, Any] | None = None, **policy: Any) -> Schedule:
        """A schedule over the task."""
        name = f"mornings {secrets.token_hex(3)}"
        wish = NewSchedule(name, self.task.id, timing or WEEKDAYS, Policy(**policy))
        return await self.schedules.create(self.caller, wish)

    async def retask(self, recipe: Recipe, *, check: bool = True) -> None:
        """Have another task scheduled; without `check` as if its templates had fitted when it was saved."""
        self.task = await self.records.tasks.create(self.caller, "other", recipe if check else NEWS)
        if not check:
            async with self.database.tenant(self.caller.tenant_id) as connection:
                await connection.execute(
                    "update task_version set inputs = $2 where task_id = $1", self.task.id, recipe.inputs
                )

    async def decide(
        self,
        schedule: Schedule,
        due: datetime,
        *,
        late: timedelta = timedelta(seconds=1),
        firing_id: UUID | None = None,
    ) -> Decided:
        """Decide as the worker does."""
        return await self.decisions.decide(Asked(self.caller.tenant_id, schedule.id, due, firing_id), due + late)

    async def change_member(self, change: str) -> None:
        """Change the membership of who made it."""
        async with self.database.tenant(self.caller.tenant_id) as connection:
            await connection.execute(f"update membership set {change}")  # noqa: S608 - our own

    async def waiting_to_start(self) -> list[RunId]:
        """The runs of this tenant that a gateway would start, in the order they were let go."""
        lines = await self.outbox.waiting(0, 10_000)
        return [line.run_id for line in lines if line.tenant_id == self.caller.tenant_id and line.message == "start"]


async def planned_of(database: Database, jobs: Database, caller: Caller | None = None) -> Planned:
    """A new tenant with its owner and one task."""
    records, wakeup = records_of(database, jobs, caller), PollOnly()
    await enrol(database, records.caller)
    schedules = Schedules(database, wakeup, records.tasks)
    return Planned(
        records,
        schedules,
        Firings(database, wakeup, schedules, records.history),
        Decisions(database, wakeup, SECRETS),
        Agenda(jobs),
        Outbox(jobs),
        database,
        await records.tasks.create(records.caller, "news", NEWS),
    )


async def enrol(database: Database, caller: Caller) -> None:
    """Make the caller a person who owns their tenant."""
    async with database.open() as connection:
        query = "select identity_add_person($1, $2, $3, 'x', false)"
        await connection.execute(query, caller.person_id, f"{secrets.token_hex(8)}@example.org", caller.name)
    await add_tenant(database, caller.tenant_id, "Planned", caller.person_id)
