"""How the installation is: every part says pass, warn or fail, and what that means."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from time import perf_counter

from windlass.core.database import Database

PATIENCE_S = 2.0


class Grade(StrEnum):
    """How a part is, from well to broken."""

    PASS = "pass"  # noqa: S105 - a grade
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a probe found; `figure` is the one number worth showing, with its unit, `value` the number alone."""

    grade: Grade
    detail: str = ""
    figure: str = ""
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the installation: `means` says what its failure does to the work."""

    name: str
    probe: Callable[[], Awaitable[Finding]]
    means: str = ""


@dataclass(frozen=True, slots=True)
class PartHealth:
    """What was found about a part, and how long that took."""

    name: str
    grade: Grade
    detail: str
    figure: str
    means: str
    took_ms: float
    value: float | None = None


@dataclass(frozen=True, slots=True)
class HealthReport:
    """Every part, and the worst grade of them."""

    grade: Grade
    parts: Sequence[PartHealth] = field(default_factory=tuple[PartHealth, ...])


async def examine(parts: Sequence[Part], patience_s: float = PATIENCE_S) -> HealthReport:
    """Probe every part at once; one that raises or takes too long has failed."""
    found = await asyncio.gather(*(_probe(part, patience_s) for part in parts))
    order = list(Grade)
    worst = max((order.index(part.grade) for part in found), default=0)
    return HealthReport(order[worst], found)


def database_part(database: Database) -> Part:
    """The probe of PostgreSQL: one query through the pool."""

    async def probe() -> Finding:
        started = perf_counter()
        async with database.open() as connection:
            await connection.fetchval("select 1")
        took = (perf_counter() - started) * 1000
        return Finding(Grade.PASS, "answers queries", f"{took:.1f} ms", took)

    return Part("database", probe, "without it nothing is stored and no request is answered; running agents wait")


async def _probe(part: Part, patience_s: float) -> PartHealth:
    started = perf_counter()
    try:
        finding = await asyncio.wait_for(part.probe(), patience_s)
    except TimeoutError:
        finding = Finding(Grade.FAIL, f"did not answer within {patience_s:g} s")
    except Exception as error:  # noqa: BLE001 - whatever a probe raises is its finding
        finding = Finding(Grade.FAIL, f"failed: {type(error).__name__}")
    took = round((perf_counter() - started) * 1000, 1)
    return PartHealth(part.name, finding.grade, finding.detail, finding.figure, part.means, took, finding.value)
