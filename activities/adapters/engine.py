"""A Docker engine over HTTP on its unix socket: requests, its stream of events, and programs in containers."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from activities.containers import EngineAway

TIMEOUT_S = 30.0
HEAD_BYTES = 8  # of a frame: which stream, three zeros, length
STDOUT, STDERR = 1, 2
LONGEST_FRAME = 16 * 1024 * 1024

Json = dict[str, Any]


class EngineRefused(Exception):
    """The engine answered, with an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Program:
    """What runs in a container beside the desktop; no word of it is read by a shell of ours."""

    container: str
    words: tuple[str, ...]
    stdin: bytes = b""


@dataclass(frozen=True, slots=True)
class Done:
    """What a short program wrote, and its exit code."""

    code: int
    out: bytes
    err: bytes


class DockerEngine:
    """One engine. Its own client library would block a thread for every call; this one awaits."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self._http = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=str(socket)), base_url="http://docker", timeout=TIMEOUT_S
        )

    async def close(self) -> None:
        """Hang up."""
        await self._http.aclose()

    async def ask(self, method: str, path: str, body: Json | None = None, **query: str) -> Any:
        """Send one request and read its JSON; None for an answer without. Raises EngineRefused, EngineAway."""
        content = await self.fetch(method, path, body, **query)
        return json.loads(content) if content else None

    async def fetch(self, method: str, path: str, body: Json | None = None, **query: str) -> bytes:
        """Send one request and answer its bytes. Raises EngineRefused, EngineAway."""
        try:
            response = await self._http.request(method, path, json=body, params=query)
        except httpx.TransportError as error:
            raise self._away(error) from error
        if response.is_error:
            raise EngineRefused(response.status_code, _message(response))
        return response.content

    async def events(self, filters: dict[str, list[str]]) -> AsyncIterator[Json]:
        """What happens in the engine from now on, until the connection ends. Raises EngineAway."""
        query = {"filters": json.dumps(filters)}
        try:
            async with self._http.stream(
                "GET", "/events", params=query, timeout=httpx.Timeout(TIMEOUT_S, read=None)
            ) as answer:
                async for line in answer.aiter_lines():
                    yield json.loads(line)
        except httpx.TransportError as error:
            raise self._away(error) from error

    async def run(self, program: Program) -> Done:
        """Run a short program to its end. Raises EngineRefused (409: the container does not run), EngineAway."""
        written: dict[int, list[bytes]] = {STDOUT: [], STDERR: []}
        async with self.started(program) as (exec_id, frames):
            async for stream, text in frames:
                written.setdefault(stream, []).append(text)
        state = await self.ask("GET", f"/exec/{exec_id}/json")
        return Done(int(state["ExitCode"] or 0), b"".join(written[STDOUT]), b"".join(written[STDERR]))

    @asynccontextmanager
    async def started(self, program: Program) -> AsyncGenerator[tuple[str, AsyncIterator[tuple[int, bytes]]]]:
        """Start a program and yield its id and what it writes, as (stream, bytes); leaving does not end the program."""
        wish = {
            "AttachStdin": bool(program.stdin),
            "AttachStdout": True,
            "AttachStderr": True,
            "Cmd": list(program.words),
            "User": "1000:1000",
        }
        made = await self.ask("POST", f"/containers/{quote(program.container, safe='')}/exec", wish)
        try:
            reader, writer = await asyncio.open_unix_connection(str(self.socket))
        except OSError as error:
            raise self._away(error) from error
        try:
            await _take_over(reader, writer, made["Id"])
            feeding = asyncio.create_task(_feed(writer, program.stdin))
            try:
                yield made["Id"], _frames(reader)
            finally:
                feeding.cancel()
        finally:
            writer.close()

    def _away(self, error: Exception) -> EngineAway:
        if not self.socket.exists():
            return EngineAway(
                f"no container engine: {self.socket} does not exist. Install Docker, or set WINDLASS_DOCKER_SOCKET."
            )
        return EngineAway(f"the container engine does not answer at {self.socket} ({type(error).__name__}).")


async def _take_over(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, exec_id: str) -> None:
    """Start the program on this connection: from its answer on it carries nothing but the program's streams."""
    body = b'{"Detach":false,"Tty":false}'
    head = (
        f"POST /exec/{exec_id}/start HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\n"
        f"Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    await writer.drain()
    answer = await reader.readuntil(b"\r\n\r\n")
    status = int(answer.split(b" ", 2)[1])
    if status not in (101, 200):
        rest = await reader.read(2000)
        raise EngineRefused(status, rest.decode(errors="replace").strip())


async def _feed(writer: asyncio.StreamWriter, stdin: bytes) -> None:
    if stdin:
        writer.write(stdin)
        await writer.drain()
        writer.write_eof()


async def _frames(reader: asyncio.StreamReader) -> AsyncIterator[tuple[int, bytes]]:
    while True:
        try:
            head = await reader.readexactly(HEAD_BYTES)
            size = int.from_bytes(head[4:], "big")
            if size > LONGEST_FRAME:
                raise EngineAway("the container engine speaks another protocol.")
            yield head[0], await reader.readexactly(size)
        except asyncio.IncompleteReadError:
            return


def _message(response: httpx.Response) -> str:
    try:
        return str(response.json()["message"])
    except (ValueError, KeyError, TypeError):
        return response.text[:500]
