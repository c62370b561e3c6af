"""Clients that follow the stream of a run or session through every outage and remember exactly what they were sent."""

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus

import httpx

from windlass.contracts.events import TERMINAL_STATUSES

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 1.0  # as clients do: forty that knock ten times a second are a load of their own
NEVER = datetime.max.replace(tzinfo=UTC)
TIMEOUT = httpx.Timeout(5.0, read=20.0)  # the gateway pings every 15 s


@dataclass(slots=True)
class Watcher:
    """One client of a stream; it resumes by the last id it saw and drops nothing that it hears twice."""

    http: httpx.AsyncClient
    stream_id: str
    noun: str = "runs"
    hangs_up_after: int | None = None  # so many events, again and again
    seqs: list[int] = field(default_factory=list[int])
    heard: list[str] = field(default_factory=list[str])  # the events, as they were written
    lags_s: list[float] = field(default_factory=list[float])  # from commit to arrival, of what came live
    connected_at: datetime = NEVER
    connections: int = 0
    steps_done: int = 0
    words: int = 0  # pieces of answers that were on their way
    is_over: bool = False

    async def watch(self) -> None:
        """Follow the run to its terminal event."""
        refusals = 0
        while not self.is_over:
            before = self.connections
            with suppress(httpx.TransportError, httpx.StreamError):
                await self._connect()
            refusals = 0 if self.connections > before else refusals + 1
            if refusals and not self.is_over:
                await asyncio.sleep(min(FIRST_PAUSE_S * 2 ** (refusals - 1), LONGEST_PAUSE_S))

    async def _connect(self) -> None:
        headers = {"last-event-id": str(self.seqs[-1])} if self.seqs else {}
        path = f"/v1/{self.noun}/{self.stream_id}/stream"
        async with self.http.stream("GET", path, headers=headers, timeout=TIMEOUT) as response:
            if response.status_code != HTTPStatus.OK:
                self.is_over = response.status_code == HTTPStatus.NO_CONTENT
                return
            self.connections += 1
            self.connected_at = datetime.now(UTC)
            await self._read(response)

    async def _read(self, response: httpx.Response) -> None:
        frame: dict[str, str] = {}
        heard = 0
        async for line in response.aiter_lines():
            if line:
                name, _, value = line.partition(":")
                frame[name] = value.removeprefix(" ")
                continue
            heard += self._take(frame)
            frame = {}
            if self.is_over or heard == self.hangs_up_after:
                return

    def _take(self, frame: dict[str, str]) -> bool:
        if "id" not in frame:
            self.words += frame.get("event") == "message.delta"
            return False
        self.seqs.append(int(frame["id"]))
        self.heard.append(frame["data"])
        event = json.loads(frame["data"])
        payload = event["payload"]
        at = datetime.fromisoformat(event["at"])
        if at > self.connected_at:
            self.lags_s.append((datetime.now(UTC) - at).total_seconds())
        self.steps_done += frame["event"] == "step" and payload["state"] == "done"
        self.is_over = frame["event"] == "status" and payload["status"] in TERMINAL_STATUSES
        return True
