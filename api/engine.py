"""The parts of a gateway that make runs: wake-ups, live streams, the orchestrator and the stores of nouns."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

from temporalio.client import Client

from api.boot import BootStarts
from api.desktops import Heralds
from api.orchestrator import Links, Orchestrator
from api.proxy import Proxy
from api.screens import Cameras
from api.sessions import Couriers
from api.uploads import Uploads
from windlass.contracts.ids import RunId, TenantId
from windlass.core.agents import Agents
from windlass.core.artifacts import Artifacts
from windlass.core.attachments import Attachments
from windlass.core.boot import BootRecords, Boots
from windlass.core.changes import Changes
from windlass.core.checkups import Checkups
from windlass.core.cleanups import Cleanups
from windlass.core.contents import Contents
from windlass.core.dashboard import Dashboards
from windlass.core.database import Database
from windlass.core.desktop_templates import Bounds, DesktopTemplates
from windlass.core.desktops import Desktops
from windlass.core.doors import Doors
from windlass.core.elsewhere import Elsewhere
from windlass.core.events import Events
from windlass.core.exchange import Exchange
from windlass.core.executions import Executions
from windlass.core.file_links import FileLinks
from windlass.core.file_quota import FileQuota
from windlass.core.file_uploads import FileUploads
from windlass.core.files import Files
from windlass.core.firings import Firings
from windlass.core.flows import Flows
from windlass.core.form_secrets import Forms, FormSecrets
from windlass.core.history import History
from windlass.core.host_logs import HostLogs
from windlass.core.hosts import Hosts
from windlass.core.letters import Share
from windlass.core.listener import Listener
from windlass.core.machines import Machines
from windlass.core.message_limits import MessageLimits
from windlass.core.outbound import Outbound
from windlass.core.outbox import Outbox
from windlass.core.questions import Questions, Way
from windlass.core.registrations import Registrations
from windlass.core.run_tallies import RunTallies
from windlass.core.runs import Runs
from windlass.core.saved_agents import SavedAgents
from windlass.core.schedules import Schedules
from windlass.core.screenshots import Screenshots
from windlass.core.sent_archives import SentArchives
from windlass.core.servers import Servers
from windlass.core.service_defaults import ServiceDefaults
from windlass.core.services import Services
from windlass.core.sessions import Conversations
from windlass.core.settings import Settings
from windlass.core.skills import Skills
from windlass.core.sources import Sources
from windlass.core.states import States
from windlass.core.statistics import Statistics
from windlass.core.storage import Objects
from windlass.core.storage.urls import open_objects
from windlass.core.stream import Hub
from windlass.core.tasks import Tasks
from windlass.core.tenant_settings import TenantSettings, of_installation
from windlass.core.turns import SessionWorkflows
from windlass.core.vault import Vault
from windlass.core.viewers import Viewers
from windlass.core.wakeup import Notifier
from windlass.core.workspaces import Workspaces


@dataclass(frozen=True, slots=True)
class Engine:
    """What routes and pages ask about runs."""

    statistics: Statistics
    agents: Agents
    artifacts: Artifacts
    attachments: Attachments
    boots: Boots
    uploads: Uploads
    cameras: Cameras
    changes: Changes
    checkups: Checkups
    cleanups: Cleanups
    dashboards: Dashboards
    desktops: Desktops
    desktop_templates: DesktopTemplates
    events: Events
    file_links: FileLinks
    file_uploads: FileUploads
    files: Files
    flows: Flows
    exchange: Exchange
    host_logs: HostLogs
    hub: Hub
    links: Links
    objects: Objects
    orchestrator: Orchestrator
    proxy: Proxy
    registrations: Registrations
    outbox: Outbox
    questions: Questions
    runs: Runs
    saved_agents: SavedAgents
    servers: Servers
    service_defaults: ServiceDefaults
    services: Services
    sessions: Conversations
    sources: Sources
    tallies: RunTallies
    tasks: Tasks
    tenant_settings: TenantSettings
    history: History
    schedules: Schedules
    screenshots: Screenshots
    skills: Skills
    firings: Firings
    viewers: Viewers
    workspaces: Workspaces

    @property
    def sent_archives(self) -> SentArchives:
        """Takes the archives that come with forms of pages."""
        return SentArchives(self.file_uploads, self.objects, self.sources)


@dataclass(frozen=True, slots=True)
class Answers:
    """Tells whoever asked that there is an answer."""

    orchestrator: Orchestrator
    couriers: Couriers

    def answered(self, tenant_id: TenantId, run_id: RunId, question_id: UUID) -> None:
        """A question of a run was answered."""
        self.orchestrator.answered(tenant_id, run_id, question_id)

    def decided(self, tenant_id: TenantId, session_id: UUID) -> None:
        """A question of a session was answered."""
        self.couriers.decided(tenant_id, session_id)


@asynccontextmanager
async def open_engine(settings: Settings, database: Database, jobs: Database) -> AsyncGenerator[Engine]:
    """Connect to wake-ups and, lazily, to Temporal: the gateway starts and answers without it."""
    async with AsyncExitStack() as stack:
        notifier, hub = await _woken(stack, settings, database, jobs)
        carriers = await _carriers(stack, settings, database, jobs, notifier)
        forms, objects = Forms(Agents(database), FormSecrets(vault(settings))), opened(stack, settings)
        contents, hosts, heralds = Contents(database, objects), Hosts(settings.home / "hosts"), carriers.heralds
        runs, history = Runs(database, notifier, forms, carriers.orchestrator, hosts), History(database)
        tasks, services = Tasks(database, forms, runs), Services(database, notifier, vault(settings))
        artifacts, desktops = Artifacts(contents), Desktops(database, notifier, heralds, settings.desktops_per_person)
        screenshots, own_settings = Screenshots(database, notifier), TenantSettings(database, of_installation(settings))
        schedules, quota = Schedules(database, notifier, tasks), FileQuota(database, own_settings)
        service_defaults = ServiceDefaults(database, notifier, vault(settings))
        yield Engine(
            statistics=Statistics(database),
            agents=forms.agents,
            artifacts=artifacts,
            attachments=Attachments(database, contents),
            boots=Boots(database, notifier, carriers.starts),
            uploads=Uploads(),
            cameras=Cameras(carriers.temporal, desktops, screenshots),
            changes=Changes(database, contents),
            checkups=Checkups(database, hosts, settings.node),
            cleanups=Cleanups(database),
            dashboards=Dashboards(database),
            desktops=desktops,
            desktop_templates=DesktopTemplates(database, Bounds.of(settings)),
            events=Events(database, notifier),
            file_links=FileLinks(objects, settings.require_secret_key(), lambda: datetime.now(UTC)),
            file_uploads=FileUploads(database, objects, quota),
            files=Files(database, objects, quota, notifier),
            flows=Flows(database),
            exchange=Exchange(database, services, service_defaults),
            host_logs=HostLogs(database, settings.home / "logs", settings.node),
            hub=hub,
            links=carriers.links,
            objects=objects,
            orchestrator=carriers.orchestrator,
            outbox=carriers.outbox,
            proxy=proxy(settings, database),
            registrations=Registrations(database, services, elsewhere(settings), hosts, notifier),
            questions=Questions(database, notifier, artifacts, Way(hosts, forms.secrets, carriers.answers)),
            runs=runs,
            saved_agents=SavedAgents(database),
            servers=servers(settings, database, notifier),
            service_defaults=service_defaults,
            services=services,
            sessions=Conversations(database, notifier, artifacts, carriers.couriers, share(settings)),
            sources=Sources(database, objects, services, quota),
            tallies=RunTallies(database),
            tasks=tasks,
            tenant_settings=own_settings,
            history=history,
            schedules=schedules,
            screenshots=screenshots,
            skills=Skills(database),
            firings=Firings(database, notifier, schedules, history),
            workspaces=Workspaces(database, contents),
            viewers=Viewers(database, notifier, heralds, settings.require_secret_key(), lambda: datetime.now(UTC)),
        )


async def _woken(stack: AsyncExitStack, settings: Settings, database: Database, jobs: Database) -> tuple[Notifier, Hub]:
    """What tells of changes, and what hears of them, for as long as the gateway is."""
    url = settings.require_database_url()
    notifier, listener = Notifier(url, name="gateway"), Listener(url, name="gateway")
    hub = await stack.enter_async_context(Hub(database, jobs, listener, States(listener=listener)))
    await _started(stack, notifier, listener)
    return notifier, hub


@dataclass(frozen=True, slots=True)
class Carriers:
    """What carries wishes from their rows to Temporal."""

    temporal: Client
    links: Links
    outbox: Outbox
    orchestrator: Orchestrator
    heralds: Heralds
    couriers: Couriers
    starts: BootStarts

    @property
    def answers(self) -> Answers:
        """Those to questions."""
        return Answers(self.orchestrator, self.couriers)


async def _carriers(
    stack: AsyncExitStack, settings: Settings, database: Database, jobs: Database, notifier: Notifier
) -> Carriers:
    """The carriers, at work for as long as the gateway is."""
    links, outbox = Links(settings.url, settings.temporal_ui_url, settings.temporal_namespace), Outbox(jobs)
    temporal = await client(settings)
    orchestrator = Orchestrator(temporal, outbox, Executions(database, notifier), links)
    heralds = Heralds(temporal, Machines(database, jobs, notifier), links)
    couriers = Couriers(temporal, SessionWorkflows(jobs), links)
    starts = BootStarts(temporal, BootRecords(database, jobs, notifier), links)
    await _started(stack, orchestrator, heralds, couriers, starts)
    return Carriers(temporal, links, outbox, orchestrator, heralds, couriers, starts)


def opened(stack: AsyncExitStack, settings: Settings) -> Objects:
    """The object store, for as long as the gateway is."""
    objects = open_objects(settings)
    stack.push_async_callback(objects.close)
    return objects


class Starts(Protocol):
    """A part that works beside requests."""

    async def start(self) -> None:
        """Begin."""
        ...

    async def close(self) -> None:
        """Stop."""
        ...


async def _started(stack: AsyncExitStack, *parts: Starts) -> None:
    """Have parts work for as long as the gateway does."""
    for part in parts:
        await part.start()
        stack.push_async_callback(part.close)


def vault(settings: Settings) -> Vault:
    """Where secrets are sealed."""
    return Vault(settings.require_secret_key())


def elsewhere(settings: Settings) -> Elsewhere:
    """The way to services that others run."""
    return Elsewhere(Outbound(settings.outbound_allow))


def proxy(settings: Settings, database: Database) -> Proxy:
    """The way to the own routes of services, on this machine and elsewhere."""
    doors = Doors(database, settings.home / "hosts", settings.node)
    return Proxy(doors, elsewhere(settings), settings.url, settings.proxy_timeout_s)


def share(settings: Settings) -> Share:
    """What one person may take of the sessions of this installation."""
    return Share(settings.sessions_per_person, MessageLimits(settings.messages_per_minute, settings.messages_per_hour))


def servers(settings: Settings, database: Database, notifier: Notifier) -> Servers:
    """The MCP servers, with the secrets and the way out of this installation."""
    outbound = Outbound(settings.outbound_allow)
    return Servers(database, notifier, vault(settings), outbound, settings.mcp_commands)


async def client(settings: Settings) -> Client:
    """A client of Temporal that connects when it is first needed."""
    key = settings.temporal_api_key
    return await Client.connect(
        settings.temporal_address,
        namespace=settings.temporal_namespace,
        tls=settings.temporal_tls,
        api_key=key.get_secret_value() if key else None,
        lazy=True,
    )
