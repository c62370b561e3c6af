"""Sessions that wait, for somebody to allow something or for anybody to speak: it costs nothing, nothing is lost."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from temporalio.client import (
    Client,
    DescribeWorkflowInput,
    Interceptor,
    OutboundInterceptor,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowHandle,
)
from temporalio.service import RPCError, RPCStatusCode

from api.sessions import Couriers
from stack.forks import Forks
from stack.standin.server import listen
from stack.temporal import Server
from tests.owner import as_owner
from tests.workflows.engines import until
from tests.workflows.talks import Talk, Talks, asked, running_talks
from windlass.contracts.events import EventKind
from windlass.contracts.ids import new_id
from windlass.contracts.sessions import WORKFLOW, Rule, SessionInput, SessionStatus, ruling
from windlass.core.database import JOBS_ROLE, Connection, Database
from windlass.core.mortality import dying_with_us
from windlass.core.questions import AlreadyClosed, Question
from windlass.core.turns import SessionWorkflows

ASK = (
    {"action": "ask", "tool": "write", "argument": "notes/*"},
    {"action": "deny", "tool": "*", "arguments": '*"path": "secret*'},
)
SILENCE_S = 5  # longer than a busy machine takes to answer
ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.timeout(300)  # a worker that was killed may have to wait for a busy machine


@pytest.fixture(scope="module")
async def talks(forks: Forks, database_url: str, temporal: Server):
    server = await listen(0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with running_talks(forks, database_url, temporal, url, model_silence_s=SILENCE_S) as running:
        yield running
    server.close()


def write(path: str) -> dict[str, Any]:
    return {"tool": {"name": "write", "input": {"path": path, "content": path}}}


async def decide(talks: Talks, question: Question, decision: str, why: str = "") -> None:
    await talks.engine.gateway.questions.answer(talks.engine.caller, question.id, {"decision": decision, "why": why})


async def outcomes(talks: Talks, talk: Talk) -> list[tuple[str | None, str]]:
    """What became of every use of a tool."""
    calls = await talks.engine.gateway.sessions.tool_calls(talks.engine.caller, talk.id, 0, 100)
    return [(each.outcome, each.text) for each in calls]


def test_a_rule_may_mean_a_list():
    rule = Rule("deny", "mail__*", arguments='*"to": ["board@*"]*')

    assert ruling([rule], "mail__send", {"to": ["board@example.org"]}) is rule
    assert ruling([rule], "mail__send", {"to": ["ada@example.org"]}).action == "allow"


async def test_a_tool_waits_for_a_decision_that_holds_for_it_alone_and_a_killed_worker_changes_nothing(talks: Talks):
    talk = await talks.open(policy=ASK)
    await talk.say(write("free.md"), write("notes/a"), write("notes/b"), write("./secret"), {"text": "Done."})
    first = await asked(talks, talk)
    waiting = await talk.now()
    await talks.worker.kill()
    await decide(talks, first, "once")
    with pytest.raises(AlreadyClosed):
        await decide(talks, first, "deny")
    await talks.worker.start()
    second = await asked(talks, talk)
    await decide(talks, second, "deny", "not there")
    settled = await talk.settled(1)

    events = await talk.events(EventKind.APPROVAL_REQUESTED, EventKind.APPROVAL_DECIDED)
    files = await talks.engine.gateway.workspaces.files(talks.engine.caller.tenant_id, talk.id)
    assert (waiting.status, settled.error) == (SessionStatus.AWAITING, None)
    assert (first.kind, first.data["tool"], first.data["input"]["path"]) == ("approval", "write", "notes/a")
    assert [outcome for outcome, _ in await outcomes(talks, talk)] == ["done", "done", "failed", "failed"]
    assert [text for _, text in await outcomes(talks, talk)][2:] == [
        "It was not done: Ada denied it: not there",
        "It was not done: the policy of this session does not allow it.",
    ]
    assert sorted(files) == ["free.md", "notes/a"]
    assert [event.payload.get("decision") for event in events] == [None, "once", None, "deny"]


async def test_what_is_allowed_for_the_session_is_not_asked_again(talks: Talks):
    talk = await talks.open(policy=ASK)
    await talk.say(write("notes/a"), write("notes/b"), {"text": "Done."})
    await decide(talks, await asked(talks, talk), "session")
    await talk.settled(1)
    await talk.say(write("notes/c"), {"text": "Done again."})
    await talk.settled(2)

    assert [outcome for outcome, _ in await outcomes(talks, talk)] == ["done"] * 3
    assert len(await talk.events(EventKind.APPROVAL_REQUESTED)) == 1


async def test_an_approval_expires_and_goes_with_its_turn(talks: Talks, database_url: str):
    talk, other = await talks.open(policy=ASK), await talks.open(policy=ASK)
    await talk.say(write("notes/a"), {"text": "Then not."})
    await other.say(write("notes/a"), {"text": "never"})
    late, gone = await asked(talks, talk), await asked(talks, other)
    async with as_owner(database_url) as owner:
        await owner.execute("update question set expires_at = now() where id = $1", late.id)
    await talk.workflow.signal("look")
    await talks.engine.gateway.sessions.interrupt(talks.engine.caller, other.id)
    await talk.settled(1)
    await other.settled(1)

    assert await outcomes(talks, talk) == [("failed", "It was not done: nobody decided in time.")]
    assert await talk.answers() == ["", "Then not."]
    with pytest.raises(AlreadyClosed, match="expired"):
        await decide(talks, late, "once")
    with pytest.raises(AlreadyClosed, match="withdrawn"):
        await decide(talks, gone, "once")


async def test_a_turn_that_waits_goes_on_or_ends_though_nobody_told_it_what_changed(talks: Talks, database_url: str):
    stopped, deleted = [await talks.open(policy=ASK) for _ in range(2)]
    raised, freed = [await talks.open(budget_usd=0.5) for _ in range(2)]
    async with as_owner(database_url) as owner:
        await owner.execute("update session set cost_usd = 0.6 where id = any ($1)", [raised.id, freed.id])
        for talk in (stopped, deleted):
            await talk.say(write("notes/a"), {"text": "never"})
        for talk in (raised, freed):
            await talk.say({"text": "On we go."})
        for talk in (stopped, deleted, raised, freed):
            await asked(talks, talk)
        interrupt = "select interrupt_session($1, $2, 'Ada')"  # and then the gateway dies
        await owner.fetchval(interrupt, talks.engine.caller.tenant_id, stopped.id)
        await owner.fetchval("select delete_session($1, $2)", talks.engine.caller.tenant_id, deleted.id)
        budgets = "update session set settings = settings || $2 where id = $1"
        for talk, budget in ((raised, 3), (freed, None)):
            await owner.execute(budgets, talk.id, {"budget_usd": budget})

    async with asyncio.timeout(120):
        await deleted.workflow.result()
    assert [(await talk.settled(1)).error for talk in (stopped, raised, freed)] == [None] * 3
    assert await outcomes(talks, stopped) == [("failed", "It was not done: the turn was interrupted.")]
    assert [await raised.answers(), await freed.answers()] == [["On we go."]] * 2


async def test_a_model_that_takes_a_question_and_says_nothing_is_asked_again_and_that_is_said(talks: Talks):
    talk = await talks.open()
    await talk.say({"hang": 0, "times": 1, "text": "Here I am."})
    session = await talk.settled(1)

    said = [event.payload["text"] for event in await talk.events(EventKind.LOG)]
    assert (session.error, await talk.answers()) == (None, ["Here I am."])
    assert said == [f"The model was silent for {SILENCE_S} s. Attempt 2 of 6 follows in 1 s."]


async def test_temporal_lets_go_of_what_a_session_at_rest_has_left_and_of_nothing_that_runs(
    talks: Talks, database_url: str
):
    """Of two that have ended one was let go of by a gateway that is killed before it says so; a third still runs.

    Temporal refuses the first that it is asked about afterwards: it comes later, and the others at once.
    """
    talk, name, client = await talks.open(), new_id(), talks.engine.client
    await talk.say({"text": "One."}, id=name)
    first = await ended(talk, 1)
    await talk.say({"text": "Two."})
    second = await ended(talk, 2)
    request = SessionInput(str(talks.engine.caller.tenant_id), str(talk.id))
    runs = await client.start_workflow(WORKFLOW, request, id=talk.workflow.id, task_queue="nobody's")
    async with as_owner(database_url) as owner, clearing(talks) as couriers:
        await couriers.clear()
        assert not await is_gone(first)  # somebody may be talking yet
        await owner.execute(NOTE, UUID(runs.first_execution_run_id), talk.id)
        await kill_a_gateway_before_it_says_what_is_gone(talks, owner, talk, first)

        async def has_only_what_runs() -> bool:
            await owner.execute(LONG_AGO, talk.id)
            await couriers.clear()  # the gateway does so too
            return await notes(owner, talk) == [runs.first_execution_run_id]

        assert first.run_id in await notes(owner, talk)
        await until(has_only_what_runs)

    await until(lambda: is_gone(second))  # Temporal promises it, and does it a moment later
    assert (await runs.describe()).status is WorkflowExecutionStatus.RUNNING
    await runs.terminate()
    assert (await talk.say({"text": "One."}, id=name)).turn == 1
    await talk.say({"text": "Three."})
    await talk.settled(3)
    assert await talk.answers() == ["One.", "Two.", "Three."]


async def kill_a_gateway_before_it_says_what_is_gone(
    talks: Talks, owner: Connection, talk: Talk, left: WorkflowHandle[Any, Any]
) -> None:
    """Kill one in a process of its own when Temporal has let go of the oldest execution, which is still on record."""
    settings = talks.engine.settings
    words = (sys.executable, "-c", DOOMED, settings.require_database_url(), settings.temporal_address)
    await owner.execute(HOLD.format(session=talk.id))
    await owner.execute("select pg_advisory_lock($1)", SAYING)
    await owner.execute(LONG_AGO, talk.id)
    gateway = await asyncio.create_subprocess_exec(*words, cwd=ROOT, preexec_fn=dying_with_us())
    try:
        await until(lambda: owner.fetchval(HELD))
    finally:
        gateway.kill()
        await gateway.wait()
    await until(lambda: is_gone(left))
    assert await owner.fetchval(f"select pg_terminate_backend(({HELD}))")
    await owner.execute("drop trigger hold on session_execution")
    await owner.execute("select pg_advisory_unlock($1)", SAYING)


async def notes(owner: Connection, talk: Talk) -> list[str]:
    """The executions that the record says Temporal may still hold, the oldest first."""
    query = "select id from session_execution where session_id = $1 order by looked_at"
    return [str(row["id"]) for row in await owner.fetch(query, talk.id)]


async def ended(talk: Talk, turn: int) -> WorkflowHandle[Any, Any]:
    """The execution that worked on a turn, once it has ended."""
    await talk.settled(turn)
    await talk.workflow.result()
    run_id = (await talk.workflow.describe()).run_id
    return talk.talks.engine.client.get_workflow_handle(talk.workflow.id, run_id=run_id)


async def is_gone(execution: WorkflowHandle[Any, Any]) -> bool:
    """Whether Temporal holds nothing of it any more."""
    try:
        await execution.describe()
    except RPCError as error:
        return error.status is RPCStatusCode.NOT_FOUND
    return False


@asynccontextmanager
async def clearing(talks: Talks) -> AsyncGenerator[Couriers]:
    """What a gateway has Temporal let go with."""
    jobs = await Database.connect(talks.engine.settings.require_database_url(), role=JOBS_ROLE, max_size=1)
    config = talks.engine.client.config()
    config["interceptors"] = [RefusesOnce()]
    yield Couriers(Client(**config), SessionWorkflows(jobs), talks.engine.gateway.links)
    await jobs.close()


class RefusesOnce(Interceptor):
    """A Temporal that may say nothing of the first execution it is asked about."""

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        """Stand before Temporal."""
        return Refusing(next)


class Refusing(OutboundInterceptor):
    """What stands before it."""

    has_refused = False

    async def describe_workflow(self, input: DescribeWorkflowInput) -> WorkflowExecutionDescription:
        """Refuse, and from then on ask."""
        if not self.has_refused:
            self.has_refused = True
            raise RPCError("not yours", RPCStatusCode.PERMISSION_DENIED, b"")
        return await super().describe_workflow(input)


SAYING = 4_712
DOOMED = """
import asyncio, sys
from temporalio.client import Client
from api.orchestrator import Links
from api.sessions import Couriers
from windlass.core.database import JOBS_ROLE, Database
from windlass.core.turns import SessionWorkflows

async def clear(url, address):
    jobs = await Database.connect(url, role=JOBS_ROLE, max_size=1, name="doomed")
    await Couriers(await Client.connect(address), SessionWorkflows(jobs), Links("", None, "default")).clear()

asyncio.run(clear(*sys.argv[1:]))
"""
HOLD = f"""
create or replace function hold() returns trigger language plpgsql as $$ begin
  if current_setting('application_name') <> 'doomed' then
    return null;  -- the gateway of these tests leaves them alone
  end if;
  if tg_op = 'DELETE' then
    perform pg_advisory_xact_lock_shared({SAYING});
  end if;
  return coalesce(new, old);
end $$;
create trigger hold before update or delete on session_execution for each row
when (current_user = 'windlass_jobs' and old.session_id = '{{session}}') execute function hold()
"""
HELD = "select pid from pg_stat_activity where application_name = 'doomed' and wait_event_type = 'Lock'"
NOTE = """
insert into session_execution (id, session_id, tenant_id) select $1, id, tenant_id from session where id = $2
"""
LONG_AGO = """
with aged as (update session_execution set looked_at = looked_at - interval '1 hour' where session_id = $1)
update session set active_at = active_at - interval '1 hour' where id = $1
"""
