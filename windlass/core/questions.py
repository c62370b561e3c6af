"""Questions: what runs ask people, found by those who may answer, and answered once."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import UUID

from windlass.contracts.events import Payload
from windlass.contracts.ids import RunId, TenantId
from windlass.contracts.questions import CHANNEL, TOPIC, QuestionKind, QuestionState
from windlass.contracts.sessions import TOPIC as SESSIONS
from windlass.core.artifacts import Artifacts
from windlass.core.audit import record
from windlass.core.callers import Caller
from windlass.core.database import Database, Row
from windlass.core.errors import Conflict, FieldError, Invalid, NotFound
from windlass.core.form_secrets import FormSecrets
from windlass.core.hosts import Hosts
from windlass.core.masks import MASK, covered, refused
from windlass.core.permissions import Permission
from windlass.core.wakeup import Wakeup
from windlass.forms import validate

UNKNOWN_KEYS = 200  # of an answer, beside those of the form


@dataclass(frozen=True, slots=True)
class Question:
    """One question as it stands, of a run or of a session; an open one whose time is up counts as expired."""

    id: UUID
    run_id: RunId | None
    session_id: UUID | None
    run_title: str
    agent: str
    kind: str
    name: str
    data: Any
    elements: Any
    handled: bool
    state: str
    asked_at: datetime
    expires_at: datetime
    answered_at: datetime | None
    answered_by: UUID | None
    answered_by_name: str | None
    inputs: Payload | None
    result: Any
    unsettled: bool
    errors: dict[str, list[str]] | None

    @property
    def place(self) -> str:
        """Where the run or session that asks is found."""
        return f"/sessions/{self.session_id}" if self.run_id is None else f"/runs/{self.run_id}"

    @property
    def is_of_budget(self) -> bool:
        """Whether a session asks if it may cost more: what a model asks brings no data."""
        return self.session_id is not None and self.kind == QuestionKind.ASK and "budget_usd" in (self.data or ())

    @property
    def is_open(self) -> bool:
        """Whether it can be answered."""
        return self.state == QuestionState.OPEN


@dataclass(frozen=True, slots=True)
class QuestionFilter:
    """Which questions a list shows; every condition is optional."""

    state: str | None = None
    run_id: UUID | None = None
    session_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of an answer."""

    question: Question
    is_unsettled: bool
    """The service is not up: its handler will look at the answer when the run goes on."""


class AnswerMessenger(Protocol):
    """Tells the engine that a run can go on, at once where it can; the outbox is what counts."""

    def answered(self, tenant_id: TenantId, run_id: RunId, question_id: UUID) -> None:
        """A question of a run was answered."""
        ...

    def decided(self, tenant_id: TenantId, session_id: UUID) -> None:
        """A question of a session was answered."""
        ...


@dataclass(frozen=True, slots=True)
class Way:
    """What an answer goes through: its handler, what seals its passwords, and what tells the engine."""

    hosts: Hosts
    secrets: FormSecrets
    messenger: AnswerMessenger


class AlreadyClosed(Conflict):
    """Somebody else was first, or the time is up; their answer stands."""


STATE = "case when q.state = 'open' and q.expires_at <= clock_timestamp() then 'expired' else q.state end"
OWN = {
    "run_title": "coalesce(r.title, s.title)",
    "agent": "coalesce(r.agent, s.agent, s.driver)",
    "state": STATE,
}
COLUMNS = ", ".join(f"{OWN.get(each.name, f'q.{each.name}')} as {each.name}" for each in fields(Question))
OF = "left join run r on r.id = q.run_id left join session s on s.id = q.session_id"
VISIBLE = (
    "r.archived_at is null and s.deleted_at is null and ($1::uuid is null or coalesce(r.created_by, s.owner) = $1)"
)
LIST = f"""
select {COLUMNS} from question q {OF}
where {VISIBLE} and ($2::uuid is null or q.run_id = $2) and ($7::uuid is null or q.session_id = $7)
  and ($3::text is null or q.state = case $3 when 'expired' then q.state else $3 end and {STATE} = $3)
  and ($4::timestamptz is null or (q.asked_at, q.id) > ($4, $5))
order by q.asked_at, q.id limit $6
"""  # noqa: S608 - column names are constants
ONE = f"""
select {COLUMNS},
  (select jsonb_build_object('id', f.service_id, 'path', f.path) from flow f where f.name = r.agent) as flow,
  concat('run/', r.root_id, '/question/', q.key) as place
from question q {OF} where {VISIBLE} and q.id = $2
"""  # noqa: S608 - column names are constants
ANSWER = "select * from answer_question($1, $2, $3, $4, $5, $6, $7, $8)"
SEAL = "update question set sealed = $2 where id = $1 and sealed is distinct from $2"
DECIDE = "select * from answer_session_question($1, $2, $3, $4, $5, $6)"


