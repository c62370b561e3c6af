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
from tests.workflows.talks import Step, Talk, Talks, running_talks

Scenario = Callable[[Talks], Awaitable[Talk]]


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


async def session_interrupted(talks: Talks) -> Talk:
    """An answer that somebody stops."""
    talk = await talks.open()
    await talk.say({"text": "One two three four five six.", "chunk_delay": 0.3})
    await talk.writes()
    await talks.engine.gateway.sessions.interrupt(talks.engine.caller, talk.id)
    await talk.settled(1)
    return talk


SCENARIOS: tuple[Scenario, ...] = (session_spoken, session_worked, session_interrupted)


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
