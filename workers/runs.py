"""The role `runs`: run workflows, and the activities that drive agents."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from temporalio.client import Client
from temporalio.worker import Worker

from activities.adapters.claude import ClaudeMessages
from activities.adapters.hosts import FilePlace, HostExecutor
from activities.boot import BootActivities
from activities.claude import ClaudeRuns
from activities.desktops import DesktopRecords
from activities.executors import Executor
from activities.firings import FiringActivities, Onwards
from activities.models import ClaudeExecutor
from activities.rush import Rush
from windlass.contracts import queues
from windlass.core.boot import BootRecords
from windlass.core.decisions import Decisions
from windlass.core.events import Events
from windlass.core.executions import Executions
from windlass.core.hosts import Hosts
from windlass.core.identity import RunTokens
from windlass.core.machines import Machines
from windlass.core.outbox import Outbox
from windlass.core.provider import ProviderRecord
from windlass.core.settings import BadSettings, Settings
from windlass.core.timings import Timings
from workers import prompts, sessions
from workers.driving import run_activities
from workers.maintenance import maintaining, maintenance
from workers.parts import Parts, beside, form_secrets, sockets
from workers.reaper import reap
from workers.runtime import BUILD, GRACE, connect_unless, work
from workers.sandbox import sandbox
from workers.servers import checking
from workers.slots import Slot
from workers.starting import RunStarts
from workers.timetable import following
from workflows.boot import BootWorkflow
from workflows.desktops import DesktopWorkflow
from workflows.firings import FiringWorkflow
from workflows.maintenance import MaintenanceWorkflow
from workflows.prompts import PromptWorkflow
from workflows.runs import RunWorkflow
from workflows.sessions import SessionWorkflow

DRIVEN_AT_ONCE = 2000
CACHED_WORKFLOWS = 128  # more than 100 turns at once; each costs 55 KiB, and one that waits is read again in 10 ms
WORKFLOWS = (
    *(RunWorkflow, FiringWorkflow, DesktopWorkflow, MaintenanceWorkflow, PromptWorkflow, SessionWorkflow),
    BootWorkflow,
)
HEARTBEAT = timedelta(seconds=6)  # every 3 s, 200 attached runs cost half a core, most of it in Temporal


async def serve(parts: Parts) -> None:
    """Serve the role until told to stop."""
    slot = Slot(parts.settings.require_database_url(), parts.settings.node, "runs")
    identity = await slot.take()
    keeping = asyncio.create_task(slot.keep(parts.stopping.set))
    try:
        client = await connect_unless(parts.stopping, parts.settings, identity)
        if client is None:
            return
        await slot.wait_for_twins()
        await reap(client, parts.jobs)
        provider = ProviderRecord(parts.jobs, standin=parts.settings.anthropic_api_key is None)
        async with (
            following(client, parts),
            maintaining(client, parts),
            checking(parts),
            beside(provider.write_for_ever()),
        ):
            await work(build(client, parts, provider), parts.stopping)
    finally:
        keeping.cancel()
        with suppress(asyncio.CancelledError):
            await keeping
        await slot.release()


def build(client: Client, parts: Parts, provider: ProviderRecord) -> Worker:
    """The Temporal worker of the role."""
    silence = timedelta(seconds=parts.settings.model_silence_s)
    claude = ClaudeExecutor(model(parts.settings), lambda: datetime.now(UTC).date(), silence, provider.add)
    rush = Rush()
    activities = run_activities(parts, executors(parts, claude), rush)
    talks, tools, onward = sessions.talking(parts, claude)
    boots = boot_activities(parts)
    firings = firing_activities(client, parts, rush)
    records = DesktopRecords(Machines(parts.database, parts.jobs, parts.notifier))
    return Worker(
        client,
        task_queue=queues.RUNS,
        workflows=WORKFLOWS,
        activities=[
            *(activities.drive, activities.stop, activities.end, firings.decide, firings.decide_all),
            *(records.look, records.place, records.record, records.claim, records.release),
            maintenance(client, parts).maintain,
            prompts.thinking(parts, claude).think,
            *(boots.begin, boots.bring_up, boots.settle),
            *(talks.begin, talks.seal, talks.ask, tools.use, onward.use_then_ask),
        ],
        workflow_runner=sandbox(),
        build_id=BUILD,
        max_concurrent_activities=DRIVEN_AT_ONCE,
        max_cached_workflows=CACHED_WORKFLOWS,
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=1),
        max_heartbeat_throttle_interval=HEARTBEAT,
        default_heartbeat_throttle_interval=HEARTBEAT,
        graceful_shutdown_timeout=GRACE,
    )


def executors(parts: Parts, claude: ClaudeExecutor) -> Mapping[str, Executor]:
    """Who executes what: service hosts, and the model provider."""
    executions, events = Executions(parts.database, parts.notifier), Events(parts.database, parts.notifier)
    files = file_place(parts.settings)
    return {
        "flow": HostExecutor(executions, sockets(parts.settings), form_secrets(parts.settings), files),
        "claude": ClaudeRuns(claude, events),
    }


def file_place(settings: Settings) -> FilePlace:
    """Where the agents of hosts reach the files of their runs."""
    return FilePlace(settings.inside_url, RunTokens(settings.require_secret_key()))


def firing_activities(client: Client, parts: Parts, rush: Rush) -> FiringActivities:
    """The activities of firings."""
    decisions = Decisions(parts.database, parts.notifier, form_secrets(parts.settings))
    onwards = Onwards(RunStarts(client).start, Outbox(parts.jobs), Timings(parts.database), rush)
    return FiringActivities(decisions, onwards, parts.settings.url, lambda: datetime.now(UTC))


def boot_activities(parts: Parts) -> BootActivities:
    """The activities of boots."""
    records = BootRecords(parts.database, parts.jobs, parts.notifier)
    return BootActivities(records, Hosts(sockets(parts.settings)).describe, lambda: datetime.now(UTC))


def model(settings: Settings) -> ClaudeMessages:
    """The model provider, or the scripted stand-in when there is no key."""
    if settings.anthropic_api_key is None:
        if settings.standin_url is None:
            raise BadSettings("ANTHROPIC_API_KEY is not set, and neither is WINDLASS_STANDIN_URL. Set one of them.")
        return ClaudeMessages("stand-in", settings.standin_url, standin=True)
    return ClaudeMessages(settings.anthropic_api_key.get_secret_value(), settings.anthropic_base_url)
