"""A model that falls silent again and again: the turn ends and says why, and the conversation goes on."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from activities import exchanges
from stack.forks import Forks
from stack.standin.server import listen
from stack.temporal import Server
from tests.workflows.apart import Apart
from tests.workflows.engines import running_engine, settings_of
from tests.workflows.talks import Talks
from windlass.contracts.events import EventKind
from windlass.contracts.sessions import SessionStatus

SILENCE_S = 1
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


async def test_six_silences_in_a_row_end_the_turn_with_their_reason_and_the_next_message_is_answered(talks: Talks):
    talk = await talks.open()
    await talk.say({"hang": 0, "times": exchanges.TRIES, "text": "never"})
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
    assert (session.status, session.error, await talk.answers()) == (SessionStatus.IDLE, None, ["Here I am."])
