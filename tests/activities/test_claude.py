"""A call to Claude: what streams, what is kept, and how it stops."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import pytest

from activities.adapters.claude import ClaudeMessages
from activities.models import CallCancelled, ClaudeExecutor, ModelCall, ModelError, ModelRequest, Reply
from windlass.contracts.agents import DEFAULT_MAX_TOKENS, DEFAULT_MODEL
from windlass.contracts.events import EventKind, Payload
from windlass.core.provider import Seen


@dataclass
class RememberedLog:
    """A log that keeps what it is told, and wakes whoever waits for the first words."""

    events: list[tuple[EventKind, Payload]] = field(default_factory=list[tuple[EventKind, Payload]])
    deltas: list[tuple[str, int, str]] = field(default_factory=list[tuple[str, int, str]])
    spoke: asyncio.Event = field(default_factory=asyncio.Event)

    async def emit(self, kind: EventKind, payload: Payload) -> None:
        self.events.append((kind, payload))

    async def delta(self, item: str, ord: int, text: str) -> None:
        self.deltas.append((item, ord, text))
        self.spoke.set()

    def payload(self, kind: EventKind) -> Payload:
        (found,) = (payload for k, payload in self.events if k == kind)
        return found


def call(*steps: dict[str, Any], model: str = DEFAULT_MODEL, attempt: int = 1) -> ModelCall:
    prompt = f"<standin>{json.dumps(steps)}</standin>"
    return ModelCall(ModelRequest(prompt, system="Be brief.", model=model), attempt=attempt)


def executor(claude: ClaudeMessages, silence: timedelta = timedelta(minutes=1)) -> ClaudeExecutor:
    return ClaudeExecutor(claude, lambda: date(2026, 11, 21), silence)


async def run(claude: ClaudeMessages, asked: ModelCall, log: RememberedLog) -> Reply:
    return await executor(claude).run(asked, log, asyncio.Event())


async def test_words_stream_and_the_message_and_its_usage_are_kept(claude: ClaudeMessages):
    log = RememberedLog()

    reply = await run(claude, call({"thinking": "Hm.", "text": "One two."}, attempt=2), log)

    assert log.deltas == [("message", 0, "One "), ("message", 1, "two.")]
    assert [kind for kind, _ in log.events] == [EventKind.MESSAGE, EventKind.USAGE]
    message = log.payload(EventKind.MESSAGE)
    assert (message["text"], message["role"], message["stop_reason"]) == ("One two.", "assistant", "end_turn")
    assert (message["model"], message["attempt"], message["standin"]) == (DEFAULT_MODEL, 2, True)
    assert reply.text == "One two."


async def test_usage_has_every_count_and_its_price_date(claude: ClaudeMessages):
    log = RememberedLog()
    counts = {"input_tokens": 3, "output_tokens": 5, "cache_read_input_tokens": 7, "cache_creation_input_tokens": 11}

    await run(claude, call({"text": "Hi.", "usage": counts}), log)

    assert log.payload(EventKind.USAGE) == {
        "model": DEFAULT_MODEL,
        "input_tokens": 3,
        "output_tokens": 5,
        "cache_read_tokens": 7,
        "cache_write_tokens": 11,
        "cost_usd": "0",
        "price_date": "2026-10-07",
    }


async def test_an_answer_of_the_stand_in_is_known_by_its_header(
    standin: str, claude_at: Callable[[str], ClaudeMessages]
):
    log = RememberedLog()

    await run(claude_at(standin), call({"text": "Hi."}), log)

    assert log.payload(EventKind.MESSAGE)["standin"] is True


async def test_whoever_watches_the_provider_is_told_how_each_answer_went(claude: ClaudeMessages):
    seen: list[Seen] = []
    asking = ClaudeExecutor(claude, lambda: date(2026, 11, 21), seen=seen.append)

    await asking.run(call({"text": "One two."}), RememberedLog(), asyncio.Event())
    with pytest.raises(ModelError):
        await asking.run(call({"status": 529}), RememberedLog(), asyncio.Event())
    stopped = asyncio.Event()
    stopped.set()
    with pytest.raises(CallCancelled):
        await asking.run(call({"text": "Never."}), RememberedLog(), stopped)

    assert [(each.standin, each.error, each.first_ms is None) for each in seen] == [
        (True, None, False),
        (False, "Overloaded", True),
        (False, None, True),
    ]


@pytest.mark.parametrize("stop_reason", ["refusal", "max_tokens"])
async def test_a_refusal_and_a_cut_answer_are_outcomes(claude: ClaudeMessages, stop_reason: str):
    log = RememberedLog()

    reply = await run(claude, call({"text": "No", "stop_reason": stop_reason}), log)

    assert reply.stop_reason == stop_reason
    assert log.payload(EventKind.MESSAGE)["stop_reason"] == stop_reason


async def test_a_cancel_stops_a_silent_answer_and_keeps_what_was_said(claude: ClaudeMessages):
    log, cancelled = RememberedLog(), asyncio.Event()
    running = asyncio.create_task(executor(claude).run(call({"text": "One two.", "hang": 1}), log, cancelled))
    await log.spoke.wait()

    cancelled.set()

    with pytest.raises(CallCancelled):
        await running
    message = log.payload(EventKind.MESSAGE)
    assert (message["text"], message["stop_reason"]) == ("One ", "cancelled")
    assert log.payload(EventKind.USAGE)["input_tokens"] > 0


async def test_a_cancel_before_the_answer_leaves_nothing(claude: ClaudeMessages):
    log, cancelled = RememberedLog(), asyncio.Event()
    cancelled.set()

    with pytest.raises(CallCancelled):
        await executor(claude).run(call({"delay": 60}), log, cancelled)

    assert log.events == []


async def test_a_model_that_falls_silent_is_given_up(claude: ClaudeMessages):
    log, asked = RememberedLog(), call({"text": "One two.", "hang": 1})

    with pytest.raises(ModelError) as raised:
        await executor(claude, timedelta(seconds=2)).run(asked, log, asyncio.Event())

    assert (raised.value.type, raised.value.retryable) == ("Stale", True)
    assert [kind for kind, _ in log.events] == [EventKind.USAGE]


async def test_what_an_interrupted_answer_used_is_recorded(claude: ClaudeMessages):
    log = RememberedLog()

    with pytest.raises(ModelError):
        await run(claude, call({"text": "One two.", "drop": 1}), log)

    assert [kind for kind, _ in log.events] == [EventKind.USAGE]


async def test_a_call_that_is_cancelled_from_outside_hangs_up(claude: ClaudeMessages):
    log = RememberedLog()
    running = asyncio.create_task(run(claude, call({"text": "One two.", "hang": 1}), log))
    await log.spoke.wait()

    running.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running


def test_inputs_left_empty_get_their_defaults():
    asked = ModelRequest.from_inputs({"prompt": "Hi", "system": "", "model": None})

    assert asked == ModelRequest("Hi", None, DEFAULT_MODEL, DEFAULT_MAX_TOKENS)


def test_inputs_are_read_as_given():
    asked = ModelRequest.from_inputs({"prompt": "Hi", "system": "Be brief", "model": "m", "max_tokens": 5})

    assert asked == ModelRequest("Hi", "Be brief", "m", 5)
