"""A message on its way into a session's log: written once, kept once under its id, and counted once."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from windlass.contracts.events import Payload
from windlass.contracts.ids import new_id
from windlass.contracts.sessions import MOST_WAITING, Refusal
from windlass.core.allowances import Allowance
from windlass.core.artifacts import Artifacts, named
from windlass.core.attachments import Attachment
from windlass.core.callers import Caller
from windlass.core.database import Connection
from windlass.core.errors import Conflict, NotFound
from windlass.core.message_limits import MessageLimits

USE = """
insert into artifact_use (stream_id, digest, tenant_id) select $1, unnest($2::text[]), $3 on conflict do nothing
"""  # with the message: one that is refused keeps nothing
REFUSED: Mapping[str, str] = {
    Refusal.CLOSED: "It is archived; nothing was kept. Take it up again with POST …/resume, then send it again.",
    Refusal.STALE: "The session has moved on to turn {turn}; nothing was kept. Read what was said and send it again.",
    Refusal.BUSY: f"{MOST_WAITING} messages wait already, and that is the limit; nothing was kept.",
    "other": "Another message was said under this id; nothing was kept. Send this one under an id of its own.",
    "many": "So many of your sessions are at work already; nothing was kept. Wait for one of them, or interrupt one.",
}


class MessageRefused(Conflict):
    """The session does not take the message now; nothing was kept."""


@dataclass(frozen=True, slots=True)
class NewMessage:
    """What somebody says; under one `id` it is said once. `expected_turn`: the last turn its sender saw begin.

    What `steers` is taken up by the turn under way, at its next step; without one it is as any other.
    `attachments`: files of the session that were kept before.
    """

    content: str
    id: UUID | None = None
    expected_turn: int | None = None
    steers: bool = False
    attachments: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class Share:
    """What one person may take of the installation: turns at work at once, and messages."""

    at_once: int
    messages: MessageLimits


@dataclass(frozen=True, slots=True)
class Letter:
    """A message, and what its session's log will hold of it."""

    message: NewMessage
    id: str
    attached: tuple[Attachment, ...]
    payload: Payload


@dataclass(frozen=True, slots=True)
class Kept:
    """A letter as the record has it, whether it is new there, and what its sender may still say then."""

    row: Payload
    is_new: bool
    left: tuple[Allowance, ...] = ()


class Letters:
    """Writes letters and keeps them."""

    def __init__(self, artifacts: Artifacts, share: Share) -> None:
        self._artifacts, self._share = artifacts, share

    async def write(self, caller: Caller, message: NewMessage, attached: tuple[Attachment, ...] = ()) -> Letter:
        """The letter that holds a message; what is long of it is stored."""
        message_id = str(message.id or new_id())
        said: Payload = {"role": "user", "id": message_id, "text": message.content, "name": caller.name}
        said |= {"steers": True} if message.steers else {}
        said |= {"attachments": [each.to_json() for each in attached]} if attached else {}
        folded = await self._artifacts.fold(caller.tenant_id, None, {**said, "by": str(caller.person_id)})
        return Letter(message, message_id, attached, folded)

    async def keep(self, connection: Connection, caller: Caller, session_id: UUID, letter: Letter) -> Kept:
        """Put it into the log and the queue of a session, and count it. The second time nothing changes or is counted.

        Raises NotFound, MessageRefused, TooManyMessages: roll back then.
        """
        message = letter.message
        asked = {"id": letter.id, "expected_turn": message.expected_turn, "steers": message.steers}
        kept = await connection.fetchval(
            "select say_in_session($1, $2, $3, $4, $5, $6)",
            *(caller.tenant_id, session_id, asked, letter.payload, MOST_WAITING, self._share.at_once),
        )
        if kept is None:
            raise NotFound("session", session_id)
        if "refused" in kept:
            raise MessageRefused(REFUSED[kept["refused"]].format(turn=kept["turn"]))
        if not kept["is_new"]:
            if not kept["is_same"]:
                raise MessageRefused(REFUSED["other"])
            return Kept(kept, is_new=False)
        await connection.execute(USE, session_id, named(letter.payload), caller.tenant_id)
        return Kept(kept, True, await self._share.messages.take(connection, caller))
