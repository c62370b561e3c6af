"""What a hundred thousand runs of one organisation cost those who look at them: the dashboard, the list, the search."""

import time
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from stack import postgres
from tests.bench.figures import Row
from tests.bench.stack import running
from tests.bench.wire import Wire
from tests.owner import as_owner

RUNS, AGENTS, LOOKS = 100_000, 161, 21
# A tenth of the runs failed, a tenth was cancelled; the words of the inputs and of the results come from 5,000.
MADE = """
insert into run (id, tenant_id, agent, title, tags, status, root_id, created_by, created_by_name, created_at,
                 started_at, ended_at, error, inputs, result)
select id, tenant_id, 'service/agent-' || (i * 7919 % $2), 'Report ' || i, array['tag-' || i % 20],
  case i % 10 when 3 then 'failed' when 7 then 'cancelled' else 'finished' end, id, person_id, 'Ada', at,
  at + i % 7 * interval '100 ms', at + i % 7 * interval '100 ms' + i % 997 * interval '37 ms',
  case when i % 10 = 3 then jsonb_build_object('type', 'ToolError', 'message', 'the ERP said ' || i) end,
  jsonb_build_object('customer', md5((i % 5000)::text), 'order', 'order-' || i, 'note', 'please look into it again'),
  jsonb_build_object('str', 'found ' || md5((i % 4999)::text) || ' and nothing else')
from (select tenant_id, person_id from membership limit 1) mine, lateral (
  select uuidv7() as id, i, now() - i * interval '30 days' / $1::int as at from generate_series(1, $1::int) i) made
"""
LOOKED = {
    "dashboard of 24 hours": "/v1/dashboard?span=24h",
    "dashboard of 7 days": "/v1/dashboard?span=7d",
    "dashboard of 30 days": "/v1/dashboard?span=30d",
    "page of the dashboard": "/dashboard?span=30d",
    "first runs": "/v1/runs",
    "failed runs of an agent": "/v1/runs?status=failed&agent=service/agent-80",
    "runs of a tag": "/v1/runs?tag=tag-7",
    "page of the runs": "/runs",
    "page of the agents": "/agents",
    "home": "/",
    "search, a word of one run's inputs": "/v1/runs?q=order-50123",
    "search, a word of some": "/v1/runs?q=c4ca4238a0b923820dcc509a6f75849b",
    "search, a word of all": "/v1/runs?q=again",
    "search, a word of none": "/v1/runs?q=nowhere-to-be-found",
}


async def dashboard(home: Path, *, is_quick: bool) -> Row:
    """Milliseconds of each look, the median and the 95th percentile, as a client on this machine sees them."""
    count = RUNS // 10 if is_quick else RUNS
    async with running(home, service=False) as stack:
        await _fill(home, count)
        wire = await stack.wire()
        looks = {name: [await _look(wire, path) for _ in range(LOOKS)] for name, path in LOOKED.items()}
        await wire.close()
    shown: dict[str, Any] = {"runs": count}
    for name, times in looks.items():
        shown |= {f"{name}, ms": round(median(times), 1), f"{name}, p95 ms": round(quantiles(times, n=20)[-1], 1)}
    return shown


async def _fill(home: Path, count: int) -> None:
    """Make the runs as if they had ended over a month, and let the database tidy up as it does by itself."""
    async with as_owner(postgres.lay_out(home, postgres.find_binaries()).url) as owner:
        await owner.execute(MADE, count, AGENTS)
        await owner.execute("vacuum analyze run")
        await owner.execute("checkpoint")  # else the looks wait for what the filling has written


async def _look(wire: Wire, path: str) -> float:
    began = time.perf_counter()
    await wire.read(path)
    return (time.perf_counter() - began) * 1000
