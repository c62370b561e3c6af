"""The services worker of one tenant in a process of its own, to be killed."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

from tests.activities.test_services import Site
from tests.core.records import records_of, somebody
from windlass.contracts.ids import TenantId
from windlass.core.database import JOBS_ROLE, Database
from windlass.core.mortality import dying_with_us
from windlass.core.permissions import Role


async def keep(url: str, folder: Path, line: int, tenant_id: TenantId) -> None:
    """Keep the services of the tenant until killed."""
    database, jobs = await Database.connect(url), await Database.connect(url, role=JOBS_ROLE, max_size=2)
    records = records_of(database, jobs, somebody(Role.OWNER, tenant_id))
    site = Site(database, records, folder, line, asyncio.create_subprocess_exec)
    async with site.keeping():
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


@asynccontextmanager
async def kept_apart(site: Site, url: str) -> AsyncGenerator[asyncio.subprocess.Process]:
    """The worker once it is there, and nothing left of it afterwards; its hosts stay."""
    line = site.folders.lifeline or 0
    words = ("-m", "tests.activities.apart", url, str(site.project), str(line), str(site.records.tenant_id))
    process = await asyncio.create_subprocess_exec(
        sys.executable, *words, pass_fds=(line,), preexec_fn=dying_with_us(), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        await process.stdout.readuntil(b"ready\n")
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


if __name__ == "__main__":
    asyncio.run(keep(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), TenantId(UUID(sys.argv[4]))))
