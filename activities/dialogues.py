"""The conversation of a session, as its log holds it and as a model reads it."""

from collections.abc import Iterable, Sequence

from activities.transcripts import Json, calls
from windlass.contracts.events import Event, EventKind, Payload

KINDS = (EventKind.MESSAGE, EventKind.TOOL_CALL, EventKind.TOOL_RESULT, EventKind.STATUS, EventKind.USAGE)
NOT_DONE = "It was not done: the turn ended before."
NOTHING = "(nothing)"
HANDS = "hands"  # who writes calls of tools and their results
CACHED: Json = {"type": "ephemeral"}


def conversation(events: Sequence[Event]) -> tuple[Json, ...]:
    """What was said and done, for the model. What people said stands where a turn took it up, not where it came in."""
    said = {event.payload["id"]: event for event in events if _is_of_people(event)}
    results = {event.payload["id"]: event.payload for event in events if event.kind is EventKind.TOOL_RESULT}
    messages: list[Json] = []
    for event in events:
        if event.kind is EventKind.STATUS:
            taken = [said[each] for each in event.payload.get("took") or ()]
            _add(messages, "user", [_text(_of_person(each.payload)) for each in taken])
        elif event.kind is EventKind.MESSAGE and not _is_of_people(event):
            _add(messages, "assistant", _blocks(event.payload))
            _add(messages, "user", [_result(call, results.get(call["id"])) for call in calls(event.payload)])
    if messages:  # what comes after it in the next call is read from here
        messages[-1]["content"][-1] = {**messages[-1]["content"][-1], "cache_control": CACHED}
    return tuple(messages)


def answer_of(events: Iterable[Event], turn: int, call: int) -> Event | None:
    """The answer to a call of a turn, if it is on record."""
    found = (e for e in events if e.kind is EventKind.MESSAGE and not _is_of_people(e))
    return next((e for e in found if (e.payload.get("turn"), e.payload.get("call")) == (turn, call)), None)


def answers_of(events: Iterable[Event], turn: int) -> list[Event]:
    """What the model said in a turn."""
    return [event for event in of_turn(events, EventKind.MESSAGE, turn) if not _is_of_people(event)]


def of_turn(events: Iterable[Event], kind: EventKind, turn: int) -> list[Event]:
    """What a turn left in the log of a kind."""
    return [event for event in events if event.kind is kind and event.payload.get("turn") == turn]


def _is_of_people(event: Event) -> bool:
    return event.kind is EventKind.MESSAGE and event.payload.get("role") == "user"


def _of_person(said: Payload) -> str:
    return str(said.get("text") or NOTHING)


def _add(messages: list[Json], role: str, blocks: list[Json]) -> None:
    """The provider wants the roles in turn: what follows from the same side joins what it said before."""
    if blocks and messages and messages[-1]["role"] == role:
        messages[-1]["content"] += blocks
    elif blocks:
        messages.append({"role": role, "content": blocks})


def _blocks(said: Payload) -> list[Json]:
    """An answer as the next request repeats it; one that was cut off has words alone."""
    kept: list[Json] = list(said.get("content") or [])
    return kept or ([_text(str(said["text"]))] if str(said.get("text") or "").strip() else [])


def _result(call: Json, result: Payload | None) -> Json:
    """What one use of a tool came to."""
    text = NOT_DONE if result is None else str(result.get("text") or NOTHING)
    is_error = result is None or result["outcome"] not in ("done", "unknown")
    return {"type": "tool_result", "tool_use_id": call["id"], "content": [_text(text)], "is_error": is_error}


def _text(text: str) -> Json:
    return {"type": "text", "text": text}
