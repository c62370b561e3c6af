"""What a model asks of the house: people, files kept for good, runs of agents; each once, whoever is killed."""

import secrets
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from stack.forks import Forks
from stack.standin.server import listen
from stack.temporal import Server
from tests.core.planned import enrol
from tests.owner import as_owner
from tests.workflows.engines import until
from tests.workflows.talks import Talks, asked, running_talks
from tests.workflows.test_approvals import decide
from windlass.contracts.agents import Profile
from windlass.contracts.events import EventKind
from windlass.contracts.runs import RunStatus
from windlass.contracts.sessions import SessionStatus
from windlass.core.errors import Invalid
from windlass.core.runs import Run, RunFilter

pytestmark = pytest.mark.timeout(300)  # a worker that was killed may have to wait for a busy machine


@pytest.fixture(scope="module")
async def talks(forks: Forks, database_url: str, temporal: Server) -> AsyncGenerator[Talks]:
    server = await listen(0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with running_talks(forks, database_url, temporal, url) as running:
        await enrol(running.engine.database, running.engine.caller)
        yield running
    server.close()


def use(name: str, /, **given: Any) -> dict[str, Any]:
    return {"tool": {"name": name, "input": given}}


async def saved_agent(talks: Talks, script: str) -> str:
    """A saved agent that answers like this."""
    name, profile = f"helper-{secrets.token_hex(4)}", Profile(system=f"<standin>{script}</standin>")
    return (await talks.engine.gateway.saved_agents.create(talks.engine.caller, name, profile)).name


async def runs_of(talks: Talks, agent: str) -> list[Run]:
    return await talks.engine.gateway.runs.newest(talks.engine.caller, RunFilter(agent=agent))


MONTHS = [
    {"name": "month", "type": "choice", "choices": ["May", "June"]},
    {"name": "remark", "type": "long_text", "required": False},
]


TWO_HOURS_LATER = """
update session set began_at = began_at - interval '2 hours',
  awaiting_since = awaiting_since - interval '2 hours' where id = $1
"""


async def test_a_model_asks_people_as_long_as_it_takes_and_keeps_what_it_made(talks: Talks, database_url: str):
    talk, gateway, caller = await talks.open(), talks.engine.gateway, talks.engine.caller
    await talk.say(
        use("write", path="notes.md", content="first\n"),
        use("save_artifact", path="notes.md", name="Notes", description="As they were."),
        use("edit", path="notes.md", old_str="first", new_str="second"),
        use("ask_person", question="# Which month?\nThe ledger has two.", fields=MONTHS),
        use("ask_person", question="Why?", fields=[{"name": "Why not"}]),
        {"text": "Thanks."},
    )
    question = await asked(talks, talk)
    waiting = await talk.now()
    await talks.worker.kill()
    async with as_owner(database_url) as owner:  # longer than a turn may take
        await owner.execute(TWO_HOURS_LATER, talk.id)
    with pytest.raises(Invalid, match="still open"):
        await gateway.questions.answer(caller, question.id, {"month": "July"})
    await gateway.questions.answer(caller, question.id, {"month": "May"})
    await talks.worker.start()
    settled = await talk.settled(1)

    calls = {f"{place} {each.name}": (each.outcome, each.text) for place, each in enumerate(await talk.calls())}
    (kept,) = await gateway.sessions.saved(caller, talk.id, 0, 10)
    kinds = [event.kind for event in await talk.events(EventKind.QUESTION, EventKind.ANSWER)]
    assert (waiting.status, settled.error) == (SessionStatus.AWAITING, None)
    assert (question.kind, question.name, kinds) == ("ask", "Which month?", [EventKind.QUESTION, EventKind.ANSWER])
    assert calls["3 ask_person"] == ("done", 'Ada answered: {"month":"May","remark":null}')
    assert calls["4 ask_person"] == ("failed", "'Why not' cannot name a field. Nothing was asked.")
    assert (kept.name, kept.path, kept.turn) == ("Notes", "notes.md", 1)
    assert await gateway.workspaces.read(caller.tenant_id, kept.digest) == b"first\n"
    assert await gateway.workspaces.content(caller.tenant_id, talk.id, "notes.md") == b"second\n"
    assert (await talk.answers())[-1] == "Thanks."


async def test_a_model_starts_an_agent_once_when_somebody_allows_it_and_gets_its_result(talks: Talks):
    name = await saved_agent(talks, '{"text": "Forty two it is, and nothing else.", "chunk_delay": 0.3}')
    talk = await talks.open()
    await talk.say(
        use("run_agent", agent=name, inputs={"prompt": "What is the answer?"}, title="The answer"),
        use("run_agent", agent="nobody"),
        use("run_agent", agent=name, inputs={"prompt": ""}),
        {"text": "So be it."},
    )
    await decide(talks, await asked(talks, talk), "session")
    await until(lambda: runs_of(talks, name), 120)
    await talks.worker.kill()
    await talks.worker.start()
    settled = await talk.settled(1)

    (run,) = await runs_of(talks, name)
    outcomes = [(each.outcome, each.text) for each in await talk.calls()]
    results = [event.payload.get("run_id") for event in await talk.events(EventKind.TOOL_RESULT)]
    assert settled.error is None
    assert outcomes[0] == ("done", "Forty two it is, and nothing else.")
    assert (run.title, run.status, run.created_by_name) == ("The answer", RunStatus.FINISHED, "Ada")
    assert results == [str(run.id), None, None]
    assert outcomes[1][0] == outcomes[2][0] == "failed"
    assert (name in outcomes[1][1], "inputs.prompt" in outcomes[2][1]) == (True, True)


async def test_a_command_works_on_the_files_is_run_again_after_a_crash_and_stopped_by_an_interrupt(talks: Talks):
    talk, gateway, caller = await talks.open(limits={"tool_calls": 9}), talks.engine.gateway, talks.engine.caller
    await talk.say(
        use("write", path="in/a.txt", content="b\na\n"),
        use("shell", command="sleep 1.5; sort in/a.txt > out.txt; rm in/a.txt; echo sorted; exit 3"),
        use("shell", command="cat out.txt; curl http://127.0.0.1/ >/dev/null 2>&1 || echo no net"),
        {"text": "Sorted."},
    )

    async def have_begun(uses: int) -> None:
        async def is_so() -> bool:
            return len(await talk.events(EventKind.TOOL_CALL)) == uses

        await until(is_so, 120)

    await have_begun(2)
    await talks.worker.kill()
    await talks.worker.start()
    settled = await talk.settled(1)
    await talk.say(use("shell", command="echo lost > lost.txt; sleep 300", timeout_s=500), {"text": "never"})
    await have_begun(4)
    await gateway.sessions.interrupt(caller, talk.id)
    await talk.settled(2)

    outcomes = [(each.outcome, each.text) for each in await talk.calls()]
    files = await gateway.workspaces.files(caller.tenant_id, talk.id)
    assert settled.error is None
    assert outcomes[1] == ("failed", "sorted\nexit code 3\nChanged: in/a.txt, out.txt.")
    assert outcomes[2] == ("done", "a\nb\nno net")
    assert sorted(files) == ["out.txt"]
    assert outcomes[3] == ("failed", "It was stopped: the turn was interrupted. Nothing in the workspace was changed.")


async def test_a_run_ends_with_the_turn_that_somebody_interrupts(talks: Talks):
    name = await saved_agent(talks, '{"text": "One two three four five six.", "chunk_delay": 5}')
    talk = await talks.open(policy=[{"action": "allow", "tool": "run_agent"}])
    await talk.say(use("run_agent", agent=name, inputs={"prompt": "Count."}), {"text": "never"})

    async def is_at_work() -> bool:
        return [run.status for run in await runs_of(talks, name)] == [RunStatus.RUNNING]

    await until(is_at_work, 120)
    await talks.engine.gateway.sessions.interrupt(talks.engine.caller, talk.id)
    await talk.settled(1)

    (run,) = await runs_of(talks, name)
    ended = await talks.engine.ended(run.id, 120)
    assert (ended.status, ended.cancel_reason) == (RunStatus.CANCELLED, "the turn that started it was interrupted")
    assert [each.outcome for each in await talk.calls()] == ["failed"]
