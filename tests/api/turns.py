"""Turns of sessions without a worker: what one would write, written by the test."""

from uuid import UUID

from tests.api.people import Gateway, Person
from windlass.contracts.events import EventKind, NewEvent
from windlass.contracts.ids import TenantId
from windlass.contracts.sessions import SealInput, TurnEnd
from windlass.core.turns import Turns
from windlass.core.wakeup import PollOnly


async def answered(gateway: Gateway, person: Person, session_id: str, text: str, *, error: str = "") -> int:
    """A turn from its beginning to its end: one answer, after one use of a tool. Answers its number."""
    turns = Turns(gateway.state["database"], PollOnly())
    tenant_id, ident = TenantId(person.tenant_id), UUID(session_id)
    turn = (await turns.begin(tenant_id, ident)).number
    call = {"turn": turn, "id": f"call-{turn}", "name": "read", "input": {"path": "notes.md"}}
    result = {"turn": turn, "id": f"call-{turn}", "outcome": "done", "text": "All is well."}
    said = {"turn": turn, "role": "assistant", "text": text, "item": f"turn-{turn}-1", "stop_reason": "end_turn"}
    events = [
        NewEvent(EventKind.TOOL_CALL, call, "hands", 2 * turn - 1),
        NewEvent(EventKind.TOOL_RESULT, result, "hands", 2 * turn),
        NewEvent(EventKind.MESSAGE, said, "model", turn),
    ]
    await turns.append(tenant_id, ident, events)
    end = TurnEnd.FAILED if error else TurnEnd.FINISHED
    await turns.seal(SealInput(str(tenant_id), session_id, turn, end, "Failed" if error else "", error))
    return turn
