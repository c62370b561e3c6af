"""The conversation of a session as a model reads it: files beside words, and what no longer fits."""

from datetime import UTC, datetime
from uuid import uuid4

from activities.dialogues import SHOWN_BYTES, conversation, enclosed
from activities.summaries import CUT, end_of_past, question
from windlass.contracts.events import Event, EventKind, Payload
from windlass.contracts.sessions import SessionSettings
from windlass.core.attachments import Attachment

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def said(seq: int, *files: Attachment, text: str = "Look.") -> list[Event]:
    """A message, and the turn that takes it up."""
    message: Payload = {"role": "user", "id": str(seq), "text": text, "attachments": [each.to_json() for each in files]}
    taken: Payload = {"status": "running", "turn": seq, "took": [str(seq)]}
    return [Event(seq, NOW, EventKind.MESSAGE, message), Event(seq + 1, NOW, EventKind.STATUS, taken)]


def attached(digest: str, media_type: str, size_bytes: int = 4) -> Attachment:
    return Attachment(uuid4(), f"{digest}.x", media_type, digest, size_bytes)


def test_each_kind_of_file_is_a_block_of_its_own_before_the_words():
    files = [attached("a", "image/png"), attached("b", "application/pdf"), attached("c", "text/plain")]

    (message,) = conversation(said(1, *files, attached("d", "image/gif")), {each.digest: b"abcd" for each in files})

    image, pdf, text, missing, words = message["content"]
    assert image == {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "YWJjZA=="}}
    assert (pdf["type"], pdf["source"]["data"], pdf["title"]) == ("document", "YWJjZA==", "b.x")
    assert text["source"] == {"type": "text", "media_type": "text/plain", "data": "abcd"}
    assert missing["text"] == "(the attachment d.x is left out)"
    assert words["text"] == "Look."


def test_the_newest_files_are_shown_as_long_as_a_request_takes_them():
    half = SHOWN_BYTES // 2
    first, second, third = (attached(name, "application/pdf", half) for name in "abc")

    assert enclosed([*said(1, first), *said(3, second), *said(5, third, second)]) == {"b", "c"}


def answer(seq: int, turn: int, text: str, **more: object) -> Event:
    said: Payload = {"role": "assistant", "text": text, "turn": turn, "call": 1, "stop_reason": "end_turn", **more}
    return Event(seq, NOW, EventKind.MESSAGE, said)


def summary(seq: int, turn: int, upto: int) -> Event:
    return Event(seq, NOW, EventKind.LOG, {"summary": "All of it.", "turn": turn, "call": 1, "upto": upto})


def words(events: list[Event]) -> list[list[str]]:
    """What every message of the conversation says."""
    return [[block["text"] for block in message["content"]] for message in conversation(events)]


def test_the_provider_keeps_what_the_last_call_sent_and_what_this_one_sends():
    """Both ends are marked: it looks back over twenty blocks, and a call may add more."""
    uses: list[Payload] = [{"type": "tool_use", "id": str(n), "name": "list", "input": {}} for n in range(25)]
    turns = [*said(1), answer(3, 1, "", content=uses), *said(4), answer(6, 4, "So."), *said(7)]

    told = conversation(turns)

    marked = [[("cache_control" in block) for block in message["content"]] for message in told]
    assert [message["role"] for message in told] == ["user", "assistant", "user", "assistant", "user"]
    assert [(place, flags.index(True)) for place, flags in enumerate(marked) if any(flags)] == [(2, 25), (4, 0)]


def test_what_came_before_the_turn_is_summed_up_first():
    events = [*said(1, text="First."), answer(3, 1, "One."), *said(4, text="Second.")]
    events[1].payload["turn"], events[4].payload["turn"] = 1, 2

    upto = end_of_past(events, 2, 1)
    told = words([*events, summary(6, 2, upto or 0)])

    assert upto == 4
    assert [len(each) for each in told] == [2]
    assert (told[0][0].endswith("All of it."), told[0][1]) == (True, "Second.")


def test_then_what_the_turn_has_done_but_not_what_it_was_asked():
    use = {"type": "tool_use", "id": "t", "name": "read", "input": {"path": "a"}}
    result: Payload = {"id": "t", "name": "read", "outcome": "done", "text": "x" * 5_000, "turn": 1}
    events = [
        *said(1, text="Read."),
        answer(3, 1, "Reading.", content=[use]),
        Event(4, NOW, EventKind.TOOL_RESULT, result),
    ]

    upto = end_of_past(events, 1, 2)
    asked = question(events, upto or 0, SessionSettings(max_tokens=100), 1_000)
    told = words([*events, summary(5, 1, upto or 0)])

    assert upto == 4
    assert ("Assistant used read" in asked.prompt, CUT in asked.prompt, asked.max_tokens) == (True, True, 100)
    assert len(asked.prompt) < 2_000
    assert told[0][1] == "What was asked for last:\n\nRead."
    assert end_of_past([*events, summary(5, 1, 4)], 1, 3) is None
