"""The record of desktops: who sees which, how many, where they are placed, and what their workflows write."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from functools import partial
from uuid import UUID

import asyncpg
import pytest

from tests.core.records import somebody
from tests.parts import Postgres, another_database
from windlass.contracts.desktops import DesktopStatus, Ended, Recorded, Step, Template, Wish
from windlass.contracts.events import EventKind
from windlass.contracts.ids import TenantId
from windlass.core.callers import Caller
from windlass.core.database import JOBS_ROLE, Database
from windlass.core.desktops import Desktop, Desktops, NewDesktop
from windlass.core.errors import Conflict, Invalid, NotFound, Unavailable
from windlass.core.events import Events
from windlass.core.machines import Machine, Machines
from windlass.core.permissions import Role
from windlass.core.wakeup import PollOnly

MiB = 1 << 20


class Silent:
    """A herald without a Temporal: it keeps what it should have said."""

    def __init__(self) -> None:
        self.told: list[UUID] = []

    def wished(self, tenant_id: TenantId, desktop: Desktop) -> None:
        """A desktop is wanted otherwise than before."""
        self.told.append(desktop.id)


@dataclass(frozen=True, slots=True)
class Hall:
    """The desktops of an installation without an engine."""

    database: Database
    desktops: Desktops
    machines: Machines
    events: Events
    herald: Silent

    async def machine(self, node: str, *, places: int = 10, problem: str | None = None) -> None:
        """Have a machine that lives."""
        await self.machines.meet(Machine(node, "boot", "Docker 1", problem, places))
        async with self.database.open() as connection:
            await connection.execute("delete from worker where slot = $1", f"{node}/desktops-0")
            await connection.execute(
                "insert into worker (slot, role, node, pid, started_at, seen_at) "
                "values ($1, 'desktops', $2, 1, now(), now() + interval '1 hour')",
                f"{node}/desktops-0",
                node,
            )

    async def record(self, caller: Caller, desktop: Desktop, status: DesktopStatus, **more: object) -> None:
        """Write what a workflow would."""
        ids = (str(caller.tenant_id), str(desktop.id))
        await self.machines.record(Recorded(*ids, status, heard=desktop.revision, **more))  # pyright: ignore[reportArgumentType] - by name


@pytest.fixture
async def hall(postgres: Postgres) -> AsyncGenerator[Hall]:
    async with another_database(postgres, "hall") as url:
        database, jobs = await Database.connect(url), await Database.connect(url, role=JOBS_ROLE)
        herald, quiet = Silent(), PollOnly()
        machines = Machines(database, jobs, quiet)
        yield Hall(database, Desktops(database, quiet, herald, 3), machines, Events(database, quiet), herald)
        await jobs.close()
        await database.close()


async def test_without_a_machine_nothing_is_made_and_the_answer_says_what_is_missing(hall: Hall):
    with pytest.raises(Unavailable, match="No worker for desktops is running"):
        await hall.desktops.create(somebody(), NewDesktop())

    await hall.machine("m", problem="the image windlass-desktop is missing.")
    with pytest.raises(Unavailable, match="the image windlass-desktop is missing"):
        await hall.desktops.create(somebody(), NewDesktop())


async def test_a_person_has_three_of_20_wishes_at_once_and_another_person_their_own(hall: Hall):
    await hall.machine("m")
    caller = somebody()

    wishes = [hall.desktops.create(caller, NewDesktop()) for _ in range(20)]
    found = await asyncio.gather(*wishes, return_exceptions=True)

    made = [each for each in found if isinstance(each, Desktop)]
    assert sorted(each.name for each in made) == ["desktop-1", "desktop-2", "desktop-3"]
    assert len([each for each in found if isinstance(each, Conflict)]) == 17
    await hall.desktops.create(somebody(tenant_id=caller.tenant_id), NewDesktop())
    await hall.desktops.remove(caller, made[0].id)
    assert (await hall.desktops.create(caller, NewDesktop())).name == made[0].name


async def test_only_the_container_that_is_meant_is_lost_and_only_where_nobody_wished_it_away(hall: Hall):
    await hall.machine("m")
    caller = somebody()
    desktop = await hall.desktops.create(caller, NewDesktop())
    number = (await hall.machines.place(caller.tenant_id, desktop.id)).generation
    lose = partial(hall.machines.lose, caller.tenant_id, desktop.id)

    begins = await lose(Ended(number, "too early"))
    await hall.record(caller, desktop, DesktopStatus.IDLE)
    older = await lose(Ended(number - 1, "an older one"))
    await hall.desktops.stop(caller, desktop.id)
    wished = await lose(Ended(number, "as was wished"))
    await hall.desktops.start(caller, desktop.id)
    await hall.record(caller, await hall.desktops.get(caller, desktop.id), DesktopStatus.IDLE)
    ended = [await lose(Ended(number, reason)) for reason in ("its container ended", "the second time")]

    assert (begins, older, wished, ended) == (False, False, False, [True, False])
    seen = await hall.desktops.get(caller, desktop.id)
    assert (seen.status, seen.reason) == (DesktopStatus.LOST, "its container ended")
    last = (await hall.events.read(caller.tenant_id, desktop.id, kinds=[EventKind.STATUS]))[-1]
    assert last.payload == {"status": "lost", "reason": "its container ended"}


async def test_the_database_itself_refuses_a_fourth(hall: Hall):
    await hall.machine("m")
    caller = somebody()
    desktop = await hall.desktops.create(caller, NewDesktop())
    columns = "id, tenant_id, owner, slot, name, template"
    query = f"insert into desktop ({columns}) values (gen_random_uuid(), $1, $2, 1, 'x', 'y')"  # noqa: S608 - constants

    async with hall.database.tenant(caller.tenant_id) as connection:
        with pytest.raises(asyncpg.UniqueViolationError):
            await connection.execute(query, caller.tenant_id, desktop.owner)


async def test_a_wish_that_is_repeated_is_one_desktop(hall: Hall):
    await hall.machine("m")
    caller = somebody()
    first = await hall.desktops.create(caller, NewDesktop("one"))

    again = await hall.desktops.create(caller, NewDesktop("one", id=first.id))

    assert again == first
    with pytest.raises(Conflict, match="already"):
        await hall.desktops.create(caller, NewDesktop("one"))
    with pytest.raises(Invalid):
        await hall.desktops.create(caller, NewDesktop(template="with the socket inside"))


async def test_desktops_are_seen_and_changed_by_whom_they_belong_to(hall: Hall):
    await hall.machine("m")
    mine = somebody(Role.OPERATOR)
    colleague, boss = (somebody(role, mine.tenant_id) for role in (Role.OPERATOR, Role.OWNER))
    desktop = await hall.desktops.create(mine, NewDesktop())

    assert (await hall.desktops.get(boss, desktop.id)).id == desktop.id
    for stranger in (colleague, somebody()):
        assert await hall.desktops.catalogue(stranger) == []
        with pytest.raises(NotFound):
            await hall.desktops.get(stranger, desktop.id)
    for other in (boss, colleague, somebody()):
        for act in (hall.desktops.stop, hall.desktops.pause, hall.desktops.remove, hall.desktops.start):
            with pytest.raises(NotFound):
                await act(other, desktop.id)


async def test_a_machine_takes_as_many_as_it_has_places(hall: Hall):
    await hall.machine("small", places=1)
    await hall.machine("large", places=2)
    people = [somebody() for _ in range(5)]
    desktops = [await hall.desktops.create(caller, NewDesktop()) for caller in people]

    placed = [await hall.machines.place(c.tenant_id, d.id) for c, d in zip(people, desktops, strict=True)]

    assert sorted(each.queue for each in placed[:3]) == [
        "desktops/large/boot",
        "desktops/large/boot",
        "desktops/small/boot",
    ]
    assert placed[3].queue == ""
    assert "its one place is taken" in placed[3].reason
    await hall.record(people[3], desktops[3], DesktopStatus.STARTING, reason=placed[3].reason)
    assert (await hall.machines.place(people[4].tenant_id, desktops[4].id)).reason.endswith(
        "; 1 asked before it. It starts by itself."
    )
    await hall.record(people[0], desktops[0], DesktopStatus.OFFLINE)
    assert (await hall.machines.place(people[3].tenant_id, desktops[3].id)).queue != ""


async def test_two_that_had_run_before_do_not_wait_for_each_others_place(hall: Hall):
    await hall.machine("m", places=1)
    people = [somebody() for _ in range(3)]
    desktops: list[Desktop] = []
    for caller in people:
        desktops.append(await hall.desktops.create(caller, NewDesktop()))
        assert (await hall.machines.place(caller.tenant_id, desktops[-1].id)).queue
        if caller is not people[2]:
            await hall.record(caller, desktops[-1], DesktopStatus.OFFLINE)
    for caller, desktop in zip(people[:2], desktops, strict=False):
        await hall.desktops.start(caller, desktop.id)

    full = [await hall.machines.place(c.tenant_id, d.id) for c, d in zip(people[:2], desktops, strict=False)]
    await hall.record(people[2], desktops[2], DesktopStatus.OFFLINE)
    free = [await hall.machines.place(c.tenant_id, d.id) for c, d in zip(people[:2], desktops, strict=False)]

    assert [each.reason for each in full] == ["waits for a machine: its one place is taken. It starts by itself."] * 2
    assert [bool(each.queue) for each in free] == [True, False]


async def test_a_desktop_goes_back_to_the_machine_of_its_home(hall: Hall):
    await hall.machine("home", places=1)
    caller = somebody()
    desktop = await hall.desktops.create(caller, NewDesktop())
    first = await hall.machines.place(caller.tenant_id, desktop.id)
    await hall.record(caller, desktop, DesktopStatus.OFFLINE)
    await hall.machine("empty", places=50)

    await hall.desktops.start(caller, desktop.id)
    again = await hall.machines.place(caller.tenant_id, desktop.id)

    assert (first.queue, again.queue) == ("desktops/home/boot", "desktops/home/boot")
    assert again.generation == first.generation + 1


async def test_a_state_written_twice_is_one_event(hall: Hall):
    await hall.machine("m")
    caller = somebody()
    desktop = await hall.desktops.create(caller, NewDesktop())

    for _ in range(2):
        await hall.record(caller, desktop, DesktopStatus.IDLE)
        await hall.record(caller, desktop, DesktopStatus.IDLE)
    await hall.record(caller, desktop, DesktopStatus.LOST, reason="its container ended")

    events = await hall.events.read(caller.tenant_id, desktop.id, kinds=[EventKind.STATUS])
    assert [event.payload for event in events] == [
        {"status": "starting"},
        {"status": "idle"},
        {"status": "lost", "reason": "its container ended"},
    ]


async def test_a_desktop_that_went_off_by_itself_is_not_wished_on_any_more(hall: Hall):
    await hall.machine("m")
    caller = somebody()
    desktop = await hall.desktops.create(caller, NewDesktop())

    await hall.record(caller, desktop, DesktopStatus.OFFLINE, reason="nobody used it")

    found = await hall.desktops.get(caller, desktop.id)
    assert (found.wish, found.status, found.reason) == (Wish.OFF, DesktopStatus.OFFLINE, "nobody used it")


async def test_a_deleted_desktop_is_remembered_until_nothing_is_left(hall: Hall):
    await hall.machine("m")
    caller = somebody()
    desktop = await hall.desktops.create(caller, NewDesktop())
    await hall.machines.place(caller.tenant_id, desktop.id)

    await hall.desktops.remove(caller, desktop.id)

    orders = await hall.machines.look(caller.tenant_id, desktop.id)
    assert orders is not None
    assert (orders.wish, orders.queue) == (Wish.GONE, "desktops/m/boot")
    await hall.record(caller, desktop, DesktopStatus.OFFLINE, gone=True)
    assert await hall.machines.look(caller.tenant_id, desktop.id) is None
    assert (await hall.events.head(caller.tenant_id, desktop.id)).is_closed


async def test_a_home_that_is_full_is_said_and_a_start_gives_room_to_tidy_up(hall: Hall):
    await hall.machine("m")
    caller, limit = somebody(), Template().home_bytes
    desktop = await hall.desktops.create(caller, NewDesktop())
    placed = await hall.machines.place(caller.tenant_id, desktop.id)
    await hall.record(caller, desktop, DesktopStatus.IDLE)

    async def is_full(size_bytes: int, node: str = "m") -> bool:
        return [each.id for each in await hall.machines.weighed(node, {desktop.id: size_bytes})] == [desktop.id]

    before = [await is_full(limit), await is_full(2 * limit, "elsewhere"), await is_full(limit + MiB)]
    said = await hall.machines.why(caller.tenant_id, desktop.id)
    known = (await hall.machines.known("m"))[desktop.id]
    await hall.record(caller, desktop, DesktopStatus.LOST, reason=said)
    await hall.desktops.start(caller, desktop.id)
    await hall.machines.step(caller.tenant_id, desktop.id, placed.generation, Step.PLACED)

    assert before == [False, False, True]
    assert said.startswith("its home is full: it has 10 GB of the 10 GB")
    assert (known.said, known.is_over) == (said, False)
    assert await hall.machines.why(caller.tenant_id, desktop.id) == ""
    assert [await is_full(limit + MiB + limit // 10), await is_full(2 * limit)] == [False, True]
    assert (await hall.desktops.get(caller, desktop.id)).home_bytes == 2 * limit


async def test_a_desktop_whose_time_was_over_a_minute_ago_is_known_as_such(hall: Hall):
    await hall.machine("m")
    caller = somebody()
    desktop = await hall.desktops.create(caller, NewDesktop())
    await hall.machines.place(caller.tenant_id, desktop.id)
    async with hall.database.tenant(caller.tenant_id) as connection:
        await connection.execute("update desktop set expires_at = clock_timestamp() - interval '61 seconds'")

    found = (await hall.machines.known("m"))[desktop.id]

    assert (found.is_over, found.said) == (True, "its time was over")


async def test_wishes_nobody_heard_are_found_and_so_are_desktops_of_a_silent_machine(hall: Hall):
    await hall.machine("m")
    caller = somebody()
    desktop = await hall.desktops.create(caller, NewDesktop())
    await hall.machines.place(caller.tenant_id, desktop.id)

    assert [each.id for each in await hall.machines.unheard(0)] == [desktop.id]
    await hall.record(caller, desktop, DesktopStatus.IDLE)
    assert await hall.machines.unheard(0) == []
    assert await hall.machines.alone(60) == []
    async with hall.database.open() as connection:
        await connection.execute("delete from worker")
    assert [each.id for each in await hall.machines.alone(60)] == [desktop.id]
