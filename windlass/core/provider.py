"""The model provider as those see it who ask: how many answers failed, and how soon the first words came.

Kept for the health of the installation alone: what is seen waits in memory for a few seconds and dies with its worker.
What was asked, answered and paid for is in the log of each run.
"""

import asyncio
from collections import deque
from dataclasses import dataclass
from datetime import datetime

import structlog

from windlass.core.database import BROKEN, Away, Database
from windlass.core.health import Finding, Grade, Part

PAUSE_S = 5.0
MOST_WAITING = 1000
AILING_SHARE = 0.1  # of the answers failed: more than a provider's bad moment

LATELY = """
select bool_or(standin) as standin, coalesce(sum(asked), 0)::int as asked, coalesce(sum(failed), 0)::int as failed,
  (array_agg(error order by minute desc) filter (where error is not null))[1] as error,
  (select percentile_cont(0.5) within group (order by ms) from provider_minute f, unnest(f.first_ms) ms
   where f.minute > clock_timestamp() - interval '15 minutes') as first_ms
from provider_minute where minute > clock_timestamp() - interval '15 minutes'
"""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Seen:
    """One answer that was asked for: the type of its error, and the milliseconds until its first words."""

    at: datetime
    standin: bool
    error: str | None = None
    first_ms: int | None = None

    def row(self, *, standin: bool) -> dict[str, object]:
        """The answer as the database takes it; who failed before a word came has not said who it was."""
        return {
            "at": self.at.isoformat(),
            "standin": self.standin or standin,
            "error": self.error,
            "first_ms": self.first_ms,
        }


class ProviderRecord:
    """What is seen of the provider on its way into the database."""

    def __init__(self, jobs: Database, *, standin: bool) -> None:
        self._jobs, self._standin = jobs, standin
        self._waiting: deque[Seen] = deque(maxlen=MOST_WAITING)

    def add(self, seen: Seen) -> None:
        """Remember an answer; `write` stores it."""
        self._waiting.append(seen)

    async def write(self) -> None:
        """Store what was seen. Raises Away, and what a broken connection raises; nothing is forgotten then."""
        seen = list(self._waiting)
        if not seen:
            return
        rows = [each.row(standin=self._standin) for each in seen]
        async with self._jobs.open() as connection:
            await connection.execute("select record_answers($1)", rows)
        for _ in seen:
            self._waiting.popleft()

    async def write_for_ever(self, pause_s: float = PAUSE_S) -> None:
        """Store what is seen every few seconds, until cancelled."""
        while True:
            await asyncio.sleep(pause_s)
            try:
                await self.write()
            except (Away, *BROKEN) as error:
                log.info("answers are written down later", answers=len(self._waiting), reason=repr(error))


def provider_part(database: Database) -> Part:
    """How the model provider has answered in the last quarter of an hour. Its failures make no gateway unready."""

    async def probe() -> Finding:
        async with database.open() as connection:
            (row,) = await connection.fetch(LATELY)
        asked, failed, first_ms = row["asked"], row["failed"], row["first_ms"]
        if not asked:
            return Finding(Grade.PASS, "nobody has asked it for a quarter of an hour")
        who = "the scripted stand-in answers; " if row["standin"] else ""
        said = f"{who}{failed} of {asked} {'answer' if asked == 1 else 'answers'} failed"
        if failed:
            said += f", the last with {row['error']}"
        figure = "" if first_ms is None else f"{first_ms:.0f} ms"
        return Finding(Grade.WARN if failed > AILING_SHARE * asked else Grade.PASS, said, figure, first_ms)

    return Part("model provider", probe, "what asks Claude waits and asks again; every other agent works")
