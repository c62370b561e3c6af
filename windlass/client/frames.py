"""Server-sent events: bytes in, frames out; and where a reader stands between two connections."""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass

import httpx

from windlass.client.errors import ApiError, Unreachable
from windlass.client.records import Event

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0
PATIENCE = 40  # connections in a row that failed: about three minutes
STREAM_TIMEOUT = httpx.Timeout(10.0, read=45.0)  # the gateway pings every 15 s
PASSING = frozenset({429, 502, 503, 504})
RESYNC = "resync"
NO_CONTENT = 204


@dataclass(frozen=True, slots=True)
class Frame:
    """One server-sent event."""

    event: str
    data: str
    id: str | None = None


class FrameParser:
    """Cuts a stream of bytes into frames, by the rules of the HTML standard; comments are dropped."""

    def __init__(self) -> None:
        self._buffer = b""
        self._event, self._data, self._id = "", list[str](), None

    def feed(self, chunk: bytes) -> Iterator[Frame]:
        """Take some bytes and yield the frames they complete."""
        lines = (self._buffer + chunk).replace(b"\r\n", b"\n").split(b"\n")
        self._buffer = lines.pop()
        for line in lines:
            frame = self._take(line.decode("utf-8", "replace"))
            if frame is not None:
                yield frame

    def _take(self, line: str) -> Frame | None:
        if not line:
            return self._finish()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            self._event = value
        elif name == "data":
            self._data.append(value)
        elif name == "id":
            self._id = value
        return None

    def _finish(self) -> Frame | None:
        frame = Frame(self._event or "message", "\n".join(self._data), self._id)
        is_empty = not self._data and not self._event
        self._event, self._data, self._id = "", [], None
        return None if is_empty else frame


class Place:
    """Where a reader of a stream stands: survives connections, drops what was seen, knows the end."""

    def __init__(self, url: str, after: int) -> None:
        self._url = url
        self.cursor = after
        self.is_over = False
        self._parser = FrameParser()
        self._failures = 0
        self._is_hurried = False
        self.is_quiet = False
        """Whether the last connection was accepted and brought nothing new."""

    def headers(self) -> dict[str, str]:
        """The request headers of the next connection."""
        self._parser, self.is_quiet = FrameParser(), False
        return {"accept": "text/event-stream", "last-event-id": str(self.cursor)}

    def check(self, response: httpx.Response) -> bool:
        """Whether events follow; an answer that may pass counts as a failed connection. Raises ApiError."""
        if response.status_code == NO_CONTENT:  # everything was seen, its end included
            self.is_over = True
            return False
        if response.is_success:
            self.is_quiet = True
            return True
        if response.status_code not in PASSING:
            raise ApiError.from_response(response)
        self.lost(f"status {response.status_code}")
        return False

    def take(self, chunk: bytes) -> Iterator[Event]:
        """Take some bytes and yield the events that are new."""
        for frame in self._parser.feed(chunk):
            event = self._read(frame)
            if event is not None:
                yield event
            if self.is_over:
                return

    def lost(self, reason: object) -> None:
        """Note a connection that failed. Raises Unreachable after too many in a row."""
        self._failures += 1
        if self._failures > PATIENCE:
            raise Unreachable(self._url, reason)

    def pause_s(self) -> float:
        """How long to wait before the next connection; spread, so that readers do not come back together."""
        if self._is_hurried:
            self._is_hurried = False
            return 0.0
        longest = min(FIRST_PAUSE_S * 2 ** min(self._failures, 8), LONGEST_PAUSE_S)
        return random.uniform(longest / 2, longest)  # noqa: S311 - spreads load, guards nothing

    def _read(self, frame: Frame) -> Event | None:
        self._failures = 0
        if frame.event == RESYNC:
            self._is_hurried = True
            return None
        if not frame.data:
            return None
        event = Event.model_validate(json.loads(frame.data))
        if event.seq is not None:
            if event.seq <= self.cursor:
                return None
            self.cursor = event.seq
        self.is_quiet = False
        self.is_over = event.is_terminal
        return event
