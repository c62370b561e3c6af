"""Sessions in which nothing happens: a turn that nobody answers is ended, what nobody came back to is put away."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog

from windlass.contracts.ids import TenantId
from windlass.contracts.sessions import CHANNEL, TOPIC
from windlass.core.database import Database
from windlass.core.wakeup import Wakeup

AT_ONCE = 100
GRACE = timedelta(minutes=5)  # what expires by itself after the same time has the first word
WAITING = """
select id, tenant_id from session where status = 'awaiting' and awaiting_since < clock_timestamp() - $1::interval
  and deleted_at is null order by awaiting_since limit $2
"""
LEFT = """
select id, tenant_id from session where status = 'idle' and active_at < clock_timestamp() - $1::interval
  and archived_at is null and deleted_at is null order by active_at limit $2
"""
END = "select end_silent_turn($1, $2, $3, $4)"
PUT_AWAY = "select put_silent_session_away($1, $2, $3, $4)"

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a turn may wait for people, and how long a session for somebody to come back; nothing: for ever."""

    turn: timedelta
    session: timedelta

    @classmethod
    def of(cls, hours: int, days: int) -> "Patience":
        """The same, as settings say it."""
        return cls(timedelta(hours=hours), timedelta(days=days))


@dataclass(frozen=True, slots=True)
class Settled:
    """How many turns were ended, and how many sessions put away."""

    turns: int = 0
    sessions: int = 0


class Silence:
    """Ends what waits in vain; several workers may look at once, and each session is dealt with once."""

    def __init__(
        self,
        jobs: Database,
        database: Database,
        wakeup: Wakeup,
        patience: Patience,
        tell: Callable[[TenantId, UUID], Awaitable[None]],
    ) -> None:
        self._jobs, self._database, self._wakeup = jobs, database, wakeup
        self._patience, self._tell = patience, tell

    async def look(self) -> Settled:
        """Deal with some of what is due. The second time nothing changes."""
        patience, turns, sessions = self._patience, 0, 0
        if patience.turn:
            why = f"A silence of {_said(patience.turn)}"
            turns = await self._settle(WAITING, END, patience.turn + GRACE, why)
        if patience.session:
            why = f"{_said(patience.session)} without a word"
            sessions = await self._settle(LEFT, PUT_AWAY, patience.session, why)
        return Settled(turns, sessions)

    async def _settle(self, due: str, deed: str, silent: timedelta, why: str) -> int:
        async with self._jobs.open() as connection:
            rows = await connection.fetch(due, silent, AT_ONCE)
        done = [row for row in rows if await self._do(deed, TenantId(row["tenant_id"]), row["id"], silent, why)]
        if done:
            log.info("sessions were settled after a silence", count=len(done), why=why)
        return len(done)

    async def _do(self, deed: str, tenant_id: TenantId, session_id: UUID, silent: timedelta, why: str) -> bool:
        async with self._database.open() as connection:
            is_done = bool(await connection.fetchval(deed, tenant_id, session_id, silent, why))
        if is_done:
            async with self._database.tenant(tenant_id) as connection:
                seq = await connection.fetchval("select last_seq from stream where id = $1", session_id)
            self._wakeup.send(CHANNEL, str(session_id))
            self._wakeup.poke(tenant_id, session_id, seq or 0)
            self._wakeup.touch(TOPIC, tenant_id)
        if is_done or deed == END:  # a turn that still waits has not heard: whoever ended it died before it said so
            await self._tell(tenant_id, session_id)
        return is_done


def _said(span: timedelta) -> str:
    """A span as people say it."""
    days, hours = span.days, span.seconds // 3600
    count, unit = (days, "day") if days and not hours else (days * 24 + hours, "hour")
    return f"{count} {unit}{'' if count == 1 else 's'}"
