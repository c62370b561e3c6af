"""One boot: all services of a tenant, a few side by side, then what they offer."""

import asyncio
import contextlib

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from windlass.contracts import boot as words
    from windlass.contracts import policies
    from windlass.contracts.boot import Begun, BootInput, BootService, BringUpInput, BroughtUp


@workflow.defn(name=words.WORKFLOW)
class BootWorkflow:
    """Have every service brought up, four at a time, then look at what they offer, and record the end.

    A service that does not come up is told of and harms no other; a boot that was ended by force has no more to do.
    """

    def __init__(self) -> None:
        self._settled: dict[str, str] = {}

    @workflow.run
    async def run(self, request: BootInput) -> str:
        """Do it and answer how many came up."""
        begun = await workflow.execute_activity(
            words.BEGIN,
            request,
            result_type=Begun,
            start_to_close_timeout=policies.RECORD,
            retry_policy=policies.RECORD_RETRY,
            summary="which services",
        )
        places = asyncio.Semaphore(words.AT_ONCE)
        await asyncio.gather(*(self._bring_up(request, each, places) for each in begun.services))
        said = await workflow.execute_activity(
            words.SETTLE,
            request,
            result_type=str,
            start_to_close_timeout=policies.BOOT_SETTLE,
            heartbeat_timeout=policies.BOOT_HEARTBEAT,
            retry_policy=policies.BOOT_RETRY,
            summary="register, retrieve, update",
        )
        workflow.set_current_details(said)
        return said

    async def _bring_up(self, request: BootInput, service: BootService, places: asyncio.Semaphore) -> None:
        wish = BringUpInput(request.tenant_id, request.boot_id, service.service_id, service.name)
        async with places:
            with contextlib.suppress(ActivityError):  # out of time: what it came to is looked at when all is settled
                brought = await workflow.execute_activity(
                    words.BRING_UP,
                    wish,
                    result_type=BroughtUp,
                    schedule_to_close_timeout=policies.BOOT_SERVICE,
                    heartbeat_timeout=policies.BOOT_HEARTBEAT,
                    retry_policy=policies.BOOT_RETRY,
                    summary=policies.summary(service.name),
                )
                self._settled[service.name] = brought.state
        lines = (f"- {name}: {state}" for name, state in sorted(self._settled.items()))
        workflow.set_current_details("\n".join(lines))
