"""Frames: an event as bytes, encoded once for everybody who watches its stream."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import Any

import orjson

from windlass.contracts.events import TERMINAL_STATUSES, EventKind

Row = Mapping[str, Any]  # a row of read_events or read_deltas, the payload as JSON text

_TERMINAL_KIND = EventKind.STATUS.value


@dataclass(frozen=True, slots=True)
class Frame:
    """One event, or with `seq` None a piece of text on its way; `data` is its JSON object.

    `delta_id` orders pieces of text; `is_last` marks the terminal event.
    """

    seq: int | None
    kind: str
    data: bytes
    delta_id: int = 0
    is_last: bool = False

    @property
    def sse(self) -> bytes:
        """The frame as a server-sent event; text on its way has no id, so that it never moves a cursor."""
        id_line = b"" if self.seq is None else b"id: %d\n" % self.seq
        return b"%bevent: %b\ndata: %b\n\n" % (id_line, self.kind.encode(), self.data)


def event_frame(row: Row) -> Frame:
    """Encode an event: `{seq, at, kind, payload}`."""
    seq, kind, payload = row["seq"], row["kind"], row["payload"]
    at = row["at"].astimezone(UTC).replace(tzinfo=None).isoformat()
    data = f'{{"seq":{seq},"at":"{at}Z","kind":"{kind}","payload":{payload}}}'.encode()
    is_last = kind == _TERMINAL_KIND and orjson.loads(payload).get("status") in TERMINAL_STATUSES
    return Frame(seq, kind, data, is_last=is_last)


def delta_frame(row: Row) -> Frame:
    """Encode a piece of text on its way: `{kind, payload: {item, attempt, ord, text}}`."""
    payload = {name: row[name] for name in ("item", "attempt", "ord", "text")}
    data = orjson.dumps({"kind": EventKind.MESSAGE_DELTA.value, "payload": payload})
    return Frame(None, EventKind.MESSAGE_DELTA.value, data, delta_id=row["id"])
