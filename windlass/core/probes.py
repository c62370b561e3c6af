"""What is examined to say how the installation is, besides the database itself."""

from collections.abc import Awaitable, Callable
from time import perf_counter

from windlass.core.database import Database, Row
from windlass.core.health import Finding, Grade, Part
from windlass.core.outbox import Outbox
from windlass.core.storage import Objects, StoreAway

LATE_S, STUCK_S = 5.0, 60.0
FRESH_S = 10.0
LOW_BYTES, OUT_BYTES = 1024**3, 64 * 1024**2
ROLES = ("runs", "services")

WORKERS = """
select role, count(*) filter (where seen_at > clock_timestamp() - make_interval(secs => $1)) as living,
  count(*) as known from worker where seen_at > clock_timestamp() - interval '1 day' group by role
"""


def workers_part(database: Database) -> Part:
    """Whether a living worker serves every role. One that was killed counts as missing for a day."""

    async def probe() -> Finding:
        async with database.open() as connection:
            rows = {row["role"]: row for row in await connection.fetch(WORKERS, FRESH_S)}
        missing = [role for role in ROLES if role not in rows or not rows[role]["living"]]
        living = sum(row["living"] for row in rows.values())
        dead = sum(row["known"] for row in rows.values()) - living
        if missing:
            return Finding(Grade.FAIL, f"no worker serves {', '.join(missing)}", f"{living} up", living)
        if dead:
            said = f"{dead} of {living + dead} do not answer, others do their work"
            return Finding(Grade.WARN, said, f"{living} up", living)
        return Finding(Grade.PASS, "every role is served", f"{living} up", living)

    return Part("workers", probe, "without them runs queue and nothing is lost")


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
