"""Raw Temporal: a bare sandboxed worker in a process of its own, `python -m tests.bench.raw ADDRESS`."""

import sys
from datetime import timedelta

import uvloop
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import Worker

QUEUE = "raw"


@activity.defn
async def nothing(number: int) -> int:
    """Answer what was asked."""
    return number


@workflow.defn
class RawWorkflow:
    """One activity, as small as it gets."""

    @workflow.run
    async def run(self, number: int) -> int:
        """Call it."""
        return await workflow.execute_activity(nothing, number, start_to_close_timeout=timedelta(seconds=60))


async def serve(address: str) -> None:
    """Work until killed, with the settings of our own worker."""
    client = await Client.connect(address)
    worker = Worker(
        client,
        task_queue=QUEUE,
        workflows=[RawWorkflow],
        activities=[nothing],
        max_concurrent_activities=2000,
        max_cached_workflows=128,
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=1),
    )
    await worker.run()


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1]))
