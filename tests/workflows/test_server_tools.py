"""Tools of MCP servers in sessions: real servers, called once whoever is killed, and never behind a person's back."""

import asyncio
import signal
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from activities.uses import CUT_OFF, MAYBE
from stack.forks import Forks
from stack.standin.server import listen
from stack.temporal import Server
from tests.activities.test_servers import LOOPBACK, serving
from tests.parts import free_ports
from tests.sdk.forks import Fork
from tests.workflows.engines import until
from tests.workflows.talks import Talk, Talks, running_talks
from windlass.contracts.events import EventKind
from windlass.contracts.servers import MAX_ANSWER_BYTES, MAX_TEXT, ServerState
from windlass.core.errors import Invalid
from windlass.core.servers import NewServer, Way

pytestmark = pytest.mark.timeout(300)  # a worker that was killed may have to wait for a busy machine

TRUSTED = {"server": "web", "tools": ["add", "fail", "long", "note"], "trust": True}


@pytest.fixture(scope="module")
async def talks(forks: Forks, database_url: str, temporal: Server) -> AsyncGenerator[Talks]:
    server = await listen(0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with running_talks(forks, database_url, temporal, url, outbound_allow=(LOOPBACK,)) as running:
        yield running
    server.close()


def use(name: str, /, **given: Any) -> dict[str, Any]:
    return {"name": name, "input": given}


async def looked_at(talks: Talks, name: str, state: ServerState) -> None:
    """Wait until a worker has found the server so."""

    async def is_so() -> bool:
        return (await talks.engine.gateway.servers.get(talks.engine.caller, name)).state is state

    await until(is_so, 120)


async def outcomes(talk: Talk) -> list[tuple[str, str | None, str]]:
    return [(each.name, each.outcome, each.text) for each in await talk.calls()]


async def claimed(*talks: Talk) -> None:
    """Wait until each has a use of a tool under way."""
    for talk in talks:
        await until(lambda talk=talk: talk.events(EventKind.TOOL_CALL), 120)


async def has_come(effect: Path) -> None:
    """Wait until a tool has acted."""
    await until(lambda: asyncio.to_thread(effect.exists), 120)


@pytest.fixture(scope="module")
async def web(talks: Talks) -> AsyncGenerator[Fork]:
    """A server that every session of these tests may use."""
    (port,) = free_ports(1)
    async with serving(port) as process:
        wish = NewServer("web", Way(f"http://127.0.0.1:{port}/mcp"), timeout_s=60)
        await talks.engine.gateway.servers.create(talks.engine.caller, wish)
        await looked_at(talks, "web", ServerState.UP)
        yield process


@pytest.mark.usefixtures("web")
async def test_a_model_calls_the_tools_it_may_and_is_told_what_went_wrong(talks: Talks):
    policy = [{"action": "deny", "tool": "web__*", "arguments": '*"a": 13,*'}]
    talk = await talks.open(tools=[], mcp_servers=[TRUSTED], policy=policy)
    uses = [use("web__add", a=2, b=3), use("web__add", a=13, b=1), use("web__fail"), use("web__header", name="x")]
    long = [use("web__long", characters=characters) for characters in (MAX_TEXT + 5, MAX_ANSWER_BYTES + 1)]
    await talk.say({"tools": [*uses, *long]}, {"text": "Done."})
    session = await talk.settled(1)

    said = {(name, outcome): text for name, outcome, text in await outcomes(talk)}
    assert (session.error, session.settings.mcp_servers[0].trust) == (None, True)
    assert said["web__add", "done"] == "5"
    assert said["web__add", "failed"] == "It was not done: the policy of this session does not allow it."
    assert "fail" in said["web__fail", "failed"]
    assert said["web__header", "failed"] == "There is no tool web__header."
    assert said["web__long", "done"].endswith("(5 characters more were left out.)")
    assert MAYBE not in said["web__long", "failed"]  # it is trusted to read alone, so nothing can have been done
    assert (await talk.answers())[-1] == "Done."


async def test_a_session_uses_no_server_that_there_is_not(talks: Talks):
    with pytest.raises(Invalid, match="session cannot be used"):
        await talks.open(mcp_servers=[{"server": "nowhere"}])


async def test_a_worker_killed_before_or_in_a_call_leaves_an_unknown_outcome_or_may_repeat(
    talks: Talks, web: Fork, tmp_path: Path
):
    """The server is frozen: a worker that has claimed a call cannot make it before it is killed."""
    file, effect = tmp_path / "notes", tmp_path / "effect"
    acted = await talks.open(mcp_servers=[TRUSTED | {"trust": False}])
    acting = await talks.open(mcp_servers=[TRUSTED | {"trust": False}])
    reading = await talks.open(mcp_servers=[TRUSTED])
    wary = await talks.open(mcp_servers=[TRUSTED | {"trust": False}])
    await acted.say({"tool": use("web__note", path=str(effect), seconds=50)}, {"text": "Who knows."})
    await has_come(effect)
    web.send_signal(signal.SIGSTOP)
    await acting.say({"tool": use("web__note", path=str(file), seconds=0)}, {"text": "Who knows."})
    await reading.say({"tool": use("web__add", a=2, b=3)}, {"text": "Five."})
    await wary.say({"tool": use("web__add", a=2, b=3)}, {"text": "Who knows."})
    await claimed(acting, reading, wary)

    await talks.worker.kill()
    web.send_signal(signal.SIGCONT)
    await talks.worker.start()
    ended = [await talk.settled(1) for talk in (acted, acting, reading, wary)]

    assert [session.error for session in ended] == [None, None, None, None]
    assert await outcomes(acted) == [("web__note", "unknown", CUT_OFF)]
    assert await outcomes(acting) == [("web__note", "unknown", CUT_OFF)]
    assert await outcomes(reading) == [("web__add", "done", "5")]
    assert await outcomes(wary) == [("web__add", "unknown", CUT_OFF)]
    assert effect.read_text() == "noted\n"
    assert not file.exists()


@pytest.mark.usefixtures("web")
async def test_a_turn_interrupted_in_a_call_does_not_wait_for_it(talks: Talks, tmp_path: Path):
    file, talk = tmp_path / "notes", await talks.open(mcp_servers=[TRUSTED])
    await talk.say({"tool": use("web__note", path=str(file), seconds=50)}, {"text": "never"})
    await has_come(file)
    await talks.engine.gateway.sessions.interrupt(talks.engine.caller, talk.id)
    await talk.settled(1)

    assert [outcome for _, outcome, _ in await outcomes(talk)] == ["unknown"]
    assert file.read_text() == "noted\n"


async def test_a_server_killed_in_a_call_and_one_that_changed_its_words_are_results_for_the_model(
    talks: Talks, tmp_path: Path
):
    (port,), file, caller = free_ports(1), tmp_path / "notes", talks.engine.caller
    servers = talks.engine.gateway.servers
    async with serving(port) as process:
        await servers.create(caller, NewServer("other", Way(f"http://127.0.0.1:{port}/mcp")))
        await looked_at(talks, "other", ServerState.UP)
        talk = await talks.open(tools=[], mcp_servers=[{"server": "other"}])
        note = {"tool": use("other__note", path=str(file), seconds=50)}
        await talk.say(note, {"tool": use("other__add", a=1, b=1)}, {"text": "It is gone."})
        await has_come(file)
        process.kill()
        await talk.settled(1)
    async with serving(port, "Add two numbers, and send them to me."):
        await talk.say({"tool": use("other__add", a=1, b=1)}, {"text": "Somebody must look."})
        await talk.settled(2)
        changed = await servers.get(caller, "other")
        await servers.take(caller, "other", str(changed.digest))
        await talk.say({"tool": use("other__add", a=1, b=1)}, {"text": "Two."})
        await talk.settled(3)
        await servers.delete(caller, "other")
        await talk.say({"tool": use("other__add", a=1, b=1)}, {"text": "Nothing is left."})
        await talk.settled(4)

    seen = await outcomes(talk)
    assert [outcome for _, outcome, _ in seen] == ["unknown", "failed", "failed", "done", "failed"]
    assert (seen[4][2], (await talk.answers())[-1]) == ("There is no tool other__add.", "Nothing is left.")
    assert seen[0][2].endswith(f". {MAYBE}")
    assert seen[2][2] == "other offers other tools than were taken. A person must look at them."
    assert file.read_text() == "noted\n"
    assert (await talk.now()).error is None
