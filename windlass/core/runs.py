"""Runs: start one, find it again, ask for its end, try again."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol
from uuid import UUID

import asyncpg

from windlass.contracts.agents import DESKTOP, Pin
from windlass.contracts.events import Payload
from windlass.contracts.hosts import ENTER
from windlass.contracts.ids import RunId, TenantId, new_id
from windlass.contracts.runs import TERMINAL, RunStatus
from windlass.core.agents import Agent
from windlass.core.audit import record
from windlass.core.beginnings import Beginning, Origin
from windlass.core.callers import Caller
from windlass.core.database import Connection, Database, Row
from windlass.core.desktops import require_own
from windlass.core.errors import Conflict, NotFound
from windlass.core.file_inputs import Filled, taken_uploads
from windlass.core.form_secrets import Forms, Kept, run_place, typed
from windlass.core.hosts import Hosts
from windlass.core.masks import masked
from windlass.core.permissions import Permission
from windlass.core.run_search import narrowed
from windlass.core.run_steps import Step, cut_of, kept_keys
from windlass.core.wakeup import Wakeup


@dataclass(frozen=True, slots=True)
class StartRun:
    """The wish to run an agent; under an `id` it is one run. Its inputs name files of `uploads`, or other uploads."""

    agent: str
    inputs: Payload
    title: str | None = None
    tags: tuple[str, ...] = ()
    timeout_s: int | None = None
    max_attempts: int = 1
    extra: Payload = field(default_factory=dict[str, Any])
    id: UUID | None = None
    origin: Origin | None = None
    backoff_s: int = 1
    uploads: tuple[UUID, ...] = ()
    passwords_of: UUID | None = None
    """An earlier run of the same agent: where a field holds the mask, its password is meant, if the caller typed it."""
    typed_by: str = ""  # who typed the passwords in the inputs, if it was not who starts it


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs a list shows; every condition is optional."""

    status: tuple[RunStatus, ...] = ()
    agent: str | None = None
    tag: str | None = None
    text: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    task: UUID | None = None
    desktop: UUID | None = None
    created_by: UUID | None = None
    above_usd: Decimal | None = None
    is_asking: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """One run as it stands: the projection of its events."""

    id: RunId
    agent: str
    agent_id: UUID | None
    agent_version: int | None
    title: str
    tags: tuple[str, ...]
    status: RunStatus
    inputs: Payload
    result: Payload | None
    error: Payload | None
    meta: Payload
    created_by: UUID | None
    created_by_name: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    archived_at: datetime | None
    seen_at: datetime | None
    attempt: int
    max_attempts: int
    timeout_s: int | None
    backoff_s: int
    root_id: RunId
    retry_of: RunId | None
    try_: int
    cancel_requested_at: datetime | None
    cancel_reason: str | None
    steps_kept: int
    model_calls: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost_usd: float | None
    standin: bool

    @property
    def is_live(self) -> bool:
        """Whether something can still happen."""
        return self.status not in TERMINAL

    @property
    def pin(self) -> Pin | None:
        """The version of a saved agent that it is made of."""
        return None if self.agent_id is None else Pin(self.agent_id, self.agent_version or 1)


class Messenger(Protocol):
    """Carries what was committed to the engine, at once where it can; the outbox is what counts."""

    def started(self, tenant_id: TenantId, run: Run) -> None:
        """A run was recorded."""
        ...

    def cancelled(self, tenant_id: TenantId, run: Run) -> None:
        """The end of a run was asked for."""
        ...


RUN_COLUMNS = ", ".join("try as try_" if column.name == "try_" else column.name for column in fields(Run))
RUN_FIELDS = tuple(column.name for column in fields(Run))
STEP_COLUMNS = ", ".join(column.name for column in fields(Step))
VISIBLE = "archived_at is null and ($1::uuid is null or created_by = $1)"
HOLDS_PASSWORDS = """
select sealed is not null or exists (select from question where run_id = $1 and sealed is not null)
from run where id = $1
"""
ASKING = "select run_id from question where state = 'open' and expires_at > clock_timestamp()"
LIST = f"""
select {RUN_COLUMNS} from run where {VISIBLE}
  and (cardinality($2::text[]) = 0 or status = any ($2)) and ($3::text is null or agent = $3)
  and ($4::text is null or $4 = any (tags))
  and {{narrowed}}
  and ($6::timestamptz is null or created_at >= $6) and ($7::timestamptz is null or created_at < $7)
  and ($8::timestamptz is null or (created_at, id) < ($8, $9))
  and ($11::uuid is null or root_id in (select root_id from task_run where task_id = $11))
  and ($12::uuid is null or desktop_id = $12) and ($13::uuid is null or created_by = $13)
  and ($14::numeric is null or cost_usd > $14) and (not $15 or id in ({ASKING}))
order by created_at desc, id desc limit $10
"""  # noqa: S608 - column names are constants


