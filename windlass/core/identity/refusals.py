"""Sign-ins that were refused: in the audit log of a person's tenant, else in a list that cannot grow without end."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from windlass.core.callers import Caller, Origin
from windlass.core.database import Database
from windlass.core.permissions import Permission

KEPT = 10_000
EMAIL_CHARACTERS = 254


@dataclass(frozen=True, slots=True)
class Refusal:
    """An attempt to sign in as somebody nobody knows."""

    id: int
    at: datetime
    email: str
    address: str
    request_id: str


class Refusals:
    """What failed sign-ins leave behind."""

    def __init__(self, database: Database, kept: int = KEPT) -> None:
        self._database, self._kept = database, kept

    async def note(self, person_id: UUID | None, email: str, origin: Origin) -> None:
        """Note a failure of a person's, or of nobody's: the same work for both."""
        async with self._database.open() as connection:
            await connection.execute(
                "select identity_note_refusal($1, $2, $3, $4, $5)",
                *(person_id, email[:EMAIL_CHARACTERS], origin.address, origin.request_id, self._kept),
            )

    async def newest(self, caller: Caller, *, limit: int = 50, after: int | None = None) -> Sequence[Refusal]:
        """The failures of people nobody knows, the newest first, for the operator of the platform. Raises Forbidden."""
        caller.require(Permission.PLATFORM_READ)
        async with self._database.open() as connection:
            rows = await connection.fetch("select * from identity_refusals($1, $2)", after, limit)
        return [Refusal(*row.values()) for row in rows]
