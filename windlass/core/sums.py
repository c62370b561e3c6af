"""Runs that ended, counted by agent and part of time: quarters of a day that are over are taken from sums."""

from datetime import UTC, datetime

from windlass.contracts.ids import TenantId
from windlass.core.database import Connection

ENDS = ("finished", "failed", "cancelled")
ORIGIN = datetime(2001, 1, 1, tzinfo=UTC)  # parts begin at whole hours and days from then on, UTC

ENDED = ", ".join(f"count(*) filter (where status = '{status}') as {status}" for status in ENDS)
SUMMED = ", ".join(f"sum({status})::bigint as {status}" for status in ENDS)
# Of person $1, or everybody's, from $2 to before $3, in parts of $4 since $5; $6 ends what is taken from sums.
COUNTED = f"""
select agent, date_bin($4, at, $5) as at, {SUMMED} from run_part
where at >= $2 and at < $6 and ($1::uuid is null or created_by = $1) group by 1, 2
union all
select agent, date_bin($4, ended_at, $5) as at, {ENDED} from run
where ended_at >= $2 and ended_at < $3 and ended_at >= $6 and ($1::uuid is null or created_by = $1) group by 1, 2
"""  # noqa: S608 - constants


async def summed_until(connection: Connection, tenant_id: TenantId, since: datetime) -> datetime:
    """Sum what is over; answers until when the sums tell all from `since` on, which must begin a quarter of a day."""
    known: datetime | None = await connection.fetchval("select sum_runs($1)", tenant_id)
    return since if known is None else max(since, known)
