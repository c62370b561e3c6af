"""The vocabulary of the event log: kinds, and an event on its way in and out."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

Payload = dict[str, Any]  # JSON: its shape depends on the kind


class EventKind(StrEnum):
    """Every kind of event a stream may hold."""

    STATUS = "status"
    META = "meta"
    INPUTS = "inputs"
    AGENT = "agent"
    ACTION = "action"
    RESULT = "result"
    FINAL = "final"
    ERROR = "error"
    DEBUG = "debug"
    STDOUT = "stdout"
    STDERR = "stderr"
    STEP = "step"
    QUESTION = "question"
    ANSWER = "answer"
    UPLOAD = "upload"
    MESSAGE = "message"
    MESSAGE_DELTA = "message.delta"
    TOOL_CALL = "tool.call"
    TOOL_RESULT = "tool.result"
    APPROVAL_REQUESTED = "approval.requested"
    APPROVAL_DECIDED = "approval.decided"
    USAGE = "usage"
    ARTIFACT = "artifact"
    SCREENSHOT = "screenshot"
    FILE_CHANGED = "file.changed"
    LOG = "log"
    BOOT = "boot"
    FIRING = "firing"


TERMINAL_STATUSES = frozenset({"finished", "failed", "cancelled"})


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event before the log has given it a place; `(producer, pseq)` makes a repeat harmless."""

    kind: EventKind
    payload: Payload
    producer: str
    pseq: int


@dataclass(frozen=True, slots=True)
class Event:
    """An event as the log keeps it: `seq` is gapless within its stream, `at` is aware."""

    seq: int
    at: datetime
    kind: EventKind
    payload: Payload