class Runs:
    """Runs as the people of a tenant see them."""

    def __init__(
        self, database: Database, wakeup: Wakeup, forms: Forms, messenger: Messenger, hosts: Hosts | None = None
    ) -> None:
        self._database, self._wakeup = database, wakeup
        self._agents, self._secrets = forms.agents, forms.secrets
        self._messenger, self._hosts = messenger, hosts

    async def start(self, caller: Caller, wish: StartRun) -> Run:
        """Record a run, `queued`, with its first event and outbox line. Raises NotFound, Invalid (inputs), Conflict."""
        agent = (await self._agents.get(caller, wish.agent)).of_ours()
        given = await self._typed(caller, agent, wish)
        taken = await taken_uploads(self._database, caller, Filled(agent.elements, given, wish.uploads))
        row = run_row(caller, agent, replace(wish, inputs=taken.inputs))
        run_id = UUID(row["id"])
        is_known = await self._exists(caller, run_id)
        launch = None if is_known else await self._decided(caller, agent, run_id, row["inputs"], wish)
        beginning = Beginning(launch=launch, origin=wish.origin, uploads=taken.upload_ids, typed_by=wish.typed_by)
        return await self._create(caller, "run.start", *self._secrets.cover(caller, agent.elements, row, beginning))

    async def get(self, caller: Caller, run_id: UUID) -> Run:
        """The run, unless it is not yours to see. Raises NotFound."""
        async with self._database.tenant(caller.tenant_id) as connection:
            return await find_run(connection, caller, run_id)

    async def newest(
        self, caller: Caller, wanted: RunFilter, *, limit: int = 50, after: tuple[datetime, UUID] | None = None
    ) -> list[Run]:
        """The newest runs first, those after the given place."""
        async with self._database.tenant(caller.tenant_id) as connection:
            text = await narrowed(connection, caller.tenant_id, owner(caller), wanted.text)
            rows = await connection.fetch(
                LIST.replace("{narrowed}", text.numbered(5)), owner(caller), [str(each) for each in wanted.status],
                wanted.agent, wanted.tag, text.value, wanted.since, wanted.until, *(after or (None, None)), limit,
                wanted.task, wanted.desktop, wanted.created_by, wanted.above_usd, wanted.is_asking,
            )  # fmt: skip
        return [run_of(row) for row in rows]

    async def steps(self, caller: Caller, run_ids: Sequence[UUID]) -> dict[RunId, list[Step]]:
        """The steps of the given runs in the order they were first started; unknown runs have none."""
        query = (
            f"select run_id, {STEP_COLUMNS} from step where run_id = any ($2) and exists "  # noqa: S608 - constants
            f"(select from run where run.id = step.run_id and {VISIBLE}) order by position"
        )
        async with self._database.tenant(caller.tenant_id) as connection:
            rows = await connection.fetch(query, owner(caller), list(run_ids))
        steps: dict[RunId, list[Step]] = {RunId(run_id): [] for run_id in run_ids}
        for row in rows:
            steps[row["run_id"]].append(Step(*list(row.values())[1:]))
        return steps

    async def tries(self, caller: Caller, run: Run) -> list[Run]:
        """All tries of one root, the first one first."""
        query = f"select {RUN_COLUMNS} from run where {VISIBLE} and root_id = $2 order by try, created_at"  # noqa: S608 - constants
        async with self._database.tenant(caller.tenant_id) as connection:
            return [run_of(row) for row in await connection.fetch(query, owner(caller), run.root_id)]

    async def cancel(self, caller: Caller, run_id: UUID, reason: str | None = None) -> Run:
        """Ask for the end of a run; it says `cancelled` as soon as the agent has stopped. Raises Conflict."""
        async with self._database.tenant(caller.tenant_id) as connection:
            run = await find_run(connection, caller, run_id)
            if not run.is_live:
                raise Conflict(f"The run has already ended: {run.status}. Nothing was changed.")
            why = reason or f"cancelled by {caller.name}"
            row = await connection.fetchrow("select * from cancel_run($1, $2, $3)", caller.tenant_id, run_id, why)
            await record(connection, caller, "run.cancel", f"run:{run_id}", after={"reason": reason})
        wanted = run_of(_known(row))
        self._messenger.cancelled(caller.tenant_id, wanted)
        return wanted

    async def retry(
        self,
        caller: Caller,
        run_id: UUID,
        from_: str | None = None,
        inputs: Payload | None = None,
        as_: UUID | None = None,
    ) -> Run:
        """A new run with the finished steps of this one copied in; `from_` is a step (key or name) or "start".

        With other inputs nothing is kept of a run that was given passwords: they go nowhere but where they were sent.
        A wish that is repeated under the new run's id `as_` is one run.
        """
        run = await self.get(caller, run_id)
        if run.is_live:
            raise Conflict(f"The run is {run.status}. Cancel it first, or wait for its end; nothing was changed.")
        agent = await self._agents.of_run(caller, run.agent, run.pin)
        kept = await self._kept(caller, run) if inputs is None or masked(agent.elements, inputs) else None
        known = run.inputs if kept is None else kept.inputs
        values = known if inputs is None else agent.validated(typed(caller, agent.elements, inputs, kept))
        steps = (await self.steps(caller, [run_id]))[run.id]
        row: dict[str, Any] = {
            "id": str(as_ or new_id()),
            "agent": run.agent,
            "title": run.title,
            "tags": list(run.tags),
            "inputs": values,
            "created_by": str(caller.person_id),
            "created_by_name": caller.name,
            "max_attempts": run.max_attempts,
            "backoff_s": run.backoff_s,
            "timeout_s": run.timeout_s,
            "retry_of": str(run.id),
        }
        is_anew = from_ == "start" or (values != known and await self._holds_passwords(caller, run))
        keys = [key for key in kept_keys(steps, from_) if not is_anew and (key != ENTER or values == known)]
        of, cut = (None, None) if is_anew else (run.id, cut_of(steps, from_))
        launch = kept.made if kept is not None and of is not None and values == known else None
        beginning = Beginning(keys, launch, of, cut, files_of=run.id, root_id=run.root_id)
        if inputs is None:
            shown = {**row, "inputs": run.inputs}
            return await self._create(caller, "run.retry", shown, self._secrets.again(caller, kept, beginning))
        return await self._create(caller, "run.retry", *self._secrets.cover(caller, agent.elements, row, beginning))

    async def archive(self, caller: Caller, run_id: UUID) -> None:
        """Take a run that has ended out of the lists; its events stay until retention. Raises Conflict, NotFound."""
        async with self._database.tenant(caller.tenant_id) as connection:
            run = await find_run(connection, caller, run_id)
            if run.is_live:
                raise Conflict(f"The run is {run.status}. Cancel it first; nothing was deleted.")
            await connection.execute("update run set archived_at = now() where id = $1", run_id)
            await record(connection, caller, "run.delete", f"run:{run_id}", before={"title": run.title})

    async def mark_seen(self, caller: Caller) -> None:
        """Put all failures aside that wait to be seen."""
        query = f"update run set seen_at = now() where {VISIBLE} and status = 'failed' and seen_at is null"  # noqa: S608 - constants
        async with self._database.tenant(caller.tenant_id) as connection:
            await connection.execute(query, owner(caller))

    async def _exists(self, caller: Caller, run_id: UUID) -> bool:
        """Whether the wish was carried out before and only its answer was lost."""
        async with self._database.tenant(caller.tenant_id) as connection:
            return await connection.fetchval("select exists (select from run where id = $1)", run_id)

    async def _decided(
        self, caller: Caller, agent: Agent, run_id: UUID, values: Payload, wish: StartRun
    ) -> Payload | None:
        """What the flow's handler makes of the inputs; None when its service is not up: the run will ask it.

        Raises Invalid, NothingLaunched, HandlerFailed: then there is no run.
        """
        if agent.service_id is None or self._hosts is None:
            return None
        asked = {"run_id": str(run_id), "flow": agent.flow_path, "agent": agent.name, "inputs": values}
        asked |= {"tenant_id": str(caller.tenant_id), "user_id": str(caller.person_id), "extra": wish.extra}
        said = await self._hosts.consult(caller.tenant_id, agent.service_id, {"op": "enter", "run": asked})
        return None if said is None else {**said["launch"], "asked_with": values}

    async def _typed(self, caller: Caller, agent: Agent, wish: StartRun) -> Payload:
        """The inputs with the passwords of an earlier run, where that is meant."""
        if wish.passwords_of is None or not masked(agent.elements, wish.inputs):
            return wish.inputs
        run = await self.get(caller, wish.passwords_of)
        kept = await self._kept(caller, run) if run.agent == agent.name else None
        return typed(caller, agent.elements, wish.inputs, kept)

    async def _kept(self, caller: Caller, run: Run) -> Kept | None:
        """A run's inputs as they were filled in, where they hold passwords. Raises SecretSealed."""
        async with self._database.tenant(caller.tenant_id) as connection:
            sealed = await connection.fetchval("select sealed from run where id = $1", run.id)
        return sealed and self._secrets.open(caller.tenant_id, run_place(run.root_id), sealed)

    async def _holds_passwords(self, caller: Caller, run: Run) -> bool:
        """Whether passwords were filled in for it, at its start or in answers: its steps may have them too."""
        async with self._database.tenant(caller.tenant_id) as connection:
            return await connection.fetchval(HOLDS_PASSWORDS, run.id)

    async def _create(self, caller: Caller, action: str, row: dict[str, Any], beginning: Beginning) -> Run:
        try:
            async with self._database.tenant(caller.tenant_id) as connection:
                run = await record_run(connection, caller, row, beginning)
                after = {"agent": row["agent"], "title": row["title"]}
                await record(connection, caller, action, f"run:{run.id}", after=after)
        except asyncpg.UniqueViolationError:  # the same wish again: the answer to the first was lost
            return await self.get(caller, UUID(row["id"]))
        self._messenger.started(caller.tenant_id, run)
        self._wakeup.poke(caller.tenant_id, run.id, 1, changed=True)
        return run


