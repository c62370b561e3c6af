"""Who works on a turn hears that it must end, also when the database was away meanwhile."""

import asyncio
from uuid import uuid4

from activities.interrupts import Interrupts
from windlass.contracts.ids import SessionId
from windlass.core.database import Away
from windlass.core.turns import Standing


async def test_an_interrupt_is_heard_after_the_database_was_away():
    interrupts, session_id = Interrupts(), SessionId(uuid4())
    asked = asyncio.Event()

    async def look() -> Standing | None:
        if not asked.is_set():
            asked.set()
            raise Away("The database does not answer.")
        return None  # the session is gone

    async with asyncio.timeout(20), interrupts.heard(session_id, look) as stop:
        await interrupts.look_here(session_id)
        await asked.wait()
        await interrupts.look_here(session_id)
        await stop.wait()

    assert stop.is_set()
