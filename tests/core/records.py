"""The records of one tenant, for tests: runs, services and agents on the real database, and who asks for them."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from windlass.contracts.events import EventKind, NewEvent
from windlass.contracts.ids import PersonId, RunId, TenantId, new_id
from windlass.contracts.runs import EndInput, RunStatus
from windlass.core.agents import Agents
from windlass.core.callers import Caller
from windlass.core.database import Database
from windlass.core.events import Events
from windlass.core.executions import FINAL, TERMINAL, Attached, Executions
from windlass.core.form_secrets import Forms, FormSecrets
from windlass.core.history import History
from windlass.core.permissions import ROLES, Role
from windlass.core.runs import Run, Runs, StartRun
from windlass.core.saved_agents import SavedAgents
from windlass.core.service_defaults import NewDefaults, ServiceDefaults
from windlass.core.services import NewService, Service, Services
from windlass.core.tasks import Tasks
from windlass.core.vault import Vault
from windlass.core.wakeup import PollOnly
from windlass.core.wanted import HostFacts, Wanted, WantedService
from windlass.forms import InputText, Model, json_schema

FORM = Model(InputText("text", label="Text", required=True)).get_model()


VAULT = Vault(b"a secret of the tests, long enough")
SECRETS = FormSecrets(VAULT)
ELSEWHERE = "update service set url = 'https://agents.example.com/openapi.json', project = '', import_path = ''"


def somebody(role: Role = Role.OWNER, tenant_id: TenantId | None = None) -> Caller:
    """A caller in a tenant of their own, or in the one given."""
    return Caller(tenant_id or TenantId(new_id()), PersonId(new_id()), "Ada", role, ROLES[role])


class Letters:
    """The messenger of a gateway that has no engine: it keeps what it should have carried."""

    def __init__(self) -> None:
        self.kept: list[tuple[str, TenantId, RunId]] = []

    def started(self, tenant_id: TenantId, run: Run) -> None:
        """A run was recorded."""
        self.kept.append(("start", tenant_id, run.id))

    def cancelled(self, tenant_id: TenantId, run: Run) -> None:
        """The end of a run was asked for."""
        self.kept.append(("cancel", tenant_id, run.id))

    def answered(self, tenant_id: TenantId, run_id: RunId, question_id: UUID) -> None:
        """A question was answered."""
        self.kept.append(("answer", tenant_id, run_id))

    def decided(self, tenant_id: TenantId, session_id: UUID) -> None:
        """A question of a session was answered."""
        self.kept.append(("decided", tenant_id, RunId(session_id)))


@dataclass(frozen=True, slots=True)
class Records:
    """What the people of one tenant and its executors may do to its records."""

    caller: Caller
    letters: Letters
    runs: Runs
    executions: Executions
    services: Services
    agents: Agents
    events: Events
    wanted: Wanted
    tasks: Tasks
    history: History
    saved: SavedAgents

    @property
    def tenant_id(self) -> TenantId:
        """Whose records these are."""
        return self.caller.tenant_id

    def colleague(self, role: Role) -> Caller:
        """Somebody else in the same tenant."""
        return somebody(role, self.tenant_id)

    async def serve(self, name: str, *flows: str, state: str = "running") -> Service:
        """A service with flows of one form, as its host described them."""
        await self.services.add(self.caller, NewService(name, "/srv", "app:app"))
        await self.up(name, str(new_id()), *flows)
        if state != "running":
            await self.wanted.record_state(await self.wanted_service(name), state, "no reason")
        return await self.services.get(self.caller, name)

    async def inherit(self, database: Database, env: dict[str, str], secrets: dict[str, str], memory_mib: int) -> None:
        """What services have where they say nothing themselves."""
        wish = NewDefaults({**env}, {**secrets}, memory_mib=memory_mib)
        await ServiceDefaults(database, PollOnly(), VAULT).put(self.caller, wish)

    async def up(self, name: str, boot_id: str, *flows: str) -> None:
        """A host of a service answers and describes its flows."""
        described = {"isolation": "shared", "flows": [flow(each) for each in flows]}
        await self.wanted.record_up(await self.wanted_service(name), HostFacts(boot_id, 1, "here", 1), described)

    async def wanted_service(self, name: str) -> WantedService:
        """The service as its keeper sees it."""
        found = await self.wanted.services()
        return next(each for each in found if (each.tenant_id, each.name) == (self.tenant_id, name))

    async def start(self, text: str = "hi", caller: Caller | None = None, **wish: Any) -> Run:
        """A queued run of Claude."""
        return await self.runs.start(caller or self.caller, StartRun("claude", {"prompt": text}, **wish))

    async def attach(self, run: Run, attempt: int = 1) -> Attached:
        """Take a run over."""
        attached = await self.executions.attach(self.tenant_id, run.id, attempt)
        assert attached is not None
        return attached

    async def say(self, attached: Attached, *events: NewEvent) -> list[int]:
        """Append as the executor; answers the places that were taken."""
        return sorted(await self.executions.append(self.tenant_id, attached.run_id, attached.epoch, events))

    async def finish(self, run: Run) -> Run:
        """Execute a run to its end."""
        attached = await self.attach(run)
        final = NewEvent(EventKind.FINAL, {"str": "done"}, attached.producer, FINAL)
        status = NewEvent(EventKind.STATUS, {"status": "finished"}, attached.producer, TERMINAL)
        await self.say(attached, final, status)
        return await self.runs.get(self.caller, run.id)

    async def end(self, run: Run, status: RunStatus, **more: Any) -> RunStatus:
        """Write the end of a run as its workflow does."""
        return await self.executions.end(EndInput(str(self.tenant_id), str(run.id), status, **more))


def records_of(database: Database, jobs: Database, caller: Caller | None = None) -> Records:
    """The records of a new tenant, or of the caller's."""
    wakeup, letters, agents = PollOnly(), Letters(), Agents(database)
    forms = Forms(agents, SECRETS)
    runs = Runs(database, wakeup, forms, letters)
    return Records(
        caller or somebody(),
        letters,
        runs,
        Executions(database, wakeup),
        Services(database, wakeup, VAULT),
        agents,
        Events(database, wakeup),
        Wanted(database, jobs, wakeup),
        Tasks(database, forms, runs),
        History(database),
        SavedAgents(database),
    )


def flow(name: str) -> dict[str, Any]:
    """A flow as a host describes it."""
    return {
        "name": name,
        "path": f"/{name}",
        "summary": name.title(),
        "description": f"Does {name}.",
        "tags": ["test", name],
        "author": "Ada",
        "elements": FORM,
        "schema": json_schema(FORM),
    }


def step(name: str, state: str, *, key: str = "", execution: int = 1, **more: Any) -> NewEvent:
    """What a host says of a step."""
    payload = {"key": key or f"key of {name}", "name": name, "state": state, "execution": execution, **more}
    place = 1 if state in ("started", "repeated") else 2
    return NewEvent(EventKind.STEP, payload, f"step:{payload['key']}:{execution}", place)


def done(name: str, result: Any = None, **more: Any) -> tuple[NewEvent, NewEvent]:
    """A step from its start to its end."""
    return step(name, "started", **more), step(name, "done", result=result, ms=5, **more)
