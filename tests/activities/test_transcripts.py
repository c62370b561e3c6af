"""A task's log as a conversation: in turns, with its last pictures alone; and tools through the real adapter."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from activities.adapters.claude import ClaudeMessages
from activities.models import ModelRequest, Reply
from activities.transcripts import BETA, LEFT_OUT, calls, conversation, tools, turn_of
from windlass.contracts.desktops import Template
from windlass.contracts.events import Event, EventKind
from windlass.contracts.ids import new_id

AT = datetime(2026, 1, 1, tzinfo=UTC)
CALL = {"type": "tool_use", "id": "t", "name": "computer", "input": {"action": "screenshot"}}


def log(turns: int) -> list[Event]:
    """Turns of one screenshot each."""
    events: list[Event] = []
    for turn in range(1, turns + 1):
        message = {"turn": turn, "content": [{"type": "text", "text": "look"}, CALL]}
        result = {"id": "t", "outcome": "done", "text": "", "screenshot": str(new_id())}
        events.append(Event(2 * turn, AT, EventKind.MESSAGE, message))
        events.append(Event(2 * turn + 1, AT, EventKind.TOOL_RESULT, result))
    return events


async def picture(_id: UUID) -> bytes:
    return b"RIFF"


async def test_a_log_is_a_conversation_in_turns_with_its_last_four_pictures():
    messages = await conversation("Do it.", log(6), picture)

    assert [each["role"] for each in messages] == ["user", *["assistant", "user"] * 6]
    shown = [each["content"][0]["content"][0] for each in messages[2::2]]
    assert [each["type"] for each in shown] == ["text", "text", *["image"] * 4]
    assert shown[0]["text"] == LEFT_OUT
    assert shown[-1]["source"] == {"type": "base64", "media_type": "image/webp", "data": "UklGRg=="}


async def test_results_of_one_turn_are_one_message_and_a_failure_says_so():
    events = log(1)
    events.append(Event(9, AT, EventKind.TOOL_RESULT, {"id": "u", "outcome": "failed", "text": "no"}))

    last = (await conversation("Do it.", events, picture))[-1]

    assert [(block["tool_use_id"], block["is_error"]) for block in last["content"]] == [("t", False), ("u", True)]


def test_the_message_of_a_turn_and_what_it_wants_done():
    found = turn_of(log(3), 2)

    assert found is not None
    assert (found.seq, calls(found.payload)) == (4, [CALL])
    assert turn_of(log(3), 4) is None


async def test_tools_go_through_the_adapter_and_come_back_whole(claude: ClaudeMessages):
    script: list[dict[str, Any]] = [
        {"text": "I look.", "tools": [{"name": "computer", "input": {"action": "type", "text": "ä"}}, {"name": "bash"}]}
    ]
    asked = ({"role": "user", "content": f"<standin>{json.dumps(script)}</standin>"},)
    request = ModelRequest("", messages=asked, tools=tools(Template()), beta=BETA)

    async with asyncio.timeout(20):
        pieces = [piece async for piece in claude.stream(request)]

    reply = pieces[-1]
    assert isinstance(reply, Reply)
    assert (reply.stop_reason, reply.text) == ("tool_use", "I look.")
    assert [block["type"] for block in reply.content] == ["text", "tool_use", "tool_use"]
    assert [block["input"] for block in reply.content[1:]] == [{"action": "type", "text": "ä"}, {}]
