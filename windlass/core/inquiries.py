"""Questions that turns of sessions ask people: each is asked once, whoever asks how it stands."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from windlass.contracts.events import Payload
from windlass.contracts.ids import TenantId, new_id
from windlass.contracts.questions import TOPIC as NEEDS
from windlass.contracts.questions import QuestionKind
from windlass.contracts.sessions import TOPIC
from windlass.core.artifacts import Artifacts
from windlass.core.database import Database
from windlass.core.wakeup import Wakeup


@dataclass(frozen=True, slots=True)
class Inquiry:
    """What a turn wants to know of people, under a key of its own."""

    tenant_id: TenantId
    session_id: UUID
    turn: int
    key: str
    kind: QuestionKind
    name: str
    elements: list[dict[str, Any]]
    timeout_s: float
    data: Payload | None = None


class Inquiries:
    """Asks; asking twice is asking once."""

    def __init__(self, database: Database, wakeup: Wakeup, artifacts: Artifacts) -> None:
        self._database, self._wakeup, self._artifacts = database, wakeup, artifacts

    async def ask(self, inquiry: Inquiry) -> Payload | None:
        """Where it stands: `state`, `result`, `by`, `sha256` of its data, `left_s`. None: its session is gone."""
        place = (inquiry.tenant_id, inquiry.session_id)
        folded = await self._folded(inquiry)
        async with self._database.open() as connection:
            query = "select ask_in_session($1, $2, $3, $4)"
            found: Payload | None = await connection.fetchval(query, *place, inquiry.turn, folded)
            head = await connection.fetchrow("select last_seq from stream_head($1, $2)", *place)
        if found is None:
            return None
        self._wakeup.poke(*place, head["last_seq"] if head else 0)
        for topic in (NEEDS, TOPIC):
            self._wakeup.touch(topic, inquiry.tenant_id)
        return found

    async def _folded(self, inquiry: Inquiry) -> Payload:
        """The question as its log may carry it: what is large of its data goes one by one, for its hash must stay."""
        head = {"id": str(new_id()), "key": inquiry.key, "kind": str(inquiry.kind), "name": inquiry.name}
        flat = {**(inquiry.data or {}), "elements": inquiry.elements, "head": {**head, "timeout_s": inquiry.timeout_s}}
        folded = await self._artifacts.fold(inquiry.tenant_id, inquiry.session_id, flat)
        data = {name: value for name, value in folded.items() if name not in ("elements", "head")}
        return {**folded["head"], "data": None if inquiry.data is None else data, "elements": folded["elements"]}
