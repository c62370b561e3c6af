"""Sessions in which nothing happens: turns that wait in vain end, and what nobody comes back to is put away."""

from uuid import UUID

import pytest

from tests.api.people import Gateway, Person
from windlass.contracts.ids import TenantId
from windlass.core.silence import Patience, Settled, Silence
from windlass.core.turns import Turns
from windlass.core.wakeup import PollOnly

WAITS = "update session set status = 'awaiting', awaiting_since = clock_timestamp() - $2::text::interval where id = $1"
AGE = "update session set active_at = clock_timestamp() - $2::text::interval where id = $1"


def listening(gateway: Gateway, told: list[UUID], patience: Patience) -> Silence:
    """What a worker does with silent sessions; whom it tells is noted."""

    async def tell(_tenant_id: TenantId, session_id: UUID) -> None:
        told.append(session_id)

    return Silence(gateway.state["jobs"], gateway.state["database"], PollOnly(), patience, tell)


@pytest.fixture
async def ada(gateway: Gateway) -> Person:
    return await gateway.sign_up("Ada")


async def opened(gateway: Gateway, person: Person, change: str, since: str, *, begins: bool = False) -> str:
    """A session that has been as it is for so long."""
    ident: str = (await person.http.post("/v1/sessions", json={})).json()["id"]
    if begins:
        await person.http.post(f"/v1/sessions/{ident}/messages", json={"content": "Ask me."})
        await Turns(gateway.state["database"], PollOnly()).begin(TenantId(person.tenant_id), UUID(ident))
    async with gateway.state["database"].tenant(TenantId(person.tenant_id)) as connection:
        await connection.execute(change, ident, since)
    return f"/v1/sessions/{ident}"


async def last(person: Person, path: str) -> dict[str, object]:
    """The last event of a session."""
    return (await person.http.get(f"{path}/events")).json()["items"][-1]["payload"]


async def test_a_turn_that_waits_in_vain_is_ended_once_and_one_that_may_wait_is_not(gateway: Gateway, ada: Person):
    silent = await opened(gateway, ada, WAITS, "25 hours", begins=True)
    patient = await opened(gateway, ada, WAITS, "24 hours", begins=True)  # what it asks expires by itself just now
    before = await last(ada, patient)
    silence = listening(gateway, [], Patience.of(24, 180))

    await silence.look()
    first = await last(ada, silent)
    await silence.look()

    assert first["text"] == "A silence of 1 day interrupted the turn."
    assert await last(ada, silent) == first
    assert await last(ada, patient) == before


async def test_a_turn_whose_end_was_not_told_is_told_by_the_next_look(gateway: Gateway, ada: Person):
    """Who ended it may die before it says so."""
    path = await opened(gateway, ada, WAITS, "25 hours", begins=True)
    ident, told = UUID(path.rpartition("/")[2]), list[UUID]()
    silence = listening(gateway, told, Patience.of(24, 0))

    await silence.look()
    await silence.look()

    assert told.count(ident) == 2


async def test_a_session_nobody_comes_back_to_is_put_away_and_can_be_taken_up_again(gateway: Gateway, ada: Person):
    left = await opened(gateway, ada, AGE, "181 days")
    fresh = await opened(gateway, ada, AGE, "179 days")

    await listening(gateway, [], Patience.of(24, 180)).look()
    after = await last(ada, left)
    resumed = await ada.http.post(f"{left}/resume")

    assert (after["status"], after["by"]) == ("archived", "180 days without a word")
    assert resumed.json()["status"] == "idle"
    assert (await ada.http.get(fresh)).json()["status"] == "idle"


async def test_who_has_patience_for_ever_ends_nothing(gateway: Gateway, ada: Person):
    left, told = await opened(gateway, ada, AGE, "179 days"), list[UUID]()

    assert await listening(gateway, told, Patience.of(0, 0)).look() == Settled()
    assert (await ada.http.get(left)).json()["status"] == "idle"
    await listening(gateway, told, Patience.of(1, 1)).look()
    assert UUID(left.rpartition("/")[2]) in told
