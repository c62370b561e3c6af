"""Who may look at a desktop's screen, who has it in hand, and what waits meanwhile."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import jwt
import pytest

from tests.core.records import SECRETS, Letters, somebody
from tests.core.test_desktops import Silent
from tests.parts import Postgres, another_database
from windlass.contracts.agents import DESKTOP
from windlass.contracts.desktops import DesktopStatus, Recorded, Wish
from windlass.contracts.ids import TenantId, new_id
from windlass.core.agents import Agents
from windlass.core.audit import Audit, AuditFilter
from windlass.core.callers import Caller
from windlass.core.database import JOBS_ROLE, Database
from windlass.core.desktops import Desktop, Desktops, NewDesktop
from windlass.core.errors import Conflict, NotFound, Unauthenticated
from windlass.core.events import Events
from windlass.core.form_secrets import Forms
from windlass.core.identity.tokens import derive
from windlass.core.machines import Machine, Machines
from windlass.core.permissions import Role
from windlass.core.runs import Runs, StartRun
from windlass.core.viewers import Mode, Viewers
from windlass.core.wakeup import PollOnly

SECRET = b"0123456789abcdef0123456789abcdef"


@dataclass(slots=True)
class Clock:
    """A clock that stands."""

    now: datetime


@dataclass(slots=True)
class Room:
    """A desktop on record that is idle, and its owner."""

    database: Database
    machines: Machines
    desktops: Desktops
    viewers: Viewers
    runs: Runs
    herald: Silent
    owner: Caller
    clock: Clock
    desktop: Desktop

    @property
    def id(self) -> UUID:
        """The desktop."""
        return self.desktop.id

    async def becomes(self, status: DesktopStatus) -> None:
        """Write what its workflow would."""
        ids = str(self.owner.tenant_id), str(self.id)
        heard = (await self.desktops.get(self.owner, self.id)).revision
        await self.machines.record(Recorded(*ids, status, heard=heard, container="c", address="10.213.0.2", image="i"))

    async def lapse(self) -> None:
        """Let the lease be over."""
        async with self.database.tenant(self.owner.tenant_id) as connection:
            await connection.execute("update desktop set held_until = clock_timestamp() - interval '1 second'")

    def colleague(self, role: Role = Role.BUILDER) -> Caller:
        """Somebody else of the tenant."""
        return replace(somebody(role, self.owner.tenant_id), name="Mei")

    async def task(self) -> UUID:
        """Queue a script."""
        wish = StartRun(DESKTOP, {"desktop": str(self.id), "script": "true"})
        return (await self.runs.start(self.owner, wish)).id

    async def turn_of(self, run_id: UUID) -> str:
        """Where the run is driven, or what it waits for."""
        claim = await self.machines.claim(self.owner.tenant_id, run_id)
        return claim.queue or claim.reason


@pytest.fixture(scope="module")
async def url(postgres: Postgres) -> AsyncGenerator[str]:
    async with another_database(postgres, "viewers") as made:
        yield made


@pytest.fixture
async def room(url: str) -> AsyncGenerator[Room]:
    database, jobs = await Database.connect(url), await Database.connect(url, role=JOBS_ROLE)
    herald, quiet, owner = Silent(), PollOnly(), somebody()
    machines, desktops = Machines(database, jobs, quiet), Desktops(database, quiet, herald, 3)
    await machines.meet(Machine("m", "boot", "Docker 1"))
    async with database.open() as connection:
        await connection.execute(
            "insert into worker (slot, role, node, pid, started_at, seen_at) "
            "values ('m/desktops-0', 'desktops', 'm', 1, now(), now() + interval '1 hour') on conflict do nothing"
        )
    clock = Clock(datetime.now(UTC))
    viewers = Viewers(database, quiet, herald, SECRET, lambda: clock.now)
    runs = Runs(database, quiet, Forms(Agents(database), SECRETS), Letters())
    desktop = await desktops.create(owner, NewDesktop())
    found = Room(database, machines, desktops, viewers, runs, herald, owner, clock, desktop)
    await machines.place(owner.tenant_id, desktop.id)
    await found.becomes(DesktopStatus.IDLE)
    herald.told.clear()
    yield found
    await jobs.close()
    await database.close()


async def test_a_ticket_opens_the_screen_to_its_person(room: Room):
    ticket = await room.viewers.admit(room.owner, room.id, Mode.VIEW)

    screen = await room.viewers.open(room.owner, room.id, ticket.token)

    assert (screen.address, screen.mode, len(screen.password)) == ("10.213.0.2", Mode.VIEW, 8)
    assert screen.password not in repr(screen)
    assert await room.viewers.still(room.owner, room.id, Mode.VIEW)


async def test_a_lease_that_lapses_is_an_event_and_the_next_task_has_its_turn(room: Room):
    colleague = room.colleague()
    await room.viewers.take(colleague, room.id)
    run_id = await room.task()
    assert await room.machines.lapsed(10) == []
    await room.lapse()

    (lapsed,) = await room.machines.lapsed(10)
    for _ in range(2):
        await room.machines.lapse(lapsed.tenant_id, lapsed.id)

    events = await Events(room.database, PollOnly()).read(room.owner.tenant_id, room.id)
    assert [event.payload.get("reason") for event in events[-2:]] == [
        "Mei has the screen",
        "Mei went away from the screen, and gave it up",
    ]
    assert await room.machines.lapsed(10) == []
    hand = await room.machines.hand(room.owner.tenant_id, room.id)
    assert (hand.holder, hand.handed_at is not None) == (None, True)
    assert (await room.turn_of(run_id)).startswith("desktops/")


async def test_a_ticket_is_for_one_person_one_desktop_one_tenant(room: Room):
    ticket = await room.viewers.admit(room.owner, room.id, Mode.VIEW)
    other = await room.desktops.create(room.owner, NewDesktop())
    elsewhere = replace(room.owner, tenant_id=TenantId(new_id()))

    for caller, desktop_id in ((room.colleague(), room.id), (room.owner, other.id), (elsewhere, room.id)):
        with pytest.raises(Unauthenticated, match="another person or another desktop"):
            await room.viewers.open(caller, desktop_id, ticket.token)


async def test_a_ticket_is_good_for_a_minute(room: Room):
    ticket = await room.viewers.admit(room.owner, room.id, Mode.VIEW)

    room.clock.now = ticket.expires_at - timedelta(seconds=1)
    await room.viewers.open(room.owner, room.id, ticket.token)
    room.clock.now = ticket.expires_at
    with pytest.raises(Unauthenticated, match="expired"):
        await room.viewers.open(room.owner, room.id, ticket.token)


def forged(room: Room, **changes: object) -> str:
    """A token that says what it should not, signed as ours are."""
    now = room.clock.now
    claims = {
        "iat": now,
        "exp": now + timedelta(seconds=60),
        "sub": str(room.owner.person_id),
        "tid": str(room.owner.tenant_id),
        "did": str(room.id),
        "mode": "view",
    }
    headers = {"typ": str(changes.pop("typ", "view+jwt"))}
    key = changes.pop("key", derive(SECRET, "viewer"))
    assert isinstance(key, bytes)
    return jwt.encode({**claims, **changes}, key, "HS256", headers=headers)


async def test_a_token_that_was_touched_is_nothing(room: Room):
    good = forged(room)
    await room.viewers.open(room.owner, room.id, good)
    head, body, signature = good.split(".")

    bad = [
        "",
        "x",
        f"{head}.{body}.{signature[::-1]}",
        f"{head}.{body}.",
        forged(room, key=derive(SECRET, "access-token")),
        forged(room, typ="at+jwt"),
        forged(room, exp=room.clock.now + timedelta(days=1)),
        forged(room, iat=room.clock.now + timedelta(minutes=5), exp=room.clock.now + timedelta(minutes=6)),
        forged(room, mode="root"),
        forged(room, did="x"),
        f"eyJhbGciOiJub25lIiwidHlwIjoidmlldytqd3QifQ.{body}.",  # {"alg": "none"}
    ]
    for token in bad:
        with pytest.raises(Unauthenticated):
            await room.viewers.open(room.owner, room.id, token)


async def test_control_needs_the_screen_in_hand(room: Room):
    with pytest.raises(Conflict, match="Take the desktop over first"):
        await room.viewers.admit(room.owner, room.id, Mode.CONTROL)
    with pytest.raises(Conflict):
        await room.viewers.open(room.owner, room.id, forged(room, mode="control"))

    await room.viewers.take(room.owner, room.id)
    ticket = await room.viewers.admit(room.owner, room.id, Mode.CONTROL)
    assert (await room.viewers.open(room.owner, room.id, ticket.token)).mode is Mode.CONTROL
    await room.viewers.give_back(room.owner, room.id)

    assert not await room.viewers.still(room.owner, room.id, Mode.CONTROL)
    assert await room.viewers.still(room.owner, room.id, Mode.VIEW)
    with pytest.raises(Conflict):
        await room.viewers.open(room.owner, room.id, ticket.token)


async def test_one_person_at_a_time_and_others_see_who(room: Room):
    mei, ines = room.colleague(), room.colleague()
    taken = await room.viewers.take(mei, room.id)

    with pytest.raises(Conflict, match="Mei has the screen"):
        await room.viewers.take(room.owner, room.id)
    with pytest.raises(Conflict, match="Mei has the screen"):
        await room.viewers.give_back(ines, room.id)
    seen = await room.desktops.get(room.owner, room.id)
    assert (seen.holder, seen.holder_name, seen.held_at) == (mei.person_id, "Mei", taken.held_at)
    await room.viewers.give_back(room.owner, room.id)
    assert (await room.viewers.take(room.owner, room.id)).holder == room.owner.person_id


async def test_what_is_said_with_the_screen_is_heard_until_somebody_has_it_again(room: Room):
    machines, tenant = room.machines, room.owner.tenant_id
    await room.viewers.take(room.owner, room.id)
    during = await machines.hand(tenant, room.id)

    await room.viewers.give_back(room.owner, room.id, " Use the second tab. ")
    after = await machines.hand(tenant, room.id)
    await room.viewers.take(room.owner, room.id)
    again = await machines.hand(tenant, room.id)

    assert [each.note for each in (during, after, again)] == ["", "Use the second tab.", ""]
    await room.viewers.give_back(room.owner, room.id)
    assert (await machines.hand(tenant, room.id)).note == ""


async def test_who_cannot_see_it_or_may_not_write_takes_nothing(room: Room):
    with pytest.raises(NotFound):
        await room.viewers.take(room.colleague(Role.OPERATOR), room.id)
    with pytest.raises(NotFound):
        await room.viewers.admit(somebody(), room.id, Mode.VIEW)

    viewer = replace(room.colleague(Role.VIEWER), person_id=room.owner.person_id)
    await room.viewers.take(room.owner, room.id)
    with pytest.raises(Conflict):
        await room.viewers.admit(viewer, room.id, Mode.CONTROL)


async def test_what_was_done_is_in_the_audit_log_once(room: Room):
    for _ in range(2):
        await room.viewers.take(room.owner, room.id)
    for _ in range(2):
        await room.viewers.give_back(room.owner, room.id)

    found = await Audit(room.database).newest(room.owner, AuditFilter(subject=f"desktop:{room.id}"))
    assert [entry.action for entry in found] == ["desktop.giveback", "desktop.takeover", "desktop.create"]


async def test_while_somebody_has_the_screen_no_task_begins(room: Room):
    first = await room.task()
    await room.viewers.take(room.owner, room.id)

    waits = await room.turn_of(first)
    orders = await room.machines.look(room.owner.tenant_id, room.id)
    await room.viewers.give_back(room.owner, room.id)
    called = await room.machines.look(room.owner.tenant_id, room.id)

    assert waits == f"Ada has the screen of {room.desktop.name}"
    assert (orders and orders.next_task, called and called.next_task) == ("", str(first))
    assert room.herald.told[-1] == room.id
    assert await room.turn_of(first) == "desktops/m/boot"


async def test_a_task_starts_its_desktop_whoever_gave_it(room: Room):
    await room.desktops.stop(room.owner, room.id)
    await room.becomes(DesktopStatus.OFFLINE)

    run_id = await room.task()
    waits = await room.turn_of(run_id)

    seen = await room.desktops.get(room.owner, room.id)
    assert (waits, seen.status, seen.wish) == (f"{seen.name} is starting", DesktopStatus.STARTING, Wish.ON)
    assert room.id in [called.id for called in await room.machines.unheard(-1)]
    await room.becomes(DesktopStatus.IDLE)
    assert await room.turn_of(run_id) == "desktops/m/boot"


async def test_a_task_that_waited_already_does_not_undo_its_owners_wish(room: Room):
    run_id = await room.task()
    await room.desktops.stop(room.owner, room.id)
    await room.becomes(DesktopStatus.OFFLINE)

    waits = await room.turn_of(run_id)

    assert (waits, (await room.desktops.get(room.owner, room.id)).wish) == (f"{room.desktop.name} is offline", Wish.OFF)
    later = await room.task()
    assert await room.turn_of(later) == "1 before it"


async def test_a_lost_desktop_is_started_for_what_is_given_then(room: Room):
    before = await room.task()
    await room.becomes(DesktopStatus.LOST)

    assert await room.turn_of(before) == f"{room.desktop.name} is lost"
    async with room.database.tenant(room.owner.tenant_id) as connection:
        await connection.execute("update run set status = 'cancelled' where id = $1", before)
    assert await room.turn_of(await room.task()) == f"{room.desktop.name} is starting"


async def test_a_task_at_work_goes_on_when_somebody_takes_the_screen(room: Room):
    first, second = await room.task(), await room.task()
    await room.turn_of(first)

    await room.viewers.take(room.owner, room.id)

    assert await room.turn_of(first) == "desktops/m/boot"
    assert await room.machines.release(room.owner.tenant_id, first) == ""
    assert "has the screen" in await room.turn_of(second)


async def test_a_screen_that_nobody_uses_any_more_is_free(room: Room):
    mei = room.colleague()
    await room.viewers.take(mei, room.id)
    first = await room.task()
    await room.lapse()

    await room.viewers.keep(mei, room.id)

    seen = await room.desktops.get(room.owner, room.id)
    assert (seen.holder, seen.holder_name, seen.held_at) == (None, "", None)
    assert not await room.viewers.still(mei, room.id, Mode.CONTROL)
    assert await room.turn_of(first) == "desktops/m/boot"


async def test_a_desktop_in_hand_is_not_idle_for_long(room: Room):
    before = await room.machines.look(room.owner.tenant_id, room.id)
    await room.viewers.take(room.owner, room.id)
    await room.viewers.keep(room.owner, room.id)
    after = await room.machines.look(room.owner.tenant_id, room.id)

    assert before
    assert after
    assert before.steady_s >= 0 > after.steady_s


@pytest.mark.parametrize("status", [DesktopStatus.OFFLINE, DesktopStatus.LOST])
async def test_a_desktop_without_a_screen_is_not_shown_and_not_taken(room: Room, status: DesktopStatus):
    await room.viewers.take(room.owner, room.id)
    ticket = await room.viewers.admit(room.owner, room.id, Mode.VIEW)
    await room.becomes(status)

    for attempt in (
        room.viewers.open(room.owner, room.id, ticket.token),
        room.viewers.admit(room.owner, room.id, Mode.VIEW),
        room.viewers.take(room.owner, room.id),
    ):
        with pytest.raises(Conflict, match=str(status)):
            await attempt
    assert (await room.desktops.get(room.owner, room.id)).holder is None
