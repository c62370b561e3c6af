"""What is examined to say how the installation is, besides the database itself."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from time import perf_counter

from windlass.core.database import Database, Row
from windlass.core.health import Finding, Grade, Part
from windlass.core.outbox import Outbox
from windlass.core.storage import Objects, StoreAway

SERVICES = """
select count(*) as wanted, count(*) filter (where state = 'running') as up,
  count(*) filter (where state in ('unhealthy', 'deploy_failed')) as ailing from service where enabled and url = ''
"""
FRESH_S = 10.0

QUEUED = "select created_at as since from run where status = 'queued' and not held and desktop_id is null"
STARTING = "select updated_at as since from service where enabled and state = 'deploying'"
LOOK = """
select w.living, w.known, q.waiting, q.oldest_s from (
  select count(*) filter (where seen_at > clock_timestamp() - make_interval(secs => $2)) as living, count(*) as known
  from worker where role = $1 and seen_at > clock_timestamp() - interval '1 day') w, (
  select count(*) as waiting, extract(epoch from clock_timestamp() - min(since))::float as oldest_s from ({queue}) o) q
"""
LATE_S, STUCK_S = 5.0, 60.0
LOW_BYTES, OUT_BYTES = 1024**3, 64 * 1024**2


@dataclass(frozen=True, slots=True)
class Crew:
    """The workers of one role: a query for what waits for them, what that is, and what their absence means."""

    role: str
    queue: str
    noun: str
    means: str


CREWS = (
    Crew("runs", QUEUED, "run", "without it runs queue and nothing is lost"),
    Crew("services", STARTING, "service", "without it no service is started again; agents that are up go on"),
)


def worker_parts(jobs: Database, crews: Sequence[Crew] = CREWS) -> tuple[Part, ...]:
    """One part for each role. A worker that was killed counts as missing for a day."""
    return tuple(_worker_part(jobs, crew) for crew in crews)


def _worker_part(jobs: Database, crew: Crew) -> Part:
    query = LOOK.format(queue=crew.queue)

    async def probe() -> Finding:
        async with jobs.open() as connection:
            (row,) = await connection.fetch(query, crew.role, FRESH_S)
        waiting = f"{waits(row['waiting'], crew.noun)}{since(row['oldest_s'])}"
        return finding(crew, row["living"], row["known"] - row["living"], waiting)

    return Part(f"{crew.role} worker", probe, crew.means)


def finding(crew: Crew, living: int, dead: int, waiting: str) -> Finding:
    """The workers of a role in words."""
    figure = f"{living} up"
    if not living:
        return Finding(Grade.FAIL, f"no worker serves {crew.role}; {waiting}", figure, living)
    if dead:
        said = f"{dead} of {living + dead} {'does' if dead == 1 else 'do'} not answer, others do their work; {waiting}"
        return Finding(Grade.WARN, said, figure, living)
    return Finding(Grade.PASS, waiting, figure, living)


def waits(count: int, noun: str) -> str:
    """How many wait."""
    return f"no {noun} waits" if not count else f"1 {noun} waits" if count == 1 else f"{count} {noun}s wait"


def since(oldest_s: float | None) -> str:
    """For how long the oldest has waited."""
    return "" if oldest_s is None else f", the oldest for {oldest_s:.0f} s"


def services_part(jobs: Database) -> Part:
    """Whether every service that is switched on is up, over all organisations."""

    async def probe() -> Finding:
        async with jobs.open() as connection:
            (row,) = await connection.fetch(SERVICES)
        wanted, up, ailing = row["wanted"], row["up"], row["ailing"]
        if ailing:
            said = f"{ailing} of {wanted} {'does' if ailing == 1 else 'do'} not come up"
            return Finding(Grade.WARN, said, f"{up} up", up)
        said = f"{wanted - up} starting" if up < wanted else "all are up" if wanted else "none is switched on"
        return Finding(Grade.PASS, said, f"{up} up", up)

    return Part("services", probe, "runs of their agents wait; every other agent works")


def desktops_part(database: Database) -> Part:
    """Whether some machine can hold desktops. Everything else works without one."""

    async def probe() -> Finding:
        async with database.open() as connection:
            machines = await connection.fetch("select node, engine, problem from living_machines() order by node")
        if not machines:
            return Finding(Grade.WARN, "no worker for desktops is running")
        ailing = [f"{row['node']}: {row['problem'] or row['engine']}" for row in machines if _ails(row)]
        if ailing:
            return Finding(Grade.WARN, "; ".join(ailing))
        count = len(machines)
        return Finding(Grade.PASS, ", ".join(row["engine"] for row in machines), f"{count} up", count)

    return Part("desktops", probe, "without them no desktop is made or changed; everything else works")


def _ails(machine: Row) -> bool:
    return bool(machine["problem"]) or "no firewall" in machine["engine"]


def temporal_part(is_up: Callable[[], Awaitable[bool]]) -> Part:
    """Whether Temporal answers."""

    async def probe() -> Finding:
        started = perf_counter()
        if not await is_up():
            return Finding(Grade.FAIL, "does not answer")
        took = (perf_counter() - started) * 1000
        return Finding(Grade.PASS, "answers", f"{took:.1f} ms", took)

    return Part("temporal", probe, "without it runs are accepted and queue; running agents go on")


def outbox_part(outbox: Outbox) -> Part:
    """For how long the oldest message waits to reach Temporal."""

    async def probe() -> Finding:
        age = await outbox.age_s()
        grade = Grade.PASS if age < LATE_S else Grade.WARN if age < STUCK_S else Grade.FAIL
        return Finding(grade, "oldest message on its way to Temporal", f"{age:.1f} s", age)

    return Part("outbox", probe, "runs that were accepted start late")


def storage_part(objects: Objects) -> Part:
    """Whether the object store takes what it is given, and how much room there is where that is known."""

    async def probe() -> Finding:
        try:
            free = (await objects.room()).free_bytes
        except StoreAway as error:
            return Finding(Grade.FAIL, error.detail)
        if free is None:
            return Finding(Grade.PASS, "can be written to")
        gib = free / 1024**3
        figure = f"{gib:.1f} GiB free"
        if free < OUT_BYTES:
            return Finding(Grade.FAIL, "the disk is full", figure, gib)
        return Finding(Grade.WARN if free < LOW_BYTES else Grade.PASS, "can be written to", figure, gib)

    return Part("storage", probe, "without it large results are not stored, and their runs wait")
