"""A model that falls silent again and again: the turn ends and says why, and the conversation goes on."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path

import pytest

from activities import exchanges
from activities.uses import Use
from stack.forks import Forks
from stack.standin.server import listen
from stack.temporal import Server
from tests.workflows.apart import Apart
from tests.workflows.engines import running_engine, settings_of, until
from tests.workflows.talks import Step, Talks
from windlass.contracts import policies
from windlass.contracts.events import EventKind
from windlass.contracts.sessions import SessionStatus

SILENCE_S = 1
SEARCH: Step = {"tool": {"name": "search", "input": {"pattern": "x"}}}
PAUSE_S = 0.05  # each is twice the one before: a second and more together


@pytest.fixture
async def talks(
    forks: Forks, database_url: str, temporal: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[Talks]:
    """The worker is in this process, so that it pauses for shorter between its tries."""
    monkeypatch.setattr(exchanges, "PAUSE_FIRST_S", PAUSE_S)
    server = await listen(0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    settings = settings_of(tmp_path, database_url, temporal)
    settings = settings.model_copy(update={"standin_url": url, "model_silence_s": SILENCE_S})
    async with running_engine(settings) as engine:
        yield Talks(engine, Apart(forks, settings, "runs"))
    server.close()


@pytest.mark.parametrize("before", [(), (SEARCH,)], ids=["at once", "after a tool"])
async def test_six_silences_in_a_row_end_the_turn_with_their_reason_and_the_next_message_is_answered(
    talks: Talks, before: tuple[Step, ...]
):
    talk = await talks.open()
    await talk.say(*before, {"hang": 0, "times": exchanges.TRIES, "text": "never"})
    given_up = await talk.settled(1)
    tries = [event.payload["text"] for event in await talk.events(EventKind.LOG)]

    await talk.say({"text": "Here I am."})
    session = await talk.settled(2)

    assert given_up.error == {
        "type": "Stale",
        "message": f"The model was silent for {SILENCE_S} s. What was said is kept: say something to go on.",
    }
    assert [text.partition(". Attempt ")[2].partition(" follows")[0] for text in tries] == [
        f"{n} of 6" for n in range(2, 7)
    ]
    assert (session.status, session.error, (await talk.answers())[-1]) == (SessionStatus.IDLE, None, "Here I am.")
    assert [call.outcome for call in await talk.calls()] == ["done"] * len(before)


@pytest.fixture
def uses(monkeypatch: pytest.MonkeyPatch) -> list[Use]:
    """Every time that a use of a tool is carried out."""
    carried, carry_out = list[Use](), Use.carry_out

    async def counted(self: Use) -> float | None:
        carried.append(self)
        return await carry_out(self)

    monkeypatch.setattr(Use, "carry_out", counted)
    return carried


async def test_an_answer_after_a_tool_that_takes_longer_than_it_may_is_asked_for_again_and_the_tool_is_not(
    talks: Talks, uses: list[Use], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(policies, "THINK", timedelta(seconds=SILENCE_S / 2))
    talk = await talks.open()

    await talk.say(SEARCH, {"hang": 0, "times": 1, "text": "At last."})
    session = await talk.settled(1)

    assert (session.error, (await talk.answers())[-1], len(uses)) == (None, "At last.", 1)
    assert await talk.events(EventKind.LOG) == []  # it was not silent for so long


async def test_a_tool_that_takes_longer_than_it_may_is_begun_again_and_the_model_waits_for_it(
    talks: Talks, uses: list[Use], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(policies, "USE", timedelta(seconds=0.3))
    talk = await talks.open()

    await talk.say({"tool": {"name": "shell", "input": {"command": "sleep 1; echo done"}}}, {"text": "At last."})
    await until(lambda: asyncio.sleep(0, len(uses) > 1), 120)
    monkeypatch.setattr(policies, "USE", timedelta(minutes=1))
    session = await talk.settled(1)

    assert (session.error, (await talk.answers())[-1], session.model_calls) == (None, "At last.", 2)
    assert [(call.outcome, call.text) for call in await talk.calls()] == [("done", "done")]