class Questions:
    """Questions as the people of a tenant see them: those of the runs they may see."""

    def __init__(self, database: Database, wakeup: Wakeup, artifacts: Artifacts, way: Way) -> None:
        self._database, self._wakeup, self._artifacts = database, wakeup, artifacts
        self._hosts, self._messenger, self._secrets = way.hosts, way.messenger, way.secrets

    async def oldest(
        self, caller: Caller, wanted: QuestionFilter, *, limit: int = 50, after: tuple[datetime, UUID] | None = None
    ) -> list[Question]:
        """The oldest questions first, those after the given place."""
        async with self._database.tenant(caller.tenant_id) as connection:
            rows = await connection.fetch(
                LIST, _owner(caller), wanted.run_id, wanted.state, *(after or (None, None)), limit, wanted.session_id
            )
        return [await self._whole(caller, row) for row in rows]

    async def waiting(self, caller: Caller) -> int:
        """How many questions the caller could answer now."""
        if not caller.may(Permission.QUESTIONS_ANSWER):
            return 0
        query = (
            f"select count(*) from question q {OF} where q.state = 'open' "  # noqa: S608 - constants
            f"and q.expires_at > clock_timestamp() and {VISIBLE}"
        )
        async with self._database.tenant(caller.tenant_id) as connection:
            return await connection.fetchval(query, _owner(caller))

    async def asking(self, caller: Caller, run_ids: Sequence[UUID] | None = None) -> set[UUID]:
        """Which of these runs, or of all, have an open question."""
        query = (
            "select distinct q.run_id from question q join run r on r.id = q.run_id where q.state = 'open' "
            "and q.expires_at > clock_timestamp() and r.archived_at is null "
            "and ($1::uuid is null or r.created_by = $1) and ($2::uuid[] is null or q.run_id = any ($2))"
        )
        async with self._database.tenant(caller.tenant_id) as connection:
            rows = await connection.fetch(query, _owner(caller), None if run_ids is None else list(run_ids))
        return {row["run_id"] for row in rows}

    async def get(self, caller: Caller, question_id: UUID) -> Question:
        """The question, unless its run is not yours to see. Raises NotFound."""
        return (await self._find(caller, question_id))[0]

    async def of_run(self, caller: Caller, run_id: UUID, question_id: UUID) -> Question:
        """The question, if it is one of this run. Raises NotFound."""
        found = await self.get(caller, question_id)
        if found.run_id != run_id:
            raise NotFound("question", question_id)
        return found

    async def answer(self, caller: Caller, question_id: UUID, inputs: Payload) -> Answer:
        """Answer it. Raises NotFound, Invalid with a message for each field, AlreadyClosed naming who was first."""
        question, found = await self._find(caller, question_id)
        if not question.is_open:
            raise _closed(question)
        values = _validated(question, inputs)
        if question.session_id is not None:
            return await self._decide(caller, question, question.session_id, values)
        result, is_unsettled = await self._result(caller, question, found["flow"], values)
        sealed, values, result = self._covered(caller, question, found["place"], (values, result))
        said: Payload = {"question_id": str(question.id), "name": question.name, "by": caller.name, "result": result}
        shown = await self._artifacts.fold(caller.tenant_id, question.run_id, said)
        async with self._database.tenant(caller.tenant_id) as connection:
            row = await connection.fetchrow(
                ANSWER,
                caller.tenant_id,
                question_id,
                caller.person_id,
                caller.name,
                values,
                result,
                shown,
                is_unsettled,
            )
            if row is None:
                raise NotFound("question", question_id)
            if row["is_first"]:
                await connection.execute(SEAL, question_id, sealed)
                subject, after = f"run:{question.run_id}", {"question": question.name, "id": str(question_id)}
                await record(connection, caller, "question.answer", subject, after=after)
        now = replace(question, **{name: row[name] for name in ("state", "answered_by_name", "answered_at")})
        if not row["is_first"]:
            raise _closed(now)
        self._tell(caller, question, row["seq"])
        return Answer(
            replace(now, answered_by=caller.person_id, inputs=values, result=result, unsettled=is_unsettled),
            is_unsettled,
        )

    async def _decide(self, caller: Caller, question: Question, session_id: UUID, values: Payload) -> Answer:
        """Answer what a turn of a session asks: the first decision stands, and the turn goes on."""
        who = (caller.person_id, caller.name)
        folded = await self._artifacts.fold(caller.tenant_id, session_id, {"result": values})
        shown = folded.get("result", folded)
        async with self._database.tenant(caller.tenant_id) as connection:
            row = await connection.fetchrow(DECIDE, caller.tenant_id, question.id, *who, values, shown)
            if row is None:
                raise NotFound("question", question.id)
            if row["is_first"]:
                after = {"question": question.name, "id": str(question.id), "decision": values.get("decision")}
                await record(connection, caller, "question.answer", f"session:{session_id}", after=after)
        now = replace(question, **{name: row[name] for name in ("state", "answered_by_name", "answered_at")})
        if not row["is_first"]:
            raise _closed(now)
        self._messenger.decided(caller.tenant_id, session_id)
        self._wakeup.poke(caller.tenant_id, session_id, row["seq"])
        for topic in (TOPIC, SESSIONS):
            self._wakeup.touch(topic, caller.tenant_id)
        return Answer(replace(now, answered_by=caller.person_id, inputs=values, result=values), is_unsettled=False)

    def _tell(self, caller: Caller, question: Question, seq: int) -> None:
        if question.run_id is not None:
            self._messenger.answered(caller.tenant_id, question.run_id, question.id)
            self._wakeup.send(CHANNEL, str(question.run_id))
            self._wakeup.poke(caller.tenant_id, question.run_id, seq, changed=True)
        self._wakeup.touch(TOPIC, caller.tenant_id)

    async def _result(
        self, caller: Caller, question: Question, flow: dict[str, Any] | None, values: Payload
    ) -> tuple[Any, bool]:
        """What the run gets, and whether that is yet to be made by a handler that cannot be asked now."""
        if not question.handled:
            return values, False
        if flow is None:
            return None, True
        run = {"run_id": str(question.run_id), "tenant_id": str(caller.tenant_id), "user_id": str(caller.person_id)}
        asked = {"name": question.name, "data": question.data, "inputs": values}
        said = await self._hosts.consult(
            caller.tenant_id, flow["id"], {"op": "lease", "run": {**run, "flow": flow["path"]}, **asked}
        )
        return (None, True) if said is None else (said["result"], False)

    def _covered(
        self, caller: Caller, question: Question, place: str, said: tuple[Payload, Any]
    ) -> tuple[bytes | None, Payload, Any]:
        """Answer and result as they may be kept and shown, and sealed what they are, where passwords were asked for."""
        values, result = said
        kept = self._secrets.kept(caller, question.elements, values, result)
        if kept is None:
            return None, values, result
        shown = covered(question.elements, values)
        sealed = self._secrets.seal(caller.tenant_id, place, kept)
        return sealed, shown, shown if not question.handled else None if result is None else MASK

    async def _find(self, caller: Caller, question_id: UUID) -> tuple[Question, Row]:
        async with self._database.tenant(caller.tenant_id) as connection:
            row = await connection.fetchrow(ONE, _owner(caller), question_id)
        if row is None:
            raise NotFound("question", question_id)
        return await self._whole(caller, row), row

    async def _whole(self, caller: Caller, row: Row) -> Question:
        """The row with what was too large for its event."""
        values = {each.name: row[each.name] for each in fields(Question)}
        for name in ("data", "elements", "result"):
            values[name] = await self._artifacts.unfold(caller.tenant_id, values[name])
        if values["session_id"] is not None and values["data"]:  # a turn's is folded part by part
            values["data"] = await self._artifacts.whole(caller.tenant_id, values["data"])
        return Question(**values)


