"""A killed PostgreSQL costs the followers of a stream nothing but a moment."""

import asyncio
import signal
from uuid import UUID

from stack import postgres as embedded
from stack.processes import spawn
from tests.core.streams import Live, follow, live_streams, results, seqs, status, until
from tests.parts import running_postgres, short_folder, stop
from windlass.contracts.events import NewEvent
from windlass.core.database import OUTAGES


async def append_surely(live: Live, stream: UUID, *events: NewEvent) -> None:
    """Append, and again for as long as the database is away: a repeat changes nothing."""
    async with asyncio.timeout(20):
        while True:
            try:
                return await live.append(stream, *events)
            except OUTAGES:
                await asyncio.sleep(0.02)


async def test_a_killed_database_loses_no_event_and_wakeups_work_again_after_it():
    with short_folder() as folder:
        async with running_postgres(folder) as postgres, live_streams(postgres.url) as live:
            stream = await live.open()
            following = [asyncio.create_task(follow(await live.subscribe(stream), patience_s=30)) for _ in range(20)]
            for n in range(1, 21):
                await append_surely(live, stream, *results(n, n))

            postgres.process.send_signal(signal.SIGKILL)
            await postgres.process.wait()
            again = await spawn(postgres.cluster.command, postgres.log)
            try:
                await embedded.wait_ready(postgres.cluster)
                for n in range(20, 41):  # the last one may not have been answered
                    await append_surely(live, stream, *results(n, n))
                await until(lambda: live.hub.health().is_listening)
                heard = live.hub.health().notifications
                await append_surely(live, stream, *results(41, 41))
                await until(lambda: live.hub.health().notifications > heard)
                await append_surely(live, stream, status("finished"))

                assert [seqs(frames) for frames in await asyncio.gather(*following)] == [list(range(1, 43))] * 20
            finally:
                await stop(again, signal.SIGINT)
