"""Conversations: every message is answered once, in order, whoever is killed while the model speaks."""

import asyncio
import io
import random
from collections.abc import AsyncGenerator
from typing import Any
from uuid import UUID

import pytest
from PIL import Image
from temporalio.client import WorkflowExecutionStatus

from stack.forks import Forks
from stack.standin.server import listen
from stack.temporal import Server
from tests.owner import as_owner
from tests.workflows.engines import until
from tests.workflows.talks import Talks, asked, running_talks, scripted
from windlass.contracts.events import EventKind
from windlass.contracts.ids import new_id
from windlass.contracts.sessions import Budget, SessionStatus
from windlass.core.attachments import NewAttachment
from windlass.core.errors import Conflict, Invalid, NotFound
from windlass.core.letters import MessageRefused, NewMessage
from windlass.core.questions import AlreadyClosed

LONG = "One two three four five six seven eight nine ten eleven twelve."
SLOW = {"text": LONG, "chunk_delay": 0.3}
SEALING = 4_711


pytestmark = pytest.mark.timeout(300)  # a worker that was killed may have to wait for a busy machine


@pytest.fixture(scope="module")
async def talks(forks: Forks, database_url: str, temporal: Server) -> AsyncGenerator[Talks]:
    server = await listen(0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with running_talks(forks, database_url, temporal, url) as running:
        yield running
    server.close()


async def test_a_conversation_goes_on_where_it_was_and_nothing_runs_in_between(talks: Talks):
    talk = await talks.open(system="Be brief.")
    await talk.say({"text": "Hello."}, words="Good morning.")
    first = await talk.settled(1)
    await talk.say({"text": "Goodbye."}, words="Good night.")
    second = await talk.settled(2)

    said = await talk.messages()
    statuses = [event.payload["status"] for event in await talk.events(EventKind.STATUS)]
    history, described = await talk.history(), await talk.workflow.describe()

    assert (first.status, first.title.startswith("Good morning."), second.turn) == (SessionStatus.IDLE, True, 2)
    assert [(each.role, each.turn) for each in said] == [("user", 1), ("assistant", 1), ("user", 2), ("assistant", 2)]
    assert [said[1].content, said[3].content] == ["Hello.", "Goodbye."]
    assert statuses == ["idle", "running", "idle", "running", "idle"]
    assert (second.model_calls, second.cost_usd, second.standin) == (2, 0, True)
    assert described.status is WorkflowExecutionStatus.COMPLETED
    assert history <= 20


async def test_what_is_said_during_a_turn_is_answered_in_the_next_one_all_together(talks: Talks):
    talk, caller = await talks.open(), talks.engine.caller
    await talk.say(SLOW)
    await talk.works()
    waiting = await talk.say({"text": "never"}, words="Taken back.")
    later = await talk.say({"text": "never"}, words="Also this.")
    last = await talk.say({"text": "Both."}, words="And this.")

    await talks.engine.gateway.sessions.withdraw(caller, talk.id, UUID(waiting.id))
    await talk.settled(2)

    turns = {each.id: each.turn for each in await talk.messages()}
    assert (turns[waiting.id], turns[later.id], turns[last.id]) == (None, 2, 2)
    assert await talk.answers() == [LONG, "Both."]
    with pytest.raises(Conflict, match="No such message waits"):
        await talks.engine.gateway.sessions.withdraw(caller, talk.id, UUID(later.id))


async def test_a_message_is_said_once_and_refused_where_it_does_not_fit(talks: Talks):
    talk, sessions, caller = await talks.open(), talks.engine.gateway.sessions, talks.engine.caller
    name = new_id()
    first, again = await talk.say({"text": "Once."}, id=name), await talk.say({"text": "Once."}, id=name)
    await talk.settled(1)
    third = await talk.say({"text": "Once."}, id=name)

    assert {first.id, again.id, third.id} == {str(name)}
    assert (third.turn, await talk.answers()) == (1, ["Once."])
    with pytest.raises(MessageRefused, match="moved on to turn 1"):
        await talk.say({"text": "never"}, expected_turn=0)
    await sessions.archive(caller, talk.id)
    with pytest.raises(MessageRefused, match="resume"):
        await talk.say({"text": "never"})
    assert (await sessions.resume(caller, talk.id)).status is SessionStatus.IDLE
    await talk.say({"text": "Again."}, expected_turn=1)
    await talk.settled(2)
    assert await talk.answers() == ["Once.", "Again."]


async def test_an_interrupted_answer_is_kept_as_far_as_it_came_and_the_talk_goes_on(talks: Talks):
    talk = await talks.open()
    await talk.say(SLOW)
    await talk.writes()

    await talks.engine.gateway.sessions.interrupt(talks.engine.caller, talk.id)
    await talk.settled(1)
    await talk.say({"text": "Of course."})
    await talk.settled(2)

    (cut, whole) = await talk.answers()
    (sealed,) = [e.payload for e in await talk.events(EventKind.STATUS) if e.payload.get("end") == "interrupted"]
    assert LONG.startswith(cut)
    assert 0 < len(cut) < len(LONG)
    assert (sealed["turn"], whole) == (1, "Of course.")


PASSING = (
    *({"status": 429, "retry_after": 0.1}, {"status": 500, "retry_after_ms": 50}),
    *({"status": 529, "retry_after": 0.1}, {"drop": 3}),
)
ENDING = (
    ({"status": 401, "message": "Who are you?"}, "Auth"),
    ({"status": 400, "message": "What?"}, "BadRequest"),
    ({"stop_reason": "refusal", "text": "No."}, "Refused"),
    ({"stop_reason": "max_tokens", "text": "And so"}, "AnswerCut"),
)


async def test_a_provider_in_trouble_is_asked_again_and_one_that_refuses_ends_the_turn_alone(talks: Talks):
    passing, ending = [await talks.open() for _ in PASSING], [await talks.open() for _ in ENDING]
    for talk, trouble in zip(passing, PASSING, strict=True):
        await talk.say({**trouble, "times": 1, "text": "Now it is answered."})
    healed = [await talk.settled(1) for talk in passing]
    for talk, (trouble, _) in zip(ending, ENDING, strict=True):
        await talk.say(trouble)
    failed = [await talk.settled(1) for talk in ending]
    await ending[0].say({"text": "Still here."})

    assert [(session.error, session.turn) for session in healed] == [(None, 1)] * 4
    assert [await talk.answers() for talk in passing] == [["Now it is answered."]] * 4
    assert [session.error and session.error["type"] for session in failed] == [name for _, name in ENDING]
    assert ((await ending[0].settled(2)).error, await ending[0].answers()) == (None, ["Still here."])


async def test_a_turn_at_the_budget_waits_for_more_or_ends_where_somebody_says_so(talks: Talks):
    sessions, questions, caller = talks.engine.gateway.sessions, talks.engine.gateway.questions, talks.engine.caller
    _, patched, freed, _ = four = [await talks.open(budget_usd=0.5) for _ in range(4)]
    async with talks.engine.database.tenant(caller.tenant_id) as connection:
        await connection.execute("update session set cost_usd = 0.6 where id = any ($1)", [talk.id for talk in four])
    for talk in four:
        await talk.say({"text": "On we go."})
    open_ones = [await asked(talks, talk) for talk in four]
    await talks.worker.kill()
    for useless in (0.6, 100_001):  # no more than was spent, and more than any session may
        with pytest.raises(Invalid):
            await questions.answer(caller, open_ones[0].id, {"decision": "raise", "budget_usd": useless})
    await questions.answer(caller, open_ones[0].id, {"decision": "raise", "budget_usd": 2})
    with pytest.raises(Conflict, match="has cost"):
        await sessions.change(caller, patched.id, title=None, metadata=None, budget=Budget(0.1))
    for talk, budget in ((patched, Budget(3.0)), (freed, Budget())):
        await sessions.change(caller, talk.id, title=None, metadata=None, budget=budget)
    await questions.answer(caller, open_ones[3].id, {"decision": "stop"})
    await talks.worker.start()
    ended = [await talk.settled(1) for talk in four]

    errors = [session.error and session.error["type"] for session in ended]
    assert open_ones[0].name == "Let the session cost more than $0.50?"
    assert (errors, ended[3].model_calls) == ([None, None, None, "BudgetReached"], 0)
    assert [session.settings.budget_usd for session in ended] == [2, 3, None, 0.5]
    assert [await talk.answers() for talk in four] == [["On we go."], ["On we go."], ["On we go."], []]
    with pytest.raises(AlreadyClosed, match="withdrawn"):
        await questions.answer(caller, open_ones[2].id, {"decision": "raise"})


async def test_what_is_said_to_a_turn_under_way_is_taken_up_at_its_next_step(talks: Talks):
    talk, sessions, caller = await talks.open(), talks.engine.gateway.sessions, talks.engine.caller
    await talk.say({"text": LONG, "chunk_delay": 0.15})
    await talk.writes()
    steered = NewMessage(scripted({"text": "Thirteen."}, words="Go on counting."), steers=True)
    first = await sessions.say(caller, talk.id, steered)
    await talk.say({"text": "Bye."}, words="Later.")
    session = await talk.settled(2)
    await sessions.say(caller, talk.id, NewMessage(scripted({"text": "Again."}), steers=True))
    await talk.settled(3)

    turns = {each.id: each.turn for each in await talk.messages()}
    took = [len(event.payload["took"]) for event in await talk.events(EventKind.STATUS) if "took" in event.payload]
    assert (session.error, turns[first.id]) == (None, 1)
    assert await talk.answers() == [LONG, "Thirteen.", "Bye.", "Again."]
    assert took == [1, 1, 1, 1]


async def test_a_turn_whose_workflow_is_gone_and_a_message_nobody_carried_are_taken_up_from_the_record(talks: Talks):
    gone, unheard, tenant_id = await talks.open(), await talks.open(), talks.engine.caller.tenant_id
    await gone.say({"text": LONG, "chunk_delay": 0.15})
    await gone.writes()
    await gone.workflow.terminate()
    said = {"role": "user", "id": str(new_id()), "text": scripted({"text": "Heard."}), "name": "Ada"}
    async with talks.engine.database.tenant(tenant_id) as connection:  # and then the gateway dies
        place = (tenant_id, unheard.id, {"id": said["id"]}, said)
        await connection.fetchval("select say_in_session($1, $2, $3, $4, 50, 50)", *place)

    for talk, answer in ((unheard, "Heard."), (gone, LONG)):
        assert (await talk.settled(1)).error is None
        assert await talk.answers() == [answer]


async def test_a_deleted_session_is_gone_at_once_and_its_turn_with_it(talks: Talks):
    talk, caller = await talks.open(), talks.engine.caller
    await talk.say(SLOW)
    await talk.writes()

    await talks.engine.gateway.sessions.remove(caller, talk.id)

    async def is_over() -> bool:
        return (await talk.workflow.describe()).status is WorkflowExecutionStatus.COMPLETED

    await until(is_over, 120)
    with pytest.raises(NotFound):
        await talk.now()
    with pytest.raises(NotFound):
        await talks.engine.gateway.sessions.say(caller, talk.id, NewMessage("Hello?"))


async def test_a_worker_killed_while_the_model_speaks_loses_no_message_and_doubles_none(talks: Talks):
    talk = await talks.open()
    await talk.say(SLOW)
    await talk.writes()

    await talks.worker.kill()
    queued = await talk.say({"text": "After all."}, words="Are you there?")
    await talks.worker.start()
    await talk.settled(2)

    assert await talk.answers() == [LONG, "After all."]
    assert {each.id: each.turn for each in await talk.messages()}[queued.id] == 2


async def test_a_worker_killed_between_the_answer_and_its_seal_answers_once_and_goes_on_in_another_history(
    talks: Talks, database_url: str
):
    talk, long = await talks.open(), await talks.open()
    async with as_owner(database_url) as owner:
        await owner.execute(HOLD)
        await owner.execute("select pg_advisory_lock($1)", SEALING)
        await talk.say({"text": "Answered."})
        await long.say({"text": "Answered.", "delay": 1})
        await long.works()
        for _ in range(LETTERS):
            await long.workflow.signal("letter", LETTER)
        full = (await long.workflow.describe()).run_id
        await until(talk.answers, 120)
        await until(long.answers, 120)
        await talks.worker.kill()
        saying = asyncio.create_task(long.say({"text": "And again."}))  # kept after the seal, where that has begun
        await owner.execute("select pg_advisory_unlock($1)", SEALING)
        await owner.execute("drop trigger hold on session")
        await saying
    await talks.worker.start()
    await talk.settled(1)
    await talk.say({"text": "And again."})
    for each in (talk, long):
        await each.settled(2)
        ends = [event.payload["turn"] for event in await each.events(EventKind.STATUS) if "end" in event.payload]
        assert (await each.answers(), ends) == (["Answered.", "And again."], [1, 2])

    first = talks.engine.client.get_workflow_handle(long.workflow.id, run_id=full)
    assert (await first.describe()).status is WorkflowExecutionStatus.CONTINUED_AS_NEW


LETTER, LETTERS = "x" * 220_000, 10  # nobody takes them: together they are more than one history may hold
HOLD = f"""
create or replace function hold() returns trigger language plpgsql as
$$ begin perform pg_advisory_xact_lock_shared({SEALING}); return new; end $$;
create trigger hold before update of status on session for each row when (new.status = 'idle') execute function hold()
"""


def use(name: str, **given: Any) -> dict[str, Any]:
    return {"name": name, "input": given}


async def test_a_model_works_in_its_workspace_and_what_it_made_is_there(talks: Talks):
    talk, caller = await talks.open(), talks.engine.caller
    await talk.say(
        {"tool": use("write", path="notes/plan.md", content="one\ntwo\n")},
        {"tools": [use("read", path="notes/plan.md"), use("list"), use("search", pattern="TWO")]},
        {"tool": use("edit", path="notes/plan.md", old_str="two", new_str="three")},
        {"text": "It is written."},
    )
    session = await talk.settled(1)

    calls = await talks.engine.gateway.sessions.tool_calls(caller, talk.id, 0, 100)
    files = await talks.engine.gateway.workspaces.files(caller.tenant_id, talk.id)
    content = await talks.engine.gateway.workspaces.content(caller.tenant_id, talk.id, "notes/plan.md")
    assert session.error is None
    assert sorted(each.name for each in calls) == ["edit", "list", "read", "search", "write"]
    assert {each.outcome for each in calls} == {"done"}
    said = {each.name: each.text for each in calls}
    assert (said["read"].split(), said["search"]) == (["1", "one", "2", "two"], "notes/plan.md:2: two")
    assert (list(files), content) == (["notes/plan.md"], b"one\nthree\n")
    assert [each.files for each in calls if each.files] == [("notes/plan.md",)] * 2
    assert (await talk.answers())[-1] == "It is written."
    assert await talk.history() == 26  # three for each of five activities, one for each brief use, and what frames them


async def test_a_turn_with_ten_tools_one_after_the_other_keeps_to_its_history_budget(talks: Talks):
    talk = await talks.open()
    await talk.say(
        *({"tool": use("write", path=f"file{place}", content="x")} for place in range(10)), {"text": "Done."}
    )
    await talk.settled(1)

    await talk.workflow.result()
    events = [event async for event in talk.workflow.fetch_history_events()]

    assert len(events) <= 100
    assert sum(event.ByteSize() for event in events) <= 120_000


async def test_what_cannot_be_done_is_said_to_the_model_which_goes_on(talks: Talks):
    talk = await talks.open(tools=["read", "write", "edit"], limits={"tool_calls": 10})
    outside = [use("write", path=path, content="x") for path in ("/etc/passwd", "../up", "a/../../b")]
    gone = [use("list"), use("run_agent", agent="echo")]  # people would be asked whether that may, if there were one
    wrong = [use("read", path="nothing"), use("edit", path="x", old_str="a"), use("write")]
    await talk.say({"tools": [*outside, *gone, *wrong]}, {"text": "I gave up."})
    await talk.settled(1)

    calls = await talks.engine.gateway.sessions.tool_calls(talks.engine.caller, talk.id, 0, 100)
    assert [each.outcome for each in calls] == ["failed"] * 8
    assert [each.text for each in calls[3:5]] == ["There is no tool list.", "There is no tool run_agent."]
    assert await talks.engine.gateway.workspaces.files(talks.engine.caller.tenant_id, talk.id) == {}
    assert (await talk.answers())[-1] == "I gave up."


async def test_a_model_that_goes_round_in_circles_or_does_too_much_is_stopped_by_name(talks: Talks):
    allowed: tuple[dict[str, Any], ...] = ({}, {"tool_calls": 2}, {"model_calls": 1}, {"time_s": 0}, {"cost_usd": 0})
    circling, busy, *others = [await talks.open(limits=limits) for limits in allowed]
    await circling.say(*({"tool": use("list")} for _ in range(9)))
    for talk in (busy, *others):
        await talk.say({"tools": [use("list"), use("list", path="a"), use("list", path="b")]}, {"text": "never"})
    ended = [await talk.settled(1) for talk in (circling, busy, *others)]

    errors = [session.error and session.error["type"] for session in ended]
    assert errors == ["Loop", "ToolCallLimit", "ModelCallLimit", "TimeLimit", "CostLimit"]
    assert [session.model_calls for session in ended] == [5, 1, 1, 0, 0]
    await busy.say({"text": "Go on."})
    assert (await busy.settled(2)).error is None


async def test_a_worker_killed_around_its_tools_does_each_once(talks: Talks, database_url: str):
    talk, caller = await talks.open(), talks.engine.caller
    async with as_owner(database_url) as owner:
        await owner.execute(HOLD_FILES)
        await owner.execute("select pg_advisory_lock($1)", SEALING)
        await talk.say(
            {"tool": use("write", path="a", content="once\n")},
            {"tool": use("edit", path="a", old_str="once", new_str="once, twice")},
            {"text": "Done."},
        )
        await until(lambda: talk.events(EventKind.TOOL_CALL), 120)
        await talks.worker.kill()
        await owner.execute("select pg_advisory_unlock($1)", SEALING)
        await owner.execute("drop trigger hold on session_file")
    await talks.worker.start()
    await talk.settled(1)

    calls = await talks.engine.gateway.sessions.tool_calls(caller, talk.id, 0, 100)
    content = await talks.engine.gateway.workspaces.content(caller.tenant_id, talk.id, "a")
    assert [(each.name, each.outcome) for each in calls] == [("write", "done"), ("edit", "done")]
    assert content == b"once, twice\n"


async def test_a_picture_beside_a_message_is_shown_to_the_model_and_is_in_no_history(talks: Talks):
    talk, engine = await talks.open(), talks.engine
    noise = random.Random(7).randbytes(3 * 200 * 200)  # noqa: S311 - it is to be large, not secret
    held = io.BytesIO()
    Image.frombytes("RGB", (200, 200), noise).save(held, "PNG")
    wish = NewAttachment("noise.png", "image/png", held.getvalue())
    kept = await engine.gateway.attachments.keep(engine.caller.tenant_id, talk.id, wish)

    await talk.say({"text": "Noise."}, words="What is it?", attachments=(kept.id,))
    await talk.settled(1)
    (usage,) = await talk.events(EventKind.USAGE)
    await talk.workflow.result()
    described = await talk.workflow.describe()

    assert [each.attachments for each in await talk.messages()] == [(kept,), ()]
    assert usage.payload["input_tokens"] > kept.size_bytes / 4
    assert described.raw_description.workflow_execution_info.history_size_bytes < kept.size_bytes / 4


HOLD_FILES = f"""
create or replace function hold() returns trigger language plpgsql as
$$ begin perform pg_advisory_xact_lock_shared({SEALING}); return new; end $$;
create trigger hold before insert or update on session_file for each row execute function hold()
"""
