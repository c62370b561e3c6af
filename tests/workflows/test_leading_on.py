"""A tool that is asked for alone and the model's next answer, in one activity: cheaper, and as safe as two."""

from collections import Counter
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType

from stack.forks import Forks
from stack.standin.server import listen
from stack.temporal import Server
from tests.workflows.engines import until
from tests.workflows.talks import Step, Talk, Talks, asked, running_talks, scripted
from tests.workflows.test_sessions import ENDING, LONG, PASSING, SLOW
from windlass.contracts.events import EventKind
from windlass.contracts.sessions import SessionStatus
from windlass.core.letters import NewMessage

TOOLS = 10
ASK: Step = {"action": "ask", "tool": "search"}

pytestmark = pytest.mark.timeout(300)  # a worker that was killed may have to wait for a busy machine


@pytest.fixture(scope="module")
async def talks(forks: Forks, database_url: str, temporal: Server) -> AsyncGenerator[Talks]:
    server = await listen(0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with running_talks(forks, database_url, temporal, url) as running:
        yield running
    server.close()


def search(pattern: str = "x") -> Step:
    return {"tool": {"name": "search", "input": {"pattern": pattern}}}


async def outcomes(talk: Talk) -> list[str | None]:
    return [each.outcome for each in await talk.calls()]


async def activities(talk: Talk) -> Counter[str]:
    """How many activities of each kind its workflow has had, at its end."""
    await talk.workflow.result()
    events: list[Any] = [event async for event in talk.workflow.fetch_history_events()]
    scheduled = [event for event in events if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED]
    return Counter(event.activity_task_scheduled_event_attributes.activity_type.name for event in scheduled)


async def test_ten_tools_that_take_their_time_each_asked_for_alone_keep_to_the_history_budget(talks: Talks):
    talk = await talks.open()
    await talk.say(*(search(f"word{place}") for place in range(TOOLS)), {"text": "Done."})
    session = await talk.settled(1)

    had = await activities(talk)
    events = [event async for event in talk.workflow.fetch_history_events()]

    assert (session.error, await outcomes(talk)) == (None, ["done"] * TOOLS)
    assert had == {"ask_model": 1, "use_tool_then_ask": TOOLS}  # each use has an activity of its own
    assert len(events) <= 90
    assert sum(event.ByteSize() for event in events) <= 120_000


async def test_only_the_last_use_of_an_answer_leads_on_and_only_where_it_is_alone_and_takes_time(talks: Talks):
    talk = await talks.open()
    write, listed = {"name": "write", "input": {"path": "a", "content": "x"}}, {"name": "list", "input": {"path": ""}}
    look = search()["tool"]
    await talk.say({"tools": [look, write]}, {"tools": [look, listed]}, {"tools": [listed, write, look]}, {"text": "!"})
    session = await talk.settled(1)

    assert (session.error, await outcomes(talk)) == (None, ["done"] * 7)
    assert await activities(talk) == {"ask_model": 3, "use_tool": 2, "use_tool_then_ask": 1}


async def test_a_use_waits_for_a_person_and_the_answer_after_it_for_a_budget(talks: Talks):
    talk, caller = await talks.open(policy=[ASK], budget_usd=0.5), talks.engine.caller
    questions = talks.engine.gateway.questions
    await talk.say(search(), search("y"), {"text": "Found."})
    first = await asked(talks, talk)
    async with talks.engine.database.tenant(caller.tenant_id) as connection:
        await connection.execute("update session set cost_usd = 0.6 where id = $1", talk.id)
    await questions.answer(caller, first.id, {"decision": "once"})
    await until(lambda: talk.events(EventKind.TOOL_RESULT), 120)
    budget = await asked(talks, talk)
    await questions.answer(caller, budget.id, {"decision": "raise", "budget_usd": 2})
    second = await asked(talks, talk)
    await questions.answer(caller, second.id, {"decision": "deny"})
    session = await talk.settled(1)

    assert budget.name == "Let the session cost more than $0.50?"
    assert (session.error, session.model_calls, (await talk.answers())[-1]) == (None, 3, "Found.")
    assert await outcomes(talk) == ["done", "failed"]
    assert await activities(talk) == {"ask_model": 2, "use_tool_then_ask": 4}


async def test_a_turn_stopped_at_its_budget_after_a_use_ends_with_its_reason(talks: Talks):
    talk, caller, gateway = await talks.open(policy=[ASK], budget_usd=0.5), talks.engine.caller, talks.engine.gateway
    await talk.say(search(), {"text": "never"})
    first = await asked(talks, talk)
    async with talks.engine.database.tenant(caller.tenant_id) as connection:
        await connection.execute("update session set cost_usd = 0.6 where id = $1", talk.id)
    await gateway.questions.answer(caller, first.id, {"decision": "once"})
    await until(lambda: talk.events(EventKind.TOOL_RESULT), 120)
    await gateway.questions.answer(caller, (await asked(talks, talk)).id, {"decision": "stop"})
    session = await talk.settled(1)

    assert (session.error and session.error["type"], session.model_calls) == ("BudgetReached", 1)


async def test_a_provider_in_trouble_after_a_use_is_asked_again_and_the_use_is_not_made_again(talks: Talks):
    passing, ending = [await talks.open() for _ in PASSING], [await talks.open() for _ in ENDING]
    for talk, trouble in zip(passing, PASSING, strict=True):
        await talk.say(search(), {**trouble, "times": 1, "text": "Now it is answered."})
    healed = [await talk.settled(1) for talk in passing]
    for talk, (trouble, _) in zip(ending, ENDING, strict=True):
        await talk.say(search(), trouble)
    failed = [await talk.settled(1) for talk in ending]

    tries = [event.payload["text"] for talk in passing for event in await talk.events(EventKind.LOG)]
    assert [session.error for session in healed] == [None] * 4
    assert [(await talk.answers())[-1] for talk in passing] == ["Now it is answered."] * 4
    assert all("Attempt 2 of 6 follows" in text for text in tries)
    assert len(tries) == len(PASSING)
    assert [session.error and session.error["type"] for session in failed] == [name for _, name in ENDING]
    assert [await outcomes(talk) for talk in (*passing, *ending)] == [["done"]] * 8
    assert await activities(passing[0]) == {"ask_model": 2, "use_tool_then_ask": 1}
    assert await activities(ending[0]) == {"ask_model": 1, "use_tool_then_ask": 1}


async def test_a_turn_is_held_to_its_limits_where_a_use_leads_on(talks: Talks):
    circling, short = await talks.open(), await talks.open(limits={"model_calls": 2})
    await circling.say(*(search() for _ in range(9)))
    await short.say(search(), search("y"), {"text": "never"})
    ended = [await talk.settled(1) for talk in (circling, short)]

    assert [session.error and session.error["type"] for session in ended] == ["Loop", "ModelCallLimit"]
    assert [session.model_calls for session in ended] == [5, 2]
    assert [len(await talk.calls()) for talk in (circling, short)] == [4, 2]


async def test_an_answer_after_a_use_is_interrupted_and_kept_as_far_as_it_came(talks: Talks):
    talk = await talks.open()
    await talk.say(search(), SLOW)
    await talk.writes()

    await talks.engine.gateway.sessions.interrupt(talks.engine.caller, talk.id)
    session = await talk.settled(1)

    cut = (await talk.answers())[-1]
    ends = [e.payload["end"] for e in await talk.events(EventKind.STATUS) if "end" in e.payload]
    assert (session.status, ends, await outcomes(talk)) == (SessionStatus.IDLE, ["interrupted"], ["done"])
    assert LONG.startswith(cut)
    assert 0 < len(cut) < len(LONG)


async def test_what_is_said_while_a_use_leads_on_steers_the_turn(talks: Talks):
    talk = await talks.open()
    await talk.say(search(), {"text": LONG, "chunk_delay": 0.15})
    await talk.writes()
    steered = NewMessage(scripted({"text": "Thirteen."}, words="Go on counting."), steers=True)
    said = await talks.engine.gateway.sessions.say(talks.engine.caller, talk.id, steered)
    await talk.settled(1)

    turns = {each.id: each.turn for each in await talk.messages()}
    assert ((await talk.answers())[-2:], turns[said.id]) == ([LONG, "Thirteen."], 1)


async def test_a_worker_killed_while_the_model_speaks_after_a_use_repeats_the_answer_alone(talks: Talks):
    talk = await talks.open()
    await talk.say(search(), SLOW)
    await talk.writes()

    await talks.worker.kill()
    await talks.worker.start()
    session = await talk.settled(1)

    (spoken,) = [e.payload for e in await talk.events(EventKind.MESSAGE) if e.payload["text"] == LONG]
    assert (session.error, (await talk.answers())[-1], spoken["attempt"]) == (None, LONG, 2)
    assert len(await talk.events(EventKind.TOOL_CALL)) == len(await talk.events(EventKind.TOOL_RESULT)) == 1
    assert await outcomes(talk) == ["done"]
    assert await activities(talk) == {"ask_model": 2, "use_tool_then_ask": 1}


async def test_who_finds_that_another_has_recorded_what_came_of_the_use_leaves_the_model_to_others(talks: Talks):
    """As an attempt would that Temporal has given up: the next one may be asking already."""
    talk = await talks.open()
    await talk.say(search(), {"text": LONG, "chunk_delay": 0.15})
    await talk.writes()
    await talk.workflow.terminate()  # taken up anew from the record, its first attempt finds the use done
    session = await talk.settled(1)

    assert (session.error, await outcomes(talk), (await talk.answers())[-1]) == (None, ["done"], LONG)
    assert await activities(talk) == {"ask_model": 2, "use_tool_then_ask": 1}