def _validated(question: Question, inputs: Payload) -> Payload:
    """The values of the form's fields; what the form does not name stays beside them. Raises Invalid."""
    values, errors = validate(question.elements, inputs)
    errors |= refused(question.elements, values, inputs)
    if errors:
        found = tuple(FieldError(f"inputs.{name}", text) for name, texts in errors.items() for text in texts)
        raise Invalid("The answer cannot be used; the question is still open.", found)
    strangers = {name: value for name, value in inputs.items() if name not in values}
    if len(strangers) > UNKNOWN_KEYS:
        raise Invalid(
            f"The answer has more than {UNKNOWN_KEYS} values the form does not name; the question is still open."
        )
    return {**strangers, **values}


def _closed(question: Question) -> AlreadyClosed:
    if question.state == QuestionState.ANSWERED:
        when = f" at {question.answered_at.astimezone(UTC):%H:%M:%S} UTC" if question.answered_at else ""
        return AlreadyClosed(f"{question.answered_by_name or 'Somebody'} answered it{when}. That answer stands.")
    if question.state == QuestionState.EXPIRED:
        return AlreadyClosed(
            f"It expired at {question.expires_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC. Nothing was changed."
        )
    return AlreadyClosed("It was withdrawn: its run has ended, or does not wait for it any more. Nothing was changed.")


def _owner(caller: Caller) -> UUID | None:
    """Whose runs the caller may see: None means everybody's."""
    return None if Permission.RUNS_READ_ALL in caller.permissions else caller.person_id
