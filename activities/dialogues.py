"""The conversation of a session, as its log holds it and as a model reads it."""

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

from activities.transcripts import Json, calls
from windlass.contracts.events import Event, EventKind, Payload
from windlass.core.attachments import Attachment, attachments_of
from windlass.core.media import PDF, TEXT

Files = Mapping[str, bytes]

KINDS = (
    *(EventKind.MESSAGE, EventKind.TOOL_CALL, EventKind.TOOL_RESULT),
    *(EventKind.STATUS, EventKind.USAGE, EventKind.LOG),
)
SUMMARY = "What was said and done before, in short, as it was too long to be read whole:\n\n{}"
WORDS_AGAIN = 40_000  # characters of what people said in a turn whose beginning is summed up
NOT_DONE = "It was not done: the turn ended before."
NOTHING = "(nothing)"
HANDS = "hands"  # who writes calls of tools and their results
LEFT_OUT = "(the attachment {} is left out)"
MOST_SHOWN = 20  # more pictures in one request would have to be smaller ones
SHOWN_BYTES = 20 << 20  # a request has at most 32 MB, and base64 makes four bytes of three
NO_FILES: Files = MappingProxyType({})
CACHED: Json = {"type": "ephemeral"}


def enclosed(events: Sequence[Event]) -> set[str]:
    """The digests of the files beside messages that the model is shown: the newest ones, as many as a request takes."""
    shown: set[str] = set()
    room = SHOWN_BYTES
    for event in reversed([each for _, taken in taken_up(events, covered(events)) for each in taken]):
        for each in reversed(attachments_of(event.payload)):
            room -= each.size_bytes if each.digest not in shown else 0
            if room < 0 or len(shown) == MOST_SHOWN:
                return shown
            shown.add(each.digest)
    return shown


def conversation(events: Sequence[Event], files: Files = NO_FILES) -> tuple[Json, ...]:
    """What was said and done, for the model. What people said stands where a turn took it up, not where it came in.

    `files`: those beside messages, by digest; one that is missing is named and left out. What is summed up is told so.
    """
    results = {event.payload["id"]: event.payload for event in events if event.kind is EventKind.TOOL_RESULT}
    messages: list[Json] = []
    _add(messages, "user", _summed_up(events))
    past = covered(events)
    took = dict(taken_up(events, past))
    for event in events:
        if event.seq in took:
            _add(messages, "user", [block for each in took[event.seq] for block in _of_person(each.payload, files)])
        elif is_answer(event) and event.seq > past:
            _add(messages, "assistant", _blocks(event.payload))
            _add(messages, "user", [_result(call, results.get(call["id"])) for call in calls(event.payload)])
    for message in [each for each in messages if each["role"] == "user"][-2:]:  # what the last call sent, and this one
        message["content"][-1] = {**message["content"][-1], "cache_control": CACHED}
    return tuple(messages)


def gone(events: Iterable[Event]) -> tuple[Json, ...]:
    """The tools that were used, described as gone: where none is left, a request that tells of them must name some."""
    names = sorted({str(call["name"]) for event in events if is_answer(event) for call in calls(event.payload)})
    described: Json = {"description": "It is not there any more.", "input_schema": {"type": "object", "properties": {}}}
    return tuple({"name": name, **described} for name in names)


def summaries_of(events: Iterable[Event]) -> list[Event]:
    """The notes that sum up what came before."""
    return [event for event in events if event.kind is EventKind.LOG and "summary" in event.payload]


def latest_summary(events: Iterable[Event]) -> Event | None:
    """The summary that the conversation goes on from, if there is one."""
    return max(summaries_of(events), key=lambda each: each.seq, default=None)


def covered(events: Iterable[Event]) -> int:
    """Up to where the conversation is summed up."""
    known = latest_summary(events)
    return 0 if known is None else int(known.payload["upto"])


def summary_of(events: Iterable[Event], turn: int, call: int) -> Event | None:
    """What a call of a turn came to when it summed up, if it is on record."""
    found = (each for each in summaries_of(events) if (each.payload["turn"], each.payload["call"]) == (turn, call))
    return next(found, None)


def is_answer(event: Event) -> bool:
    """Whether the model said it."""
    return event.kind is EventKind.MESSAGE and not _is_of_people(event)


def taken_up(events: Sequence[Event], after: int) -> Iterator[tuple[int, list[Event]]]:
    """What people said, as turns took it up after a seq."""
    said = {event.payload["id"]: event for event in events if _is_of_people(event)}
    for event in events:
        if event.kind is EventKind.STATUS and event.seq > after and event.payload.get("took"):
            yield event.seq, [said[each] for each in event.payload["took"]]


def _summed_up(events: Sequence[Event]) -> list[Json]:
    """The summary, and once more what people said in the turn whose beginning it covers."""
    known = latest_summary(events)
    if known is None:
        return []
    past, turn = covered(events), known.payload["turn"]
    began = min((each.seq for each in of_turn(events, EventKind.STATUS, turn)), default=past + 1)
    taken = [each for seq, told in taken_up(events, began - 1) if seq <= past for each in told]
    words = "\n\n".join(str(each.payload.get("text") or "") for each in taken)
    again = [_text(f"What was asked for last:\n\n{words[-WORDS_AGAIN:]}")] if words.strip() else []
    return [_text(SUMMARY.format(known.payload["summary"])), *again]


def answer_of(events: Iterable[Event], turn: int, call: int) -> Event | None:
    """The answer to a call of a turn, if it is on record."""
    return next(
        (e for e in filter(is_answer, events) if (e.payload.get("turn"), e.payload.get("call")) == (turn, call)), None
    )


def answers_of(events: Iterable[Event], turn: int) -> list[Event]:
    """What the model said in a turn."""
    return [event for event in of_turn(events, EventKind.MESSAGE, turn) if is_answer(event)]


def of_turn(events: Iterable[Event], kind: EventKind, turn: int) -> list[Event]:
    """What a turn left in the log of a kind."""
    return [event for event in events if event.kind is kind and event.payload.get("turn") == turn]


def _is_of_people(event: Event) -> bool:
    return event.kind is EventKind.MESSAGE and event.payload.get("role") == "user"


def _of_person(said: Payload, files: Files) -> list[Json]:
    """What somebody said: the files beside it, then the words."""
    return [
        *(_file(each, files.get(each.digest)) for each in attachments_of(said)),
        _text(str(said.get("text") or NOTHING)),
    ]


def _file(attached: Attachment, content: bytes | None) -> Json:
    """A file as a model reads it."""
    if content is None:
        return _text(LEFT_OUT.format(attached.name))
    if attached.media_type == TEXT:
        source = {"type": "text", "media_type": TEXT, "data": content.decode()}
        return {"type": "document", "source": source, "title": attached.name}
    source = {"type": "base64", "media_type": attached.media_type, "data": base64.b64encode(content).decode()}
    if attached.media_type == PDF:
        return {"type": "document", "source": source, "title": attached.name}
    return {"type": "image", "source": source}


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
