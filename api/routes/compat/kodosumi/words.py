"""A run's log in Kodosumi's words: its kinds, its statuses, its frames `<timestamp>:<payload>`."""

import re
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection
from contextlib import aclosing
from datetime import datetime
from typing import Any, cast

import orjson

from api.authentication import OLD_CLIENTS
from windlass.contracts.events import EventKind
from windlass.contracts.questions import QuestionState
from windlass.contracts.runs import RunStatus
from windlass.core.frames import Frame
from windlass.core.stream import Subscription

PREFIX = OLD_CLIENTS.rstrip("/")
Told = dict[str, Any]  # JSON for the client
Unfold = Callable[[Told], Awaitable[Told]]

STATUSES: dict[RunStatus, str] = {
    RunStatus.QUEUED: "starting",
    RunStatus.STARTING: "starting",
    RunStatus.RUNNING: "running",
    RunStatus.AWAITING: "awaiting",
    RunStatus.FINISHED: "finished",
    RunStatus.FAILED: "error",
    RunStatus.CANCELLED: "error",
}
LOCK, LEASE = "lock", "lease"
SAME = (
    "meta",
    "inputs",
    "agent",
    "upload",
    "status",
    "error",
    "action",
    "result",
    "final",
    "debug",
    "stdout",
    "stderr",
)
KINDS: dict[str, str] = {EventKind.QUESTION: LOCK, EventKind.ANSWER: LEASE, **{kind: kind for kind in SAME}}
STDIO = frozenset({"error", "stdout", "stderr", "debug", "upload"})
MAIN = frozenset(KINDS.values()) - STDIO | {"error"}
EVERYTHING = frozenset(KINDS.values())
EOF = b"id: 0\nevent: eof\ndata: end of stream\n\n"
REFERENCE = b'"$artifact"'
LINE_END = re.compile("\r\n|\r|\n")  # of a frame; `splitlines` knows more of them, which JSON holds as they are


def read_object(text: str | bytes) -> Told | None:
    """The JSON object that is sent, `{}` for nothing; None for what is none."""
    try:
        sent: Any = orjson.loads(text or b"{}")
    except orjson.JSONDecodeError:
        return None
    return cast("Told", sent) if isinstance(sent, dict) else None


def unix(moment: datetime | None) -> float | None:
    """A moment as Kodosumi counts it."""
    return None if moment is None else moment.timestamp()


def expiry(moment: str) -> float:
    """When a lock expires, as Kodosumi counts it."""
    return datetime.fromisoformat(moment).timestamp()


def _status(said: Told) -> str | None:
    return None if said["status"] == RunStatus.QUEUED else STATUSES[RunStatus(said["status"])]


def _lock(said: Told) -> Told | None:
    if said.get("state", QuestionState.OPEN) != QuestionState.OPEN:
        return None
    told = {"name": said["name"], "lid": said["question_id"], "data": said.get("data")}
    return {"dict": told | {"expires": expiry(said["expires_at"])}}


def _lease(said: Told) -> Told:
    return {"dict": {"name": said["name"], "lid": said["question_id"], "result": said.get("result")}}


def _meta(said: Told) -> Told:
    known = {"fid": said.get("run_id"), "username": said.get("user_id"), "kodosumi_version": said.get("windlass")}
    return {"dict": known | said}


def _error(said: Told) -> str:
    return said.get("traceback") or f"{said.get('type')}: {said.get('message')}"


def _text(said: Told) -> str:
    return str(said.get("text", ""))


WORDS: dict[str, Callable[[Told], Told | str | None]] = {
    EventKind.STATUS: _status,
    EventKind.META: _meta,
    EventKind.ERROR: _error,
    EventKind.DEBUG: _text,
    EventKind.STDOUT: _text,
    EventKind.STDERR: _text,
    EventKind.QUESTION: _lock,
    EventKind.ANSWER: _lease,
}


def payload_of(kind: str, said: Told) -> str | None:
    """The payload as Kodosumi writes it: text, or JSON of a typed value; None: it has no word for this."""
    told = WORDS[kind](said) if kind in WORDS else said
    return told if told is None or isinstance(told, str) else orjson.dumps(told).decode()


def error_text(error: Told | None) -> str:
    """What a failed run says in place of a result."""
    return "" if error is None else str(error.get("message") or error.get("type") or "")


class Telling:
    """A run's log, told to the end; then `eof`. What Kodosumi has no word for is left out."""

    def __init__(self, news: Subscription, unfold: Unfold, kinds: Collection[str]) -> None:
        self._news, self._unfold, self._kinds = news, unfold, kinds

    @property
    def is_over(self) -> bool:
        """Whether nothing will come any more."""
        return self._news.is_over

    @property
    def must_resync(self) -> bool:
        """Whether the reader was too slow and has to come again."""
        return self._news.must_resync

    async def batches(self, patience_s: float) -> AsyncGenerator[list[bytes]]:
        """What is told, in batches; a sign of life after so much silence."""
        is_told = self._news.is_over  # it had ended, and the reader has seen it
        async with aclosing(self._news.batches(patience_s)) as batches:
            async for frames in batches:
                yield [told for frame in frames if (told := await self._told(frame))] or [_alive()]
                is_told = is_told or any(frame.is_last for frame in frames)
        if is_told:
            yield [EOF]

    def end(self) -> None:
        """Stop."""
        self._news.end()

    async def _told(self, frame: Frame) -> bytes | None:
        kind = KINDS.get(frame.kind)
        if kind is None or kind not in self._kinds or frame.seq is None:
            return None
        event = orjson.loads(frame.data)
        said = await self._unfold(event["payload"]) if REFERENCE in frame.data else event["payload"]
        payload = payload_of(frame.kind, said)
        return None if payload is None else _frame(frame.seq, kind, datetime.fromisoformat(event["at"]), payload)


def _alive() -> bytes:
    return b"id: 0\nevent: alive\ndata: %.6f:service alive\n\n" % time.time()


def _frame(seq: int, kind: str, at: datetime, payload: str) -> bytes:
    told = f"{at.timestamp()}:{payload}".removesuffix("\n")
    lines = "".join(f"data: {line}\n" for line in LINE_END.split(told))
    return f"id: {seq}\nevent: {kind}\n{lines}\n".encode()
