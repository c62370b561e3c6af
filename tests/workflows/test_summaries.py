"""Conversations that are too long for their model, or hold what it refuses: they go on, whoever is killed meanwhile."""

import io
import json
import random
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from PIL import Image

from stack.forks import Forks
from stack.temporal import Server
from tests.bench.provider import Provider, answering
from tests.workflows.engines import until
from tests.workflows.talks import Talk, Talks, running_talks
from windlass.contracts.events import EventKind
from windlass.core.attachments import NewAttachment
from windlass.core.letters import NewMessage

WORDS = "word " * 30_000
WINDOW = 20_000  # tokens: fewer than the words are, more than a picture is

pytestmark = pytest.mark.timeout(300)  # a worker that was killed may have to wait for a busy machine


@pytest.fixture(scope="module")
async def provider() -> AsyncGenerator[Provider]:
    async with answering() as provider:
        yield provider


@pytest.fixture(scope="module")
async def talks(forks: Forks, database_url: str, temporal: Server, provider: Provider) -> AsyncGenerator[Talks]:
    async with running_talks(forks, database_url, temporal, provider.url) as running:
        yield running


def told(step: dict[str, Any]) -> str:
    """A script as JSON that stands in a script."""
    return f"<standin>{json.dumps(step)}</standin>"


async def summaries(talk: Talk) -> list[Any]:
    return [each.payload["summary"] for each in await talk.events(EventKind.LOG) if "summary" in each.payload]


async def test_a_worker_killed_while_the_model_sums_up_or_speaks_after_it_has_one_summary_and_one_answer(
    talks: Talks, provider: Provider
):
    gateway, caller = talks.engine.gateway, talks.engine.caller
    cut, done = {"hang": 1, "times": 1}, {"text": "Done.", "window": WINDOW}
    answer = {"text": f"Noted. {told({'text': 'In short.', **cut})}"}  # what it said is what its summary is scripted by
    summing = await talks.open(system=f"<standin>{json.dumps(answer).replace('<', chr(92) + 'u003c')}</standin>")
    speaking = await talks.open()
    await gateway.sessions.say(caller, summing.id, NewMessage(WORDS))
    await speaking.say({"text": "Noted."}, words=WORDS)
    for talk in (summing, speaking):
        await talk.settled(1)
    wish = NewAttachment("noise.png", "image/png", picture())
    kept = await gateway.attachments.keep(caller.tenant_id, speaking.id, wish)
    await speaking.say({**done, **cut}, words="What is it?", attachments=(kept.id,))
    await speaking.writes()
    spoke = len(provider.spoke_at)
    await summing.say(done, words="And now?")
    await until(lambda: has_spoken(provider, spoke), 120)
    before = await summaries(summing), await summaries(speaking)

    await talks.worker.kill()
    await talks.worker.start()
    sessions = [await talk.settled(2) for talk in (summing, speaking)]

    (*_, last) = await speaking.events(EventKind.USAGE)
    assert before == ([], ["Noted."])
    assert (await summaries(summing), await summaries(speaking)) == (["In short."], ["Noted."])
    assert [(session.error, session.model_calls) for session in sessions] == [(None, 3), (None, 3)]
    assert await summing.answers() == [answer["text"], "Done."]
    assert await speaking.answers() == ["Noted.", "Done."]
    assert [each.attachments for each in await speaking.messages()] == [(), (), (kept,), ()]
    assert last.payload["input_tokens"] > kept.size_bytes / 4  # it was shown again


def picture() -> bytes:
    """One that does not become smaller by being packed."""
    held, noise = io.BytesIO(), random.Random(7).randbytes(3 * 100 * 100)  # noqa: S311 - large, not secret
    Image.frombytes("RGB", (100, 100), noise).save(held, "PNG")
    return held.getvalue()


async def has_spoken(provider: Provider, before: int) -> bool:
    return len(provider.spoke_at) > before


async def test_a_conversation_that_is_too_long_goes_on_with_a_summary(talks: Talks):
    talk = await talks.open()
    await talk.say({"text": "Noted."}, words="word " * 20_000)
    await talk.settled(1)
    await talk.say({"text": "Done.", "window": 10_000}, words="And now?")
    session = await talk.settled(2)

    (summary,) = [each for each in await talk.events(EventKind.LOG) if "summary" in each.payload]
    assert (session.error, session.model_calls) == (None, 3)
    assert await talk.answers() == ["Noted.", "Done."]
    assert (summary.payload["turn"], summary.payload["summary"]) == (2, "Noted.")
    assert len((await talk.messages())[0].content) > 100_000


async def test_an_answer_that_never_fits_ends_its_turn_after_three_summaries(talks: Talks):
    talk = await talks.open()
    await talk.say({"text": "Half of", "stop_reason": "model_context_window_exceeded"})
    session = await talk.settled(1)

    summaries = [each for each in await talk.events(EventKind.LOG) if "summary" in each.payload]
    assert session.error
    assert (session.error["type"], len(summaries)) == ("ContextWindow", 3)


async def test_a_picture_that_the_model_refuses_ends_no_conversation(talks: Talks):
    talk, engine = await talks.open(), talks.engine
    wish = NewAttachment("noise.png", "image/png", picture())
    kept = await engine.gateway.attachments.keep(engine.caller.tenant_id, talk.id, wish)

    await talk.say({"text": "I see nothing.", "blind": True}, words="What is it?", attachments=(kept.id,))
    session = await talk.settled(1)
    notes = [each.payload["text"] for each in await talk.events(EventKind.LOG)]
    assert (session.error, await talk.answers()) == (None, ["I see nothing."])
    assert ["without the files" in each for each in notes] == [True]
