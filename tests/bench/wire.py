"""A small HTTP client over one kept-alive connection: the bench must not measure a big one."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, Self

import orjson


class Wire:
    """One connection to the gateway; when the gateway has closed it in a pause, the next request opens another."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int, token: str) -> None:
        self._reader, self._writer, self._port = reader, writer, port
        self._head = f"host: localhost\r\nauthorization: Bearer {token}\r\n"

    @classmethod
    async def open(cls, port: int, token: str = "") -> Self:
        """Connect to a gateway on this machine."""
        return cls(*await _connect(port), port, token)

    async def ask(self, method: str, path: str, body: object = None) -> Any:
        """Send a request and answer its JSON. Raises RuntimeError with what a refusal says."""
        answer = await self.read(path, method, body)
        return orjson.loads(answer) if answer else None

    async def read(self, path: str, method: str = "GET", body: object = None) -> bytes:
        """Send a request and answer what comes. Raises RuntimeError with what a refusal says."""
        content = b"" if body is None else orjson.dumps(body)
        await self._send(method, path, content)
        status, headers = await self._begin()
        if "content-length" in headers:
            answer = await self._reader.readexactly(int(headers["content-length"]))
        else:
            answer = b"".join([chunk async for chunk in self._chunks()])
        if status >= 300:
            raise RuntimeError(f"{method} {path}: {status} {answer[:500]!r}")
        return answer

    async def follow(self, path: str) -> list[int]:
        """Read a stream of events to its end; answers the seqs in order."""
        await self._send("GET", path, b"")
        await self._begin()
        text = b"".join([chunk async for chunk in self._chunks()])
        return [int(line[4:]) for line in text.split(b"\n") if line.startswith(b"id: ")]

    async def kinds(self, path: str) -> AsyncGenerator[str]:
        """Read a stream of events; answers the kind of each as it comes."""
        await self._send("GET", path, b"")
        await self._begin()
        rest = b""
        async for chunk in self._chunks():
            *frames, rest = (rest + chunk).split(b"\n\n")
            for line in b"\n".join(frames).split(b"\n"):
                if line.startswith(b"event: "):
                    yield line[7:].decode()

    async def close(self) -> None:
        """Hang up."""
        self._writer.close()
        await self._writer.wait_closed()

    async def _send(self, method: str, path: str, content: bytes) -> None:
        if self._reader.at_eof():
            await self.close()
            self._reader, self._writer = await _connect(self._port)
        head = f"{method} {path} HTTP/1.1\r\n{self._head}content-type: application/json\r\n"
        self._writer.write(f"{head}content-length: {len(content)}\r\n\r\n".encode() + content)

    async def _begin(self) -> tuple[int, dict[str, str]]:
        first, *lines = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        pairs = (line.partition(": ") for line in lines if line)
        return int(first.split()[1]), {name.lower(): value for name, _, value in pairs}

    async def _chunks(self) -> AsyncGenerator[bytes]:
        while size := int(await self._reader.readuntil(b"\r\n"), 16):
            yield await self._reader.readexactly(size)
            await self._reader.readexactly(2)
        await self._reader.readexactly(2)


async def _connect(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port, limit=2**22)
