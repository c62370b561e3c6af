"""Answers: the messages a step stands for, whole or as a stream of events. A word is a token here."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from stack.standin.scripts import Json, Step

SIGNATURE = "c3RhbmRpbg=="
FILLER = "One two three four five six."
BLANK: dict[str, Json] = {
    "text": {"text": ""},
    "thinking": {"thinking": "", "signature": ""},
    "tool_use": {"input": {}},
}


@dataclass(frozen=True, slots=True)
class Block:
    """A content block, complete and as the pieces it streams in."""

    whole: Json
    deltas: list[Json]


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete message."""

    ident: str
    model: str
    blocks: list[Block]
    stop_reason: str
    usage: Json


def compose(step: Step, body: Json, digest: str) -> Answer:
    """Turn a step into its message; equal requests get equal answers."""
    budget = int(body["max_tokens"])
    tools = [*([step.tool] if step.tool else []), *step.tools]
    words = split(step.text or ("" if tools else FILLER if step.breaks_after is not None else ""))
    blocks = [thinking_block(step.thinking)] if step.thinking else []
    if kept := words[:budget]:
        blocks.append(Block({"type": "text", "text": "".join(kept)}, [{"type": "text_delta", "text": w} for w in kept]))
    blocks.extend(tool_block(tool, f"toolu_{digest[:12]}_{n}") for n, tool in enumerate(tools))
    natural = "tool_use" if tools else "max_tokens" if len(words) > budget else "end_turn"
    usage = {
        "input_tokens": count_tokens(body["messages"]),
        "output_tokens": max(1, sum(len(block.deltas) for block in blocks)),
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
    } | step.usage
    return Answer(f"msg_standin_{digest[:16]}", str(body["model"]), blocks, step.stop_reason or natural, usage)


def count_tokens(content: object) -> int:
    """A guess at the size of a prompt: four characters a token."""
    return max(1, len(json.dumps(content)) // 4)


def split(text: str) -> list[str]:
    """The words of a text, each with the space around it, so that joined they are the text."""
    return re.findall(r"\s*\S+\s*", text)


def thinking_block(text: str) -> Block:
    """A block of thinking; its signature comes last."""
    deltas: list[Json] = [{"type": "thinking_delta", "thinking": word} for word in split(text)]
    deltas.append({"type": "signature_delta", "signature": SIGNATURE})
    return Block({"type": "thinking", "thinking": text, "signature": SIGNATURE}, deltas)


def tool_block(tool: Json, fallback_id: str) -> Block:
    """A tool call; its input streams in two pieces of JSON."""
    given = tool.get("input", {})
    text = json.dumps(given)
    parts = (text[: len(text) // 2], text[len(text) // 2 :])
    call = {"type": "tool_use", "id": tool.get("id", fallback_id), "name": tool.get("name", "tool"), "input": given}
    return Block(call, [{"type": "input_json_delta", "partial_json": part} for part in parts])


def message(answer: Answer) -> Json:
    """The message object of the API, complete."""
    return {
        "id": answer.ident,
        "type": "message",
        "role": "assistant",
        "model": answer.model,
        "content": [block.whole for block in answer.blocks],
        "stop_reason": answer.stop_reason,
        "stop_sequence": None,
        "usage": answer.usage,
    }


def stream_events(answer: Answer) -> Iterator[Json]:
    """The events of the message as it streams, in order."""
    opening: Json = {"content": [], "stop_reason": None, "usage": answer.usage | {"output_tokens": 1}}
    yield {"type": "message_start", "message": message(answer) | opening}
    yield {"type": "ping"}
    for index, block in enumerate(answer.blocks):
        yield {"type": "content_block_start", "index": index, "content_block": block.whole | BLANK[block.whole["type"]]}
        for delta in block.deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    ending = {"stop_reason": answer.stop_reason, "stop_sequence": None}
    yield {"type": "message_delta", "delta": ending, "usage": {"output_tokens": answer.usage["output_tokens"]}}
    yield {"type": "message_stop"}
