"""System schedules: what the installation does by itself, when, and the reports of what it did."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from windlass.contracts.events import Payload
from windlass.core.calendars import Timing, in_words
from windlass.core.calendars.timing import known_timing
from windlass.core.callers import Caller
from windlass.core.database import Connection, Database, Row
from windlass.core.errors import NotFound
from windlass.core.permissions import Permission

NIGHTLY: Payload = {"cron": "0 3 * * *"}
OFTEN = timedelta(hours=1)  # what is due more often keeps only the newest report that says nothing was to do
KEPT_DAYS = 400
PROBLEM_CHARACTERS = 500
COUNT = "select count_maintenance($1, $2, $3)"
BEGIN = "insert into maintenance (name, due_at) values ($1, $2) on conflict do nothing"
END = """
update maintenance set ended_at = coalesce(ended_at, clock_timestamp()), problem = '' where name = $1 and due_at = $2
returning counts
"""
FAIL = "update maintenance set problem = $3 where name = $1 and due_at = $2 and ended_at is null"
FORGET = """
delete from maintenance where name = $1 and due_at < $2 and (due_at < $2 - make_interval(days => $3)
  or ($4 and ended_at is not null and counts = '{}'))
"""
REPORT = "due_at, began_at, ended_at, counts, problem"
LAST = f"select distinct on (name) name, {REPORT} from maintenance order by name, due_at desc"  # noqa: S608 - constants
NEWEST = f"""
select {REPORT} from maintenance where name = $1 and ($2::timestamptz is null or due_at < $2)
order by due_at desc limit $3
"""  # noqa: S608 - column names are constants


@dataclass(frozen=True, slots=True)
class SystemSchedule:
    """Work that the installation gives itself; nobody can delete it."""

    name: str
    means: str
    source: Payload

    def timing(self, time_zone: str) -> Timing:
        """When it is due, by the clocks of a zone."""
        return known_timing(self.source, time_zone, None, None)

    @property
    def is_frequent(self) -> bool:
        """Whether it is due so often that only reports of something done are worth keeping."""
        return timedelta(seconds=self.source.get("interval_s", OFTEN.total_seconds())) < OFTEN


SYSTEM = (
    SystemSchedule(
        "cleanup",
        "Removes old screenshots, those of deleted desktops, uploads that no run took, and all that nothing names.",
        NIGHTLY,
    ),
    SystemSchedule(
        "retention",
        "Forgets what people deleted long enough ago: events, steps, inputs, results and files. Figures stay.",
        NIGHTLY,
    ),
    SystemSchedule(
        "archive",
        "Ends turns that wait for people in vain, and puts sessions away that nobody comes back to.",
        {"interval_s": 600},
    ),
    SystemSchedule(
        "reconciliation",
        "Compares schedules with Temporal, repairs what differs, and lets runs go that wait for nothing.",
        {"interval_s": 60},
    ),
)


@dataclass(frozen=True, slots=True)
class Occasion:
    """One due time of a system schedule; `day` is the date of the installation's own clocks."""

    schedule: SystemSchedule
    due_at: datetime
    day: date


@dataclass(frozen=True, slots=True)
class Report:
    """What was done at one due time. Without an end and without a problem it is under way."""

    due_at: datetime
    began_at: datetime
    ended_at: datetime | None
    counts: Mapping[str, int]
    problem: str

    @property
    def words(self) -> str:
        """What was done, in words."""
        done = ", ".join(_counted(name, number) for name, number in self.counts.items())
        if self.ended_at is None:
            return f"{f'{done}; ' if done else ''}{f'not finished: {self.problem}' if self.problem else 'under way'}"
        return done or "nothing was to do"


@dataclass(frozen=True, slots=True)
class Standing:
    """A system schedule as it stands: when, in words, when next, and what it did last."""

    name: str
    means: str
    when: str
    time_zone: str
    next_at: datetime | None
    last: Report | None


class Maintenance:
    """Reports of system schedules, as those who work write them and operators of the platform read them."""

    def __init__(self, jobs: Database, time_zone: str) -> None:
        self._jobs, self._zone = jobs, time_zone

    def occasion(self, name: str, due_at: datetime) -> Occasion:
        """A due time by the name of its schedule. Raises NotFound."""
        return Occasion(_named(name), due_at, due_at.astimezone(ZoneInfo(self._zone)).date())

    async def begin(self, occasion: Occasion) -> None:
        """Open the report. The second time it is gone on with."""
        async with self._jobs.open() as connection:
            await connection.execute(BEGIN, occasion.schedule.name, occasion.due_at)

    async def end(self, occasion: Occasion) -> Mapping[str, int]:
        """Close the report; answers what it counts. Old ones go, and newer ones replace those that say nothing."""
        name, due_at = occasion.schedule.name, occasion.due_at
        async with self._jobs.open() as connection, connection.transaction():
            counts = await connection.fetchval(END, name, due_at)
            await connection.execute(FORGET, name, due_at, KEPT_DAYS, occasion.schedule.is_frequent)
        return counts or {}

    async def fail(self, occasion: Occasion, problem: str) -> None:
        """Say why the last attempt came to nothing; there will be others."""
        async with self._jobs.open() as connection:
            await connection.execute(FAIL, occasion.schedule.name, occasion.due_at, problem[:PROBLEM_CHARACTERS])

    async def count(self, occasion: Occasion, counts: Mapping[str, int]) -> None:
        """Count what was done outside of any transaction: what dies in between is not counted."""
        if any(counts.values()):
            async with self._jobs.open() as connection:
                await count(connection, occasion, counts)

    async def schedules(self, caller: Caller, now: datetime) -> list[Standing]:
        """Every system schedule as it stands, for the operator of the platform. Raises Forbidden."""
        caller.require(Permission.PLATFORM_READ)
        async with self._jobs.open() as connection:
            last = {row["name"]: _report(row) for row in await connection.fetch(LAST)}
        return [self._standing(each, last.get(each.name), now) for each in SYSTEM]

    async def reports(
        self, caller: Caller, name: str, *, limit: int = 50, after: datetime | None = None
    ) -> list[Report]:
        """What one did, the newest due time first, for the operator of the platform. Raises Forbidden, NotFound."""
        caller.require(Permission.PLATFORM_READ)
        async with self._jobs.open() as connection:
            return [_report(row) for row in await connection.fetch(NEWEST, _named(name).name, after, limit)]

    def _standing(self, schedule: SystemSchedule, last: Report | None, now: datetime) -> Standing:
        timing = schedule.timing(self._zone)
        facts = (schedule.name, schedule.means, in_words(timing), self._zone)
        return Standing(*facts, timing.next_after(now), last)


async def count(connection: Connection, occasion: Occasion, counts: Mapping[str, int]) -> None:
    """Count what was done, in the transaction that did it."""
    await connection.execute(COUNT, occasion.schedule.name, occasion.due_at, dict(counts))


def _counted(name: str, number: int) -> str:
    if name == "freed_bytes":
        return f"{number / 2**20:.1f} MiB freed"
    return f"{number} {name.replace('_', ' ')}"


def _named(name: str) -> SystemSchedule:
    found = next((each for each in SYSTEM if each.name == name), None)
    if found is None:
        raise NotFound("system schedule", name)
    return found


def _report(row: Row) -> Report:
    facts: dict[str, Any] = {each.name: row[each.name] for each in fields(Report)}
    return Report(**facts)
