"""The gateway's end of a passage: one connection to a host, for one request."""

import asyncio
from contextlib import suppress
from typing import Any, Self

import orjson

from windlass.contracts.passages import LONGEST_LINE, PIECE_BYTES, Said, packed, unpacked
from windlass.core.doors import BadGateway, Door

CONNECT_S = 3.0
BROKE_OFF = "The service broke off its answer: its process has ended, or was replaced. Ask again."


class Passage:
    """Says the messages of one request and hears those of its answer."""

    def __init__(self, door: Door, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._door, self._reader, self._writer = door, reader, writer

    @classmethod
    async def open(cls, door: Door, op: str, scope: Said) -> Self:
        """Ask for it. Raises BadGateway, ServiceDown when nobody opens."""
        try:
            async with asyncio.timeout(CONNECT_S):
                streams = await asyncio.open_unix_connection(str(door.address), limit=LONGEST_LINE)
        except (OSError, TimeoutError):
            raise door.shut() from None
        passage = cls(door, *streams)
        await passage._write(orjson.dumps({"op": op, "scope": scope}) + b"\n")
        return passage

    async def say(self, message: dict[str, Any], body: bytes = b"") -> None:
        """Carry a message in; a large body in pieces. What nobody hears any more is dropped: the answer tells."""
        if message["type"] == "http.request":
            while len(body) > PIECE_BYTES:
                await self._write(packed({**message, "more_body": True}, body[:PIECE_BYTES]))
                body = body[PIECE_BYTES:]
        await self._write(packed(message, body))

    async def hear(self) -> tuple[Said, bytes]:
        """The next message out, and its body. Raises BadGateway at the end of the connection, or at nonsense."""
        try:
            line = await self._reader.readline()
            if not line.endswith(b"\n"):
                raise BadGateway(BROKE_OFF)
            said = unpacked(line)
            return said, await self._reader.readexactly(said["size"])
        except (OSError, asyncio.IncompleteReadError):
            raise BadGateway(BROKE_OFF) from None
        except ValueError:  # no JSON, or a line that is too long
            raise BadGateway(f"The service {self._door.name} answers what nobody understands.") from None

    def abort(self) -> None:
        """Hang up at once."""
        self._writer.transport.abort()

    async def close(self) -> None:
        """Hang up."""
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()

    async def _write(self, written: bytes) -> None:
        if not self._writer.is_closing():
            with suppress(OSError):
                self._writer.write(written)
                await self._writer.drain()