def run_row(caller: Caller, agent: Agent, wish: StartRun) -> dict[str, Any]:
    """A wish as the SQL function create_run takes it. Raises Invalid (inputs)."""
    return {
        "id": str(wish.id or new_id()),
        "agent": agent.name,
        "title": wish.title or agent.summary or agent.name,
        "tags": list(wish.tags),
        "inputs": agent.validated(wish.inputs),
        "extra": wish.extra,
        "created_by": str(caller.person_id),
        "created_by_name": caller.name,
        "max_attempts": wish.max_attempts,
        "backoff_s": wish.backoff_s,
        "timeout_s": wish.timeout_s,
        **({"agent_id": str(agent.pin.agent_id), "agent_version": agent.pin.version} if agent.pin else {}),
    }


async def record_run(connection: Connection, caller: Caller, row: dict[str, Any], beginning: Beginning) -> Run:
    """Record a run, with its first event, its outbox line and where it comes from, in the caller's transaction."""
    if row["agent"] == DESKTOP:
        await require_own(connection, caller, row["inputs"])
    created = await connection.fetchrow("select * from create_run($1, $2, $3)", caller.tenant_id, row, beginning.kept)
    await beginning.record(connection, caller.tenant_id, UUID(row["id"]))
    return run_of(_known(created))


def owner(caller: Caller) -> UUID | None:
    """Whose runs the caller may see: None means everybody's."""
    return None if Permission.RUNS_READ_ALL in caller.permissions else caller.person_id


async def find_run(connection: Connection, caller: Caller, run_id: UUID) -> Run:
    """The run, unless it is not the caller's to see. Raises NotFound."""
    query = f"select {RUN_COLUMNS} from run where {VISIBLE} and id = $2"  # noqa: S608 - constants
    row = await connection.fetchrow(query, owner(caller), run_id)
    if row is None:
        raise NotFound("run", run_id)
    return run_of(row)


def _known(row: Row | None) -> Row:
    assert row is not None  # noqa: S101 - a function that returns the row it wrote
    return row


def run_of(row: Row) -> Run:
    """The run in a row."""
    values: dict[str, Any] = {name: row["try" if name == "try_" and "try" in row else name] for name in RUN_FIELDS}
    values["status"] = RunStatus(values["status"])
    values["tags"] = tuple(values["tags"])
    values["cost_usd"] = None if values["cost_usd"] is None else float(values["cost_usd"])
    return Run(**values)
