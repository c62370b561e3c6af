"""A state is shown whole once, then by what changed."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import orjson
import pytest

from tests.core.streams import until
from windlass.contracts.ids import PersonId, TenantId, new_id
from windlass.core.callers import Caller
from windlass.core.errors import Forbidden, NotFound
from windlass.core.permissions import ROLES, Permission, Role
from windlass.core.states import States, StateTopic, Watch


class Board:
    """A state that a test changes by hand, and how often it was read."""

    def __init__(self) -> None:
        self.items: dict[str, Any] = {"a": {"status": "running"}, "b": {"status": "queued"}}
        self.reads = 0
        self.is_broken = False

    async def read(self, caller: Caller) -> dict[str, Any]:
        """The state as this caller sees it."""
        self.reads += 1
        if self.is_broken:
            raise ConnectionError("away")
        return {**self.items, "for": caller.name}


def person(tenant_id: TenantId, role: Role = Role.BUILDER, name: str = "Ada") -> Caller:
    return Caller(tenant_id, PersonId(new_id()), name, role, ROLES[role])


@pytest.fixture
def ada() -> Caller:
    return person(TenantId(new_id()))


@pytest.fixture
def board() -> Board:
    return Board()


@pytest.fixture
async def states(board: Board) -> AsyncGenerator[States]:
    states = States([StateTopic("runs", Permission.RUNS_READ, board.read)])
    yield states
    states.close()


async def take(watch: Watch) -> dict[str, Any]:
    """The next change, as a client decodes it."""
    changes: list[bytes] = []

    def has_changed() -> bool:
        change = watch.take()
        if change is not None:
            changes.append(change.data)
        return bool(changes)

    await until(has_changed)
    return orjson.loads(changes[0])


async def test_a_new_reader_gets_the_whole_state(states: States, ada: Caller):
    watch = states.watch(ada, "runs", asyncio.Event())

    state = {"a": {"status": "running"}, "b": {"status": "queued"}, "for": "Ada"}
    assert await take(watch) == {"topic": "runs", "state": state}
    assert watch.take() is None


async def test_a_wakeup_brings_only_what_changed(states: States, board: Board, ada: Caller):
    bell = asyncio.Event()
    watch = states.watch(ada, "runs", bell)
    await take(watch)
    bell.clear()

    board.items = {"a": {"status": "running"}, "c": {"status": "queued"}}
    states.wake("runs", ada.tenant_id)

    await bell.wait()
    assert await take(watch) == {"topic": "runs", "patch": {"c": {"status": "queued"}, "b": None}}


async def test_a_slow_reader_gets_the_sum_of_the_changes(states: States, board: Board, ada: Caller):
    slow, fast = (states.watch(ada, "runs", asyncio.Event()) for _ in range(2))
    await take(slow)
    await take(fast)

    for status in ("starting", "running"):
        board.items = board.items | {"b": {"status": status}}
        states.wake("runs", None)
        await take(fast)

    assert await take(slow) == {"topic": "runs", "patch": {"b": {"status": "running"}}}


async def test_an_unchanged_state_says_nothing(states: States, board: Board, ada: Caller):
    bell = asyncio.Event()
    watch = states.watch(ada, "runs", bell)
    await take(watch)
    bell.clear()
    reads = board.reads

    states.wake_all()
    await until(lambda: board.reads > reads)

    assert watch.take() is None
    assert not bell.is_set()


async def test_the_tabs_of_one_person_share_one_reading_and_others_have_their_own(
    states: States, board: Board, ada: Caller
):
    watches = [states.watch(ada, "runs", asyncio.Event()) for _ in range(5)]
    eve = states.watch(person(ada.tenant_id, name="Eve"), "runs", asyncio.Event())

    assert (await take(eve))["state"]["for"] == "Eve"
    assert [(await take(watch))["state"]["for"] for watch in watches] == ["Ada"] * 5
    assert board.reads == 2


async def test_a_wakeup_of_another_tenant_reads_nothing(states: States, board: Board, ada: Caller):
    await take(states.watch(ada, "runs", asyncio.Event()))
    other = person(TenantId(new_id()))
    await take(states.watch(other, "runs", asyncio.Event()))
    board.items = {}

    states.wake("runs", other.tenant_id)
    states.wake("health", ada.tenant_id)
    await until(lambda: board.reads == 3)

    assert board.reads == 3


async def test_a_state_survives_an_outage_and_needs_no_wakeup(states: States, board: Board, ada: Caller):
    watch = states.watch(ada, "runs", asyncio.Event())
    await take(watch)
    board.is_broken, reads = True, board.reads
    states.wake_all()
    await until(lambda: board.reads > reads)

    board.is_broken, board.items = False, {}

    assert await take(watch) == {"topic": "runs", "patch": {"a": None, "b": None}}


async def test_nothing_is_read_when_nobody_looks(states: States, ada: Caller):
    watch = states.watch(ada, "runs", asyncio.Event())

    states.leave(watch)

    assert states.watchers == 0
    assert watch.source.is_closed


async def test_a_state_needs_its_permission_and_its_name(board: Board, states: States):
    nobody = Caller(TenantId(new_id()), PersonId(new_id()), "Key", Role.VIEWER, frozenset())

    with pytest.raises(Forbidden):
        states.watch(nobody, "runs", asyncio.Event())
    with pytest.raises(NotFound):
        states.watch(nobody, "weather", asyncio.Event())
    assert board.reads == 0
