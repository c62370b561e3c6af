"""What an executor does to a run's record: take it over, append to it, end it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from windlass.contracts.events import TERMINAL_STATUSES, EventKind, NewEvent
from windlass.contracts.ids import RunId, TenantId
from windlass.contracts.questions import TOPIC
from windlass.contracts.runs import EndInput, RunStatus
from windlass.core.database import Database
from windlass.core.events import storable
from windlass.core.wakeup import Wakeup

# Places of the driving activity's own events under the producer "run:{attempt}"; 1 and 2 are written by attach_run.
META, RUNNING, ERROR, FINAL, TERMINAL = 3, 4, 900, 901, 902


CHANGING = frozenset({EventKind.STATUS, EventKind.STEP, EventKind.QUESTION, EventKind.ANSWER})  # what lists show
FOUND = ("questions", "launch", "pinned", "uploads", "replica", "secrets", "seq")
ATTACH = """
select attach_run($1, $2, $3) as run, run_questions($1, $2, $3) as questions, run_launch($1, $2) as launch,
  run_agent($1, $2) as pinned, run_uploads($1, $2) as uploads, run_replica($1, $2) as replica,
  run_secrets($1, $2) as secrets,
  (stream_head($1, $2)).last_seq as seq
"""
QUESTIONS = "select run_questions($1, $2, $3) as questions, (stream_head($1, $2)).last_seq as seq"


@dataclass(frozen=True, slots=True)
class Attached:
    """A run as its executor takes it over. `epoch` is None when the run has already ended."""

    tenant_id: TenantId
    run_id: RunId
    attempt: int
    epoch: int | None
    record: dict[str, Any]  # the answer of the SQL function attach_run

    @property
    def producer(self) -> str:
        """Who the driving activity is in the log."""
        return f"run:{self.attempt}"


@dataclass(frozen=True, slots=True)
class Stored:
    """Where the log put an event; `same` is False when a repeat brought another payload than the stored one."""

    seq: int
    same: bool
    fresh: bool


class Executions:
    """The record of runs as executors see it; every call is one round trip and repeatable."""

    def __init__(self, database: Database, wakeup: Wakeup) -> None:
        self._database = database
        self._wakeup = wakeup

    async def attach(self, tenant_id: TenantId, run_id: RunId, attempt: int) -> Attached | None:
        """Take the run over with a new epoch. None: it was never recorded. The second time fences the first."""
        async with self._database.open() as connection:
            row = await connection.fetchrow(ATTACH, tenant_id, run_id, attempt)
        if row is None or row["run"] is None:
            return None
        record = {**row["run"], **{name: row[name] for name in FOUND}}
        self._wakeup.poke(tenant_id, run_id, record["seq"], changed=True)
        return Attached(tenant_id, run_id, attempt, record["epoch"], record)

    async def questions(self, tenant_id: TenantId, run_id: RunId, attempt: int) -> list[dict[str, Any]]:
        """The run's questions; those whose time is up expire now. The second time nothing changes."""
        async with self._database.open() as connection:
            row = await connection.fetchrow(QUESTIONS, tenant_id, run_id, attempt)
        if row is None:
            return []
        self._wakeup.poke(tenant_id, run_id, row["seq"] or 0, changed=True)
        self._wakeup.touch(TOPIC, tenant_id)
        return row["questions"]

    async def peek(self, tenant_id: TenantId, run_id: RunId, attempt: int) -> Attached | None:
        """The run as it stands, without taking it over: no epoch, and only what finds its executor."""
        query = """select jsonb_build_object('agent', agent, 'status', status,
                     'inputs', jsonb_build_object('desktop', desktop_id), 'service',
                     (select jsonb_build_object('id', service_id) from flow where flow.name = run.agent), 'pinned',
                     (select jsonb_build_object('driver', v.driver) from agent_version v
                      where v.agent_id = run.agent_id and v.version = run.agent_version))
                   from run where id = $1"""
        async with self._database.tenant(tenant_id) as connection:
            record = await connection.fetchval(query, run_id)
        return None if record is None else Attached(tenant_id, run_id, attempt, None, record)

    async def append(
        self, tenant_id: TenantId, run_id: RunId, epoch: int | None, events: Sequence[NewEvent]
    ) -> dict[int, Stored]:
        """Append; answers by place in `events`. A missing place was refused: stale epoch, or the run has ended."""
        async with self._database.open() as connection:
            rows = await connection.fetch(
                "select * from run_append($1, $2, $3, $4, $5, $6, $7)",
                tenant_id,
                run_id,
                epoch,
                [event.producer for event in events],
                [event.pseq for event in events],
                [str(event.kind) for event in events],
                [storable(event.payload) for event in events],
            )
        stored = {row["n"] - 1: Stored(row["seq"], row["same"], row["fresh"]) for row in rows}
        if stored:
            changed = any(event.kind in CHANGING for event in events)
            self._wakeup.poke(tenant_id, run_id, max(place.seq for place in stored.values()), changed=changed)
            if any(event.kind is EventKind.QUESTION or is_terminal(event) for event in events):
                self._wakeup.touch(TOPIC, tenant_id)
        return stored

    async def place(self, attached: Attached, boot_id: str) -> bool:
        """Remember which host executes the run. False: the host is so new that nobody watches over it yet."""
        async with self._database.open() as connection:
            return await connection.fetchval(
                "select place_run($1, $2, $3)", attached.tenant_id, attached.run_id, boot_id
            )

    async def note_host_death(self, attached: Attached, boot_id: str) -> tuple[int, int]:
        """Count a host's death for the run, once per host; answers (deaths, lone deaths) since its last new step."""
        async with self._database.open() as connection:
            row = await connection.fetchrow(
                "select * from note_host_death($1, $2, $3)", attached.tenant_id, attached.run_id, boot_id
            )
        return (row["deaths"], row["lone_deaths"]) if row else (0, 0)

    async def note_lone_death(self, attached: Attached) -> tuple[int, int]:
        """Count the death of a process that the run had for itself; answers as note_host_death."""
        async with self._database.open() as connection:
            row = await connection.fetchrow(
                "select * from note_lone_death($1, $2)", attached.tenant_id, attached.run_id
            )
        return (row["deaths"], row["lone_deaths"]) if row else (0, 0)

    async def end(self, request: EndInput) -> RunStatus:
        """Write the terminal event of a run that did not finish; answers the status, the old one if it had ended."""
        tenant_id, run_id = TenantId(UUID(request.tenant_id)), RunId(UUID(request.run_id))
        producer = f"run:{request.attempt}"
        payload: dict[str, Any] = {"status": str(request.status)}
        if request.attempt:
            payload["attempt"] = request.attempt
        if request.reason:
            payload["reason"] = request.reason
        events = [NewEvent(EventKind.STATUS, payload, producer, TERMINAL)]
        if request.error is not None:
            events.insert(0, NewEvent(EventKind.ERROR, request.error, producer, ERROR))
        await self.append(tenant_id, run_id, None, events)
        async with self._database.tenant(tenant_id) as connection:
            status = await connection.fetchval("select status from run where id = $1", run_id)
        return RunStatus(status or RunStatus.FAILED)


def is_terminal(event: NewEvent) -> bool:
    """Whether the event closes its stream."""
    return event.kind is EventKind.STATUS and event.payload.get("status") in TERMINAL_STATUSES
