"""A session's log in the words of KayOS: what its streams tell, and when the telling of a turn is over."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any
from uuid import UUID

import orjson

from windlass.contracts.events import EventKind
from windlass.core.frames import Frame
from windlass.core.stream import Subscription

Told = dict[str, Any]  # JSON for the client


def _message(said: Told) -> Told:
    return {"type": "message", "role": said.get("role"), "content": said.get("text")}


def _status(said: Told) -> Told:
    ended = said.get("end")
    return {"type": "status", "status": said.get("status")} if ended is None else {"type": "done", "status": ended}


WORDS: dict[str, Callable[[Told], Told]] = {
    EventKind.MESSAGE_DELTA: lambda said: {"type": "content", "content": said["text"]},
    EventKind.MESSAGE: _message,
    EventKind.TOOL_CALL: lambda said: {"type": "tool_use", "name": said.get("name"), "input": said.get("input")},
    EventKind.TOOL_RESULT: lambda said: {"type": "tool_result", "content": said.get("text"), "status": said["outcome"]},
    EventKind.ERROR: lambda said: {"type": "error", "error": said.get("message")},
    EventKind.STATUS: _status,
}


def tell(frame: Frame) -> bytes:
    """An event as a server-sent one; what these clients have no word for is told by its kind."""
    event = orjson.loads(frame.data)
    word = WORDS.get(frame.kind)
    told = word(event["payload"]) if word else {"type": frame.kind, "data": event["payload"]}
    id_line = b"" if frame.seq is None else b"id: %d\n" % frame.seq
    return b"%bdata: %b\n\n" % (id_line, orjson.dumps(told))


def started(agent_id: UUID) -> bytes:
    """The first thing that is told of an agent: which one it is."""
    return b"data: %b\n\n" % orjson.dumps({"type": "start", "agent_id": str(agent_id)})


class Turn:
    """A session's log to the end of a turn: the first one that ends at `last` or later; settled: to `last` itself."""

    def __init__(
        self, news: Subscription, last: int, opening: bytes | None = None, *, is_settled: bool = False
    ) -> None:
        self._news, self._last, self._opening, self._is_settled = news, last, opening, is_settled

    @property
    def is_over(self) -> bool:
        """Whether nothing will come any more."""
        return self._news.is_over

    @property
    def must_resync(self) -> bool:
        """Whether the reader was too slow and has to come again."""
        return self._news.must_resync

    async def batches(self, patience_s: float) -> AsyncGenerator[list[bytes]]:
        """What is told, in batches; an empty one after so much silence."""
        if self._opening is not None:
            yield [self._opening]
        async with aclosing(self._news.batches(patience_s)) as batches:
            async for frames in batches:
                ends = next((n for n, frame in enumerate(frames, 1) if self._ends(frame)), None)
                yield [tell(frame) for frame in frames[:ends]]
                if ends is not None:
                    return

    def end(self) -> None:
        """Stop."""
        self._news.end()

    def _ends(self, frame: Frame) -> bool:
        if (frame.seq or 0) < self._last:
            return False
        ends = frame.kind == EventKind.STATUS and "end" in orjson.loads(frame.data)["payload"]
        return ends or (self._is_settled and frame.seq is not None)
