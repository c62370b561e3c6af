"""Keep today's histories of sessions: `python -m tests.replay.export_sessions [SCENARIO…]`."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from stack.standin.server import listen
from tests.forks import running_forks
from tests.parts import running_postgres, running_temporal, short_folder
from tests.replay.export import keep, tidy
from tests.workflows.talks import Step, Talk, Talks, asked, running_talks

Scenario = Callable[[Talks], Awaitable[Talk]]
YES: Step = {"text": "Yes."}


async def session_spoken(talks: Talks) -> Talk:
    """Two messages, the second while the first is answered; then nothing waits."""
    talk = await talks.open()
    await talk.say({"text": "One two three.", "chunk_delay": 0.3})
    await talk.works()
    await talk.say({"text": "Four."})
    await talk.settled(2)
    return talk


async def session_worked(talks: Talks) -> Talk:
    """A turn with tools: one that writes, two that read together."""
    talk = await talks.open()
    write = {"name": "write", "input": {"path": "a", "content": "one"}}
    read: Step = {"name": "read", "input": {"path": "a"}}
    listed: Step = {"name": "list", "input": {"path": ""}}
    await talk.say({"tool": write}, {"tools": [read, listed]}, {"text": "Done."})
    await talk.settled(1)
    return talk


async def session_searched(talks: Talks) -> Talk:
    """A turn with tools that are no brief ones, each asked for alone; one of them waits for a person."""
    talk = await talks.open(policy=[{"action": "ask", "tool": "search", "argument": "two"}])
    await talk.say(*({"tool": {"name": "search", "input": {"pattern": each}}} for each in ("one", "two")), YES)
    question, caller = await asked(talks, talk), talks.engine.caller
    await talks.engine.gateway.questions.answer(caller, question.id, {"decision": "once"})
    await talk.settled(1)
    return talk


async def session_led_on(talks: Talks) -> Talk:
    """Uses that lead on to the next answer: at once, after a person, and to a provider that is in trouble once."""
    talk = await talks.open(policy=[{"action": "ask", "tool": "search", "argument": "two"}])
    one, two, three = ({"tool": {"name": "search", "input": {"pattern": each}}} for each in ("one", "two", "three"))
    await talk.say(one, two, three, {"status": 500, "retry_after_ms": 50, "times": 1, **YES})
    question, caller = await asked(talks, talk), talks.engine.caller
    await talks.engine.gateway.questions.answer(caller, question.id, {"decision": "once"})
    await talk.settled(1)
    return talk


async def session_interrupted(talks: Talks) -> Talk:
    """An answer that somebody stops."""
    talk = await talks.open()
    await talk.say({"text": "One two three four five six.", "chunk_delay": 0.3})
    await talk.writes()
    await talks.engine.gateway.sessions.interrupt(talks.engine.caller, talk.id)
    await talk.settled(1)
    return talk


SCENARIOS: tuple[Scenario, ...] = (
    *(session_spoken, session_worked, session_searched),
    *(session_led_on, session_interrupted),
)


async def main() -> None:
    """Play every scenario, one after the other."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(short_folder())
        postgres = await stack.enter_async_context(running_postgres(folder))
        temporal = await stack.enter_async_context(running_temporal(folder))
        server = await listen(0)
        stack.callback(server.close)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        forks = await stack.enter_async_context(running_forks(folder / "forks.log"))
        talks = await stack.enter_async_context(running_talks(forks, postgres.url, temporal, url))
        for scenario in (each for each in SCENARIOS if not sys.argv[1:] or each.__name__ in sys.argv[1:]):
            talk = await scenario(talks)
            await talk.workflow.result()
            history = tidy(json.loads((await talk.workflow.fetch_history()).to_json()))
            print(keep("SessionWorkflow", scenario.__name__, history))  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main())
