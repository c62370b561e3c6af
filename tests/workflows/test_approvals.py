"""Approvals: what a turn may do only when somebody allows it, once, whoever is killed while it waits."""

from typing import Any

import pytest

from stack.standin.server import listen
from stack.temporal import Server
from tests.owner import as_owner
from tests.workflows.talks import Talk, Talks, asked, running_talks
from windlass.contracts.events import EventKind
from windlass.contracts.sessions import SessionStatus
from windlass.core.questions import AlreadyClosed, Question

ASK = (
    {"action": "ask", "tool": "write", "argument": "notes/*"},
    {"action": "deny", "tool": "*", "arguments": '*"path": "secret*'},
)


pytestmark = pytest.mark.timeout(300)  # a worker that was killed may have to wait for a busy machine


@pytest.fixture(scope="module")
async def talks(database_url: str, temporal: Server):
    server = await listen(0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with running_talks(database_url, temporal, url) as running:
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


async def test_a_tool_waits_for_a_decision_that_holds_for_it_alone_and_a_killed_worker_changes_nothing(talks: Talks):
    talk = await talks.open(policy=ASK)
    await talk.say(write("free.md"), write("notes/a"), write("notes/b"), write("secret"), {"text": "Done."})
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
